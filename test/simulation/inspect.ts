/**
 * Everything the projection of one shard holds, read in one call of a script, so that a check costs one round trip that
 * shares its pipeline with the projector's call.
 */
import { createHash } from "node:crypto";
import { decodeChanges, type Change } from "../../src/core/change.ts";
import type { ShardKeys } from "../../src/core/keys.ts";
import type { Command } from "../../src/redis/port.ts";
import { type ProcessState, slotsOf, stateOf } from "../../rig/shard.ts";

function script(text: string) {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

/** KEYS as for project.lua; ARGV: the last change known. One text is read much faster than the many small replies in it. */
const READ = script(`
return cjson.encode({
  redis.call('HGETALL', KEYS[2]),
  redis.call('HMGET', KEYS[3], 'users', 'sockets', 'connections', 'graced', 'reaped', 'fenced'),
  redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES'),
  redis.call('HGETALL', KEYS[5]),
  redis.call('ZRANGE', KEYS[7], 0, -1, 'WITHSCORES'),
  redis.call('XRANGE', KEYS[8], '(' .. ARGV[1], '+'),
  redis.call('ZRANGE', KEYS[10], 0, -1, 'WITHSCORES'),
  redis.call('XLEN', KEYS[1]),
})`);

/** Copies KEYS[1..n/2] over KEYS[n/2+1..n]; what is not there is not there afterwards. */
const COPY = script(`
local n = #KEYS / 2
for i = 1, n do
  redis.call('DEL', KEYS[n + i])
  redis.call('COPY', KEYS[i], KEYS[n + i])
end`);

export const SCRIPTS = [READ, COPY];

export type Counts = Map<string, number>;

export interface Registered extends ProcessState {
  /** Sockets of each user on its slot. */
  readonly users: Counts;
}

export interface State {
  /** Sockets of each user; 0: in grace. */
  readonly users: Counts;
  readonly totals: Record<"users" | "sockets" | "connections" | "graced" | "reaped" | "fenced", number>;
  /** Process → deadline; 0: ended, with users still to be removed. */
  readonly leases: Counts;
  readonly leaving: Counts;
  readonly changes: readonly Change[];
  readonly changeId: string;
  /** Process → until when it is remembered as ended. */
  readonly ended: Counts;
  /** Entries in the log. */
  readonly lag: number;
  readonly processes: ReadonlyMap<string, Registered>;
  /** Slots that users name and no process has. */
  readonly strangers: readonly number[];
}

export function readCommand(keys: ShardKeys, after: string): Command {
  return ["EVALSHA", READ.sha1, String(keys.list.length), ...keys.list, after];
}

export function copyCommand(from: readonly string[], to: readonly string[]): Command {
  return ["EVALSHA", COPY.sha1, String(from.length * 2), ...from, ...to];
}

/** An empty list of Lua's is an empty object in JSON. */
type List<T> = readonly T[] | { readonly length?: never };

type Raw = readonly [
  users: List<string>,
  totals: List<string | null>,
  leases: List<string>,
  states: List<string>,
  leaving: List<string>,
  changes: List<[id: string, fields: string[]]>,
  ended: List<string>,
  lag: number,
];

function listed<T>(list: List<T>): readonly T[] {
  return Array.isArray(list) ? (list as readonly T[]) : [];
}

function pairs(list: List<string>): [string, string][] {
  const flat = listed(list);
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!]);
}

const counts = (list: List<string>): Counts =>
  new Map(pairs(list).map(([name, n]): [string, number] => [name, Number(n)]));

export function readState(reply: string, after: string): State {
  const [users, totals, leases, states, leaving, changes, ended, lag] = JSON.parse(reply) as Raw;
  const [total, sockets, connections, graced, reaped, fenced] = listed(totals).map(Number);
  const entries = listed(changes);
  const sums: Counts = new Map();
  const onSlots = new Map<number, Counts>();
  for (const [user, text] of pairs(users)) {
    let sum = 0;
    for (const [slot, n] of slotsOf(text)) {
      sum += n;
      const onSlot = onSlots.get(slot) ?? new Map<string, number>();
      onSlots.set(slot, onSlot.set(user, n));
    }
    sums.set(user, sum);
  }
  const processes = new Map<string, Registered>();
  for (const [id, text] of pairs(states)) {
    const state = stateOf(text, null);
    processes.set(id, { ...state, users: onSlots.get(state.slot) ?? new Map<string, number>() });
    onSlots.delete(state.slot);
  }
  return {
    users: sums,
    totals: {
      users: total!,
      sockets: sockets!,
      connections: connections!,
      graced: graced!,
      reaped: reaped!,
      fenced: fenced!,
    },
    leases: new Map([...counts(leases)].map(([member, at]) => [member.slice(member.indexOf(":") + 1), at])),
    leaving: counts(leaving),
    changes: entries.flatMap(([id, fields]) => decodeChanges(id, fields)),
    changeId: entries.at(-1)?.[0] ?? after,
    ended: counts(ended),
    lag,
    processes,
    strangers: [...onSlots.keys()],
  };
}
