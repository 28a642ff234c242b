/**
 * The sockets of all processes, from what each states of its own (docs/protocol.md, "Scopes", `open`): process by process in the order of
 * their slots, so a page has a place that stays, whoever comes and goes.
 */
import { PresenceError } from "../core/errors.ts";
import { PROCESSES_PAGE, SOCKET_SCANS_MAX, SOCKETS_SCANNED } from "../core/limits.ts";
import { hasIds } from "../core/scope-patterns.ts";
import { checkScope, partsOf } from "../core/scope.ts";
import { shardOf } from "../core/shard.ts";
import { fieldsOf, list, pairs, slotsOf, text } from "../redis/decode.ts";
import type { ReaderContext } from "./context.ts";
import { resolveSocketsOptions } from "./options.ts";
import { patternsOf } from "./tracked.ts";
import type { Reader, SocketPresence, SocketsOptions, SocketsPage } from "./types.ts";

const ASKED = "HSCAN of sockets";

/** Where to read on: from a process on, and within it. */
interface Place {
  readonly shard: number;
  readonly slot: number;
  readonly scan: string;
}

interface Live {
  readonly slot: number;
  readonly process: string;
}

export function socketsOver(context: ReaderContext): Pick<Reader, "sockets"> {
  const { keys, shards, askPlain } = context;

  const keyOf = (shard: number, name: string, { slot }: Live) => `${keys[shard]!.tag}:${name}:${slot}`;

  /** The processes with a lease that have anything that is asked for, of so many from a place on; and whether there are more. */
  async function candidates(
    at: Place,
    scope: string | undefined,
    user: string | undefined,
    id: string | undefined,
  ) {
    const { processes, replies } = await context.askLive(at.shard, (own) =>
      user === undefined ? [] : [["HMGET", own.users, user]],
    );
    const all = processes.filter(({ slot }) => slot >= at.slot).sort((a, b) => a.slot - b.slot);
    let some = all.slice(0, PROCESSES_PAGE);
    const rest = all.length > some.length ? some.at(-1)!.slot + 1 : undefined;
    if (user !== undefined) {
      const [value] = fieldsOf(replies[0], "HMGET of users", 1);
      const slots = new Set((value ? slotsOf(value, "HMGET of users") : []).map(([slot]) => Number(slot)));
      some = some.filter(({ slot }) => slots.has(slot));
    }
    if (scope !== undefined && some.length > 0) {
      const counts = await askPlain(some.map((one) => ["HMGET", keyOf(at.shard, "scopes", one), scope]));
      some = some.filter((_, i) => fieldsOf(counts[i], "HMGET of scopes", 1)[0] !== null);
    }
    if (id !== undefined && some.length > 0) {
      const values = await askPlain(some.map((one) => ["HMGET", keyOf(at.shard, "sockets", one), id]));
      some = some.filter((_, i) => fieldsOf(values[i], "HMGET of sockets", 1)[0] !== null);
    }
    return { some, rest };
  }

  /** A part of the sockets of a process. */
  async function part(shard: number, one: Live, scan: string, limit: number, id: string | undefined) {
    const key = keyOf(shard, "sockets", one);
    if (id !== undefined) {
      const [reply] = await askPlain([["HMGET", key, id]]);
      const [value] = fieldsOf(reply, "HMGET of sockets", 1);
      return { next: "0", found: value ? [[id, value] as const] : [] };
    }
    const [reply] = await askPlain([["HSCAN", key, scan, "COUNT", String(limit)]]);
    const [next, found] = list(reply, ASKED, 2);
    return { next: text(next, ASKED), found: pairs(found, ASKED) };
  }

  return {
    async sockets(options: SocketsOptions = {}): Promise<SocketsPage> {
      const { namespace, room, user, id, cursor, limit } = resolveSocketsOptions(options);
      const scope =
        namespace === undefined && room === undefined ? undefined : checkScope(namespace ?? "/", room);
      const place = cursor === undefined ? undefined : decode(cursor, shards);
      const view = scope === undefined ? context : context.within(scope);
      const answers = await view.askAll((own) => [["HMGET", own.totals, "tracks"]]);
      const tracks = answers.map(({ replies }) => ({
        tracks: fieldsOf(replies[0], "HMGET of the totals", 1)[0] ?? null,
      }));
      if (!hasIds(patternsOf(tracks))) throw notKept();
      const asOf = view.combine(answers.map((answer) => answer.asOf));
      const fits = (socket: SocketPresence) =>
        (user === undefined || socket.user === (user === "" ? null : user)) &&
        (scope === undefined || socket.namespace === partsOf(scope).namespace) &&
        (room === undefined || socket.rooms.includes(room));
      const count = scope === undefined && user === undefined ? limit : Math.max(limit, SOCKETS_SCANNED);
      const [first, last] =
        user === undefined ? [0, shards - 1] : Array<number>(2).fill(user === "" ? 0 : shardOf(user, shards));
      const sockets: SocketPresence[] = [];
      let at: Place | undefined = place ?? { shard: first!, slot: 0, scan: "0" };
      let scans = 0;
      const page = (next: Place | undefined): SocketsPage => ({
        sockets,
        next: next === undefined ? null : encode(next),
        asOf,
      });
      while (at !== undefined) {
        const { shard, slot, scan: from }: Place = at;
        const { some, rest } = await candidates(at, scope, user === "" ? undefined : user, id);
        const following: Place | undefined =
          rest !== undefined
            ? { shard, slot: rest, scan: "0" }
            : shard < last!
              ? { shard: shard + 1, slot: 0, scan: "0" }
              : undefined;
        for (const [i, one] of some.entries()) {
          let scan = one.slot === slot ? from : "0";
          do {
            const { next, found } = await part(shard, one, scan, count, id);
            for (const [own, value] of found) {
              const socket = socketOf(own, value, one.process);
              if (socket !== undefined && fits(socket)) sockets.push(socket);
            }
            scan = next;
            scans++;
            if (sockets.length < limit && scans < SOCKET_SCANS_MAX) continue;
            if (scan !== "0") return page({ shard, slot: one.slot, scan });
            const after = some[i + 1];
            return page(after === undefined ? following : { shard, slot: after.slot, scan: "0" });
          } while (scan !== "0");
        }
        at = following;
        scans++;
        if (scans >= SOCKET_SCANS_MAX) return page(at);
      }
      return page(undefined);
    },
  };
}

