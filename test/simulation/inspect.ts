/**
 * Everything the projection of one shard holds, read in one call of a script, so that a check costs one round trip that
 * shares its pipeline with the projector's call.
 */
import { createHash } from "node:crypto";
import { decodeChanges, type Change } from "../../src/core/change.ts";
import type { ShardKeys } from "../../src/core/keys.ts";
import type { Command } from "../../src/redis/port.ts";

function script(text: string) {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

/**
 * KEYS as for project.lua; ARGV: prefix of the processes' keys, the last change known, the processes to read.
 * One text is read much faster than the many small replies in it.
 */
const READ = script(`
local state = {
  redis.call('HGETALL', KEYS[2]),
  redis.call('HMGET', KEYS[3], 'users', 'sockets', 'connections', 'reaped', 'fenced'),
  redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES'),
  redis.call('ZRANGE', KEYS[5], 0, -1, 'WITHSCORES'),
  redis.call('XRANGE', KEYS[6], '(' .. ARGV[2], '+'),
  redis.call('XLEN', KEYS[1]),
}
for i = 3, #ARGV do
  local key = ARGV[1] .. ARGV[i]
  state[#state + 1] = {
    redis.call('HMGET', key, 'state', 'seq', 'sockets', 'anonymous', 'connections', 'cause'),
    redis.call('HGETALL', key .. ':users'),
    redis.call('PTTL', key),
  }
end
return cjson.encode(state)`);

/** Copies KEYS[1..n/2] over KEYS[n/2+1..n]; what is not there is not there afterwards. */
const COPY = script(`
local n = #KEYS / 2
for i = 1, n do
  redis.call('DEL', KEYS[n + i])
  redis.call('COPY', KEYS[i], KEYS[n + i])
end`);

export const SCRIPTS = [READ, COPY];

export type Counts = Map<string, number>;

export interface ProcessState {
  /** null: there is no such hash. */
  readonly state: string | null;
  readonly cause: string;
  readonly seq: number;
  readonly sockets: number;
  readonly anonymous: number;
  readonly connections: number;
  readonly users: Counts;
  /** Is it a tombstone, which Redis will forget? */
  readonly buried: boolean;
}

export interface State {
  readonly users: Counts;
  readonly totals: Record<"users" | "sockets" | "connections" | "reaped" | "fenced", number>;
  readonly leases: Counts;
  readonly leaving: Counts;
  readonly changes: readonly Change[];
  readonly changeId: string;
  /** Entries in the log. */
  readonly lag: number;
  readonly processes: ReadonlyMap<string, ProcessState>;
}

export function readCommand(keys: ShardKeys, after: string, processes: readonly string[]): Command {
  return ["EVALSHA", READ.sha1, "7", ...keys.list, keys.process(""), after, ...processes];
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
  leaving: List<string>,
  changes: List<[id: string, fields: string[]]>,
  lag: number,
  ...processes: [hash: (string | null)[], users: List<string>, ttl: number][],
];

function listed<T>(list: List<T>): readonly T[] {
  return Array.isArray(list) ? (list as readonly T[]) : [];
}

function pairs(list: List<string>): Counts {
  const flat = listed(list);
  const counts: Counts = new Map();
  for (let i = 0; i < flat.length; i += 2) counts.set(flat[i]!, Number(flat[i + 1]));
  return counts;
}

export function readState(reply: string, after: string, ids: readonly string[]): State {
  const [users, totals, leases, leaving, changes, lag, ...rest] = JSON.parse(reply) as Raw;
  const [total, sockets, connections, reaped, fenced] = listed(totals).map(Number);
  const entries = listed(changes);
  const processes = new Map<string, ProcessState>();
  for (const [i, id] of ids.entries()) {
    const [hash, held, ttl] = rest[i]!;
    const [state, seq, own, anonymous, low, cause] = hash;
    processes.set(id, {
      // A hash that is not there reads as false.
      state: state || null,
      cause: cause || "",
      seq: Number(seq),
      sockets: Number(own),
      anonymous: Number(anonymous),
      connections: Number(low),
      users: pairs(held),
      buried: ttl > 0,
    });
  }
  return {
    users: pairs(users),
    totals: { users: total!, sockets: sockets!, connections: connections!, reaped: reaped!, fenced: fenced! },
    leases: pairs(leases),
    leaving: pairs(leaving),
    changes: entries.flatMap(([id, fields]) => decodeChanges(id, fields)),
    changeId: entries.at(-1)?.[0] ?? after,
    lag,
    processes,
  };
}
