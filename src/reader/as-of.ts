/** How old an answer is. Read from each shard in the same transaction as the answer. */
import { encodeChangesCursor } from "../core/cursor.ts";
import type { ShardKeys } from "../core/keys.ts";
import { SCOPE_UNIT } from "../core/limits.ts";
import { LISTS } from "../core/record.ts";
import type { View } from "../core/view.ts";
import { entriesOf, fieldsOf, integer, integerOrNull, list, streamId, timeOrNull } from "../redis/decode.ts";
import type { StreamEntry } from "../redis/entries.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";
import { shardsMismatch } from "../redis/shards.ts";
import type { AsOf } from "./answers/as-of.ts";

/** The age of one shard's part, and its counts. */
export interface ShardAsOf {
  /** On Redis's clock, ms. */
  readonly now: number;
  /** When the projector last ran, ms; null: never. */
  readonly ran: number | null;
  /** Id of the last record folded. */
  readonly folded: string;
  /** Id of the last entry of `changes`. */
  readonly change: string;
  /** Records not folded yet. */
  readonly records: number;
  readonly lagMs: number;
  /** How long work for a projector has waited. */
  readonly overdueMs: number;
  readonly users: number;
  readonly sockets: number;
  readonly connections: number;
  /** In a scope: what `tracks` of the totals says; null: nothing. */
  readonly tracks: string | null;
}

/** The commands that every answer starts with; counts() needs no others. Three, whatever the number of users. */
export function asOfCommands(keys: ShardKeys, view: View): ReadCommand[] {
  const { scope, last } = view;
  const inScope = scope === undefined ? [] : ["tracks"];
  return [
    [
      "HMGET",
      keys.totals,
      "shards",
      "folded",
      last,
      "ran",
      "due",
      "users",
      "sockets",
      "connections",
      ...inScope,
    ],
    // Folded records leave the log, so its length is the lag.
    ["XLEN", keys.records],
    ["XRANGE", keys.records, "-", "+", "COUNT", "1"],
    ...(scope === undefined ? [] : [["ZMSCORE", keys.scopes, scope] as const]),
  ];
}

/** How many commands those are. */
export function asOfCount({ scope }: View): number {
  return scope === undefined ? 3 : 4;
}

const ASKED = "HMGET of the totals";

/** The names in a record that a reader would see something of; a record without any is a heartbeat. `protocol`: a first record. */
const NEWS: ReadonlySet<string> = new Set([
  ...LISTS,
  "protocol",
  "anonymous",
  "connections",
  "bye",
  "replaces",
  "join",
  "drop",
  "part",
  "shut",
]);

function hasNews({ fields }: StreamEntry): boolean {
  return fields.some((name, i) => i % 2 === 0 && NEWS.has(name));
}

/**
 * How long work for a projector has waited, ms: a deadline since it passed; records with news, and records that a call left because
 * its budget ran out, since they were appended. Heartbeats wait for the next deadline, and no longer. The head of the log stands for
 * what is behind it: news behind a heartbeat that no call left counts from the next deadline on.
 */
function overdue(now: number, ran: number | null, due: number | null, head: StreamEntry | undefined): number {
  const isDue = due !== null && due >= 0;
  const late = isDue ? Math.max(0, now - due) : 0;
  if (head === undefined) return late;
  const appended = appendedAt(head);
  // A call that is not cut short takes all there is, so what is older than the last call was left by it.
  const wasLeft = ran === null || appended < ran;
  return !isDue || wasLeft || hasNews(head) ? Math.max(late, now - appended) : late;
}

function appendedAt({ id }: StreamEntry): number {
  return Number(id.split("-", 1)[0]);
}

/** Throws PresenceError SHARDS_MISMATCH, and REPLY_INVALID. */
export function readAsOf(
  replies: readonly Reply[],
  { shards, view, now }: { shards: number; view: View; now: number },
): ShardAsOf {
  const [totals, length, head, score] = replies;
  const isWhole = view.scope === undefined;
  const values = fieldsOf(totals, ASKED, isWhole ? 8 : 9);
  const [known = null, folded = null, change = null, ...times] = values.slice(0, 8);
  if (known !== null && known !== String(shards)) throw shardsMismatch(known, shards);
  const [ran = null, due = null] = times.slice(0, 2).map((value) => timeOrNull(value, ASKED));
  const [users = 0, sockets = 0, connections = 0] = times
    .slice(2)
    .map((value) => integerOrNull(value, ASKED) ?? 0);
  const first = entriesOf(head, "XRANGE of records")[0];
  const own = isWhole
    ? { users, sockets, connections }
    : { ...scopeCountsOf(list(score, SCORE_ASKED, 1)[0]!), connections: 0 };
  return {
    now,
    ran,
    folded: folded === null ? "0-0" : streamId(folded, ASKED),
    change: change === null ? "0-0" : streamId(change, ASKED),
    records: integer(length, "XLEN of records"),
    lagMs: first === undefined ? 0 : Math.max(0, now - appendedAt(first)),
    overdueMs: overdue(now, ran, due, first),
    ...own,
    tracks: values[8] ?? null,
  };
}

const SCORE_ASKED = "ZMSCORE of scopes";

/** The users and sockets of a scope in one shard, from its score; null: nobody is there. */
export function scopeCountsOf(score: Reply): { users: number; sockets: number } {
  const both = integerOrNull(score, SCORE_ASKED) ?? 0;
  const users = Math.floor(both / SCOPE_UNIT);
  return { users, sockets: both - users * SCOPE_UNIT };
}

/** The age of the oldest part. */
export function combineAsOf(parts: readonly ShardAsOf[], staleAfter: number, { mark }: View): AsOf {
  const rans = parts.map((part) => part.ran);
  const oldest = rans.includes(null) ? null : Math.min(...rans.filter((ran) => ran !== null));
  return {
    now: new Date(Math.max(...parts.map((part) => part.now))),
    projectedAt: oldest === null ? null : new Date(oldest),
    record: parts.map((part) => part.folded).join("_"),
    lag: {
      records: parts.reduce((sum, part) => sum + part.records, 0),
      ms: Math.max(...parts.map((part) => part.lagMs)),
    },
    stale: oldest === null || parts.some((part) => part.overdueMs > staleAfter),
    cursor: encodeChangesCursor(
      parts.map((part) => part.change),
      mark,
    ),
  };
}