/** Undefined: a later version or a manual edit has written it. */
function socketOf(id: string, value: string, process: string): SocketPresence | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed) || !parsed.every((one) => typeof one === "string")) return undefined;
  const [user, ...scopes] = parsed as readonly string[];
  if (user === undefined || scopes.length === 0) return undefined;
  const parts = scopes.map((scope) => partsOf(scope));
  const { namespace } = parts[0]!;
  const rooms = parts.flatMap(({ room }) => (room === undefined ? [] : [room]));
  return { id, user: user === "" ? null : user, namespace, rooms, process };
}

function notKept(): PresenceError {
  const message =
    "the ids of sockets are not kept under this prefix: set `socketIds: true` in createPresence, on all servers";
  return new PresenceError("SOCKETS_UNTRACKED", message);
}

function encode({ shard, slot, scan }: Place): string {
  return `i${shard}.${slot}.${scan}`;
}

/** Throws PresenceError CURSOR_INVALID. */
function decode(cursor: string, shards: number): Place {
  const [, shard, slot, scan] = /^i(\d{1,4})\.(\d{1,15})\.(\d{1,20})$/.exec(cursor) ?? [];
  if (shard === undefined || Number(shard) >= shards)
    throw new PresenceError("CURSOR_INVALID", "invalid cursor; start again without one");
  return { shard: Number(shard), slot: Number(slot), scan: scan! };
}
