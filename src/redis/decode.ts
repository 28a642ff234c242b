/**
 * Decodes and checks replies of Redis. A proxy, a Redis-compatible service or a manual edit of a key can produce a value of
 * any shape. Each function here returns its declared type or throws PresenceError REPLY_INVALID, which names the command and
 * the kind of value received. It never quotes the value, which may be a user id.
 */
import { PresenceError } from "../core/errors.ts";
import { isStreamId } from "../core/stream-id.ts";
import type { StreamEntry } from "./entries.ts";
import type { Reply } from "./port.ts";

/** Undefined: a list was shorter than expected. */
type Came = Reply | undefined;

/** The largest distance from 1970 that a Date can hold, ms. */
const DATE_MS_MAX = 8.64e15;

/** Throws REPLY_INVALID. `asked` names the command and its subject: "HMGET of the totals". */
function refuse(asked: string, wanted: string, came: Came): never {
  throw new PresenceError(
    "REPLY_INVALID",
    `${asked}: expected ${wanted}, got ${kindOf(came)}; is a proxy in between, or was a key edited by hand?`,
  );
}

function kindOf(came: Came): string {
  if (came === undefined || came === null) return "nothing";
  if (Array.isArray(came)) return `a list of ${came.length}`;
  return typeof came === "number" ? "a number" : "text";
}

/** Text. RESP3 sends scores and counts as numbers, which are text in RESP2. */
export function text(reply: Came, asked: string): string {
  if (typeof reply === "string") return reply;
  if (typeof reply === "number") return String(reply);
  return refuse(asked, "text", reply);
}

/** Text, or null for null. */
export function textOrNull(reply: Came, asked: string): string | null {
  return reply === null ? null : text(reply, asked);
}

/** A whole number, from a number or from decimal text. */
export function integer(reply: Came, asked: string): number {
  const number = typeof reply === "string" && reply.trim() !== "" ? Number(reply) : reply;
  if (typeof number === "number" && Number.isSafeInteger(number)) return number;
  return refuse(asked, "a whole number", reply);
}

/** A whole number, or null for null. */
export function integerOrNull(reply: Came, asked: string): number | null {
  return reply === null ? null : integer(reply, asked);
}

/** A time in ms since 1970 that a Date can hold, or null for null. */
export function timeOrNull(reply: Came, asked: string): number | null {
  const ms = integerOrNull(reply, asked);
  return ms === null || Math.abs(ms) <= DATE_MS_MAX ? ms : refuse(asked, "a time in ms", reply);
}

/** The id of a stream entry. */
export function streamId(reply: Came, asked: string): string {
  return typeof reply === "string" && isStreamId(reply) ? reply : refuse(asked, "a stream id", reply);
}

/**
 * A user's slots, from a value of the hash `users`: `3` is one socket on slot 3, `3*2,7` two on slot 3 and one on slot 7, `0`
 * none: the user is in grace.
 */
export function slotsOf(reply: Came, asked: string): [slot: string, sockets: number][] {
  const value = text(reply, asked);
  if (value === "0") return [];
  return value.split(",").map((one): [string, number] => {
    const match = /^([1-9]\d{0,14})(?:\*([1-9]\d{0,8}))?$/.exec(one);
    return match === null ? refuse(asked, "slots", reply) : [match[1]!, Number(match[2] ?? 1)];
  });
}

/** A list; with exactly `length` items if given. */
export function list(reply: Came, asked: string, length?: number): readonly Reply[] {
  if (Array.isArray(reply) && (length === undefined || reply.length === length)) return reply as Reply[];
  return refuse(asked, length === undefined ? "a list" : `a list of ${length}`, reply);
}

/** A list of text. */
export function texts(reply: Came, asked: string): string[] {
  return list(reply, asked).map((item) => text(item, asked));
}

/** The reply of HMGET for `count` fields: the text of each, null for a missing one. */
export function fieldsOf(reply: Came, asked: string, count: number): (string | null)[] {
  return list(reply, asked, count).map((item) => textOrNull(item, asked));
}

/** A flat list of names and values, as HSCAN returns it. */
export function pairs(reply: Came, asked: string): [name: string, value: string][] {
  const flat = list(reply, asked);
  if (flat.length % 2 !== 0) return refuse(asked, "names with values", reply);
  const found: [string, string][] = [];
  for (let i = 0; i < flat.length; i += 2) found.push([text(flat[i], asked), text(flat[i + 1], asked)]);
  return found;
}

/** Members of a sorted set with whole-number scores: a flat list in RESP2, pairs in RESP3. */
export function scored(reply: Came, asked: string): [member: string, score: number][] {
  return pairs(list(reply, asked).flat(), asked).map(([member, score]) => [member, integer(score, asked)]);
}

/** The entries of one stream, from a reply of XRANGE: a new list. */
export function entriesOf(reply: Came, asked: string): StreamEntry[] {
  return list(reply, asked).map((item) => {
    const [id, fields] = list(item, asked, 2);
    return { id: streamId(id, asked), fields: texts(fields, asked) };
  });
}
