/**
 * Everything the projection of one shard holds, read in one call of a script, so that a check costs one round trip that
 * shares its pipeline with the projector's call.
 */
import { createHash } from "node:crypto";
import { decodeChanges, type Change } from "../../src/core/change.ts";
import { type ShardKeys, subscriberKeysOf } from "../../src/core/keys.ts";
import type { Command } from "../../src/redis/port.ts";
import { membershipsIn, type ScopesRead } from "../../rig/scopes.ts";
import type { ChangeEntry, SubscriberState } from "./told.ts";
import { type ProcessState, slotsOf, stateOf } from "../../rig/shard.ts";

function script(text: string) {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

/**
 * KEYS as for project.lua; ARGV: the last change known, in the whole and in scopes, and how the names of keys of scopes begin. One text is read much faster
 * than the many small replies in it.
 */
const READ = script(`
local tag = ARGV[3]
local function all(prefix)
  local found = {}
  for _, key in ipairs(redis.call('KEYS', tag .. prefix .. '*')) do
    found[#found + 1] = { string.sub(key, #tag + #prefix + 1), redis.call('HGETALL', key) }
  end
  return found
end
return cjson.encode({
  redis.call('HGETALL', KEYS[2]),
  redis.call('HMGET', KEYS[3], 'users', 'sockets', 'connections', 'graced', 'reaped', 'fenced', 'clearing'),
  redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES'),
  redis.call('HGETALL', KEYS[5]),
  redis.call('ZRANGE', KEYS[7], 0, -1, 'WITHSCORES'),
  redis.call('XRANGE', KEYS[8], '(' .. ARGV[1], '+'),
  redis.call('ZRANGE', KEYS[10], 0, -1, 'WITHSCORES'),
  redis.call('XLEN', KEYS[1]),
  redis.call('ZRANGE', tag .. 'scopes', 0, -1, 'WITHSCORES'),
  all('scope:'),
  all('scopes:'),
  redis.call('ZRANGE', tag .. 'lingering', 0, -1, 'WITHSCORES'),
  redis.call('ZRANGE', tag .. 'lingerers', 0, -1, 'WITHSCORES'),
  redis.call('SMEMBERS', tag .. 'told'),
  redis.call('XRANGE', tag .. 'moves', '(' .. ARGV[2], '+'),
  redis.call('HMGET', KEYS[3], 'lingering', 'moved', 'tracks'),
  redis.call('HLEN', KEYS[6]),
})`);

/** Copies all keys that begin with ARGV[1] to names that begin with ARGV[2]; what is not there is not there afterwards. */
const COPY = script(`
for _, key in ipairs(redis.call('KEYS', ARGV[2] .. '*')) do redis.call('UNLINK', key) end
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
  redis.call('COPY', key, ARGV[2] .. string.sub(key, #ARGV[1] + 1))
end`);

/** Deletes all keys that begin with ARGV[1]. */
const DROP = script(`
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do redis.call('UNLINK', key) end`);

/** Keys that begin with one of ARGV. */
const FIND = script(`
local found = {}
for _, prefix in ipairs(ARGV) do
  for _, key in ipairs(redis.call('KEYS', prefix .. '*')) do found[#found + 1] = key end
end
table.sort(found)
return found`);

/** All that there is of a durable subscriber. KEYS: its own four. */
const READ_SUBSCRIBER = script(`
local known = redis.call('SMEMBERS', KEYS[2])
table.sort(known)
return cjson.encode({ redis.call('HGETALL', KEYS[1]), known, redis.call('XRANGE', KEYS[3], '-', '+'), redis.call('XLEN', KEYS[4]) })`);

export const SCRIPTS = [READ, COPY, DROP, FIND, READ_SUBSCRIBER];

export type Counts = Map<string, number>;

export interface Registered extends ProcessState {
  /** Sockets of each user on its slot. */
  readonly users: Counts;
}

export interface State {
  /** Sockets of each user; 0: in grace. */
  readonly users: Counts;
  readonly totals: Record<"users" | "sockets" | "connections" | "graced" | "reaped" | "fenced", number>;
  /** Scopes are being deleted: what there is of them says nothing. */
  readonly clearing: boolean;
  /** `moves`: only those since the last ones known. */
  readonly scopes: ScopesRead;
  readonly movedId: string;
  /** Process → deadline; 0: ended, with users still to be removed. */
  readonly leases: Counts;
  readonly leaving: Counts;
  readonly changes: readonly Change[];
  /** The same as they stand there. */
  readonly entries: readonly ChangeEntry[];
  readonly changeId: string;
  /** Process → until when it is remembered as ended. */
  readonly ended: Counts;
  /** Processes of which it is said who they are. */
  readonly described: number;
  /** Entries in the log. */
  readonly lag: number;
  readonly processes: ReadonlyMap<string, Registered>;
  /** Slots that users name and no process has. */
  readonly strangers: readonly number[];
}

/** What was read before: the ids of the last changes, in the whole and in scopes. */
export interface Known {
  readonly changeId: string;
  readonly movedId: string;
}

export function readCommand(keys: ShardKeys, { changeId, movedId }: Known): Command {
  return ["EVALSHA", READ.sha1, String(keys.list.length), ...keys.list, changeId, movedId, `${keys.tag}:`];
}

export function readSubscriberCommand(keys: ShardKeys, name: string): Command {
  const { state, known, inbox, dead } = subscriberKeysOf(keys, name);
  return ["EVALSHA", READ_SUBSCRIBER.sha1, "4", state, known, inbox, dead];
}

export function readSubscriberState(reply: string): SubscriberState {
  const [fields, known, inbox, dead] = JSON.parse(reply) as [
    List<string>,
    List<string>,
    List<[id: string, fields: string[]]>,
    number,
  ];
  return {
    fields: table(fields),
    known: [...listed(known)].sort(),
    inbox: listed(inbox).map(([id, own]) => ({ id, fields: own })),
    dead,
  };
}

/** `from`, `to`: how the names of keys begin. */
export function copyCommand(from: string, to: string): Command {
  return ["EVALSHA", COPY.sha1, "0", from, to];
}

export function dropCommand(from: string): Command {
  return ["EVALSHA", DROP.sha1, "0", from];
}

export function findCommand(...prefixes: readonly string[]): Command {
  return ["EVALSHA", FIND.sha1, "0", ...prefixes];
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
  scores: List<string>,
  members: List<[scope: string, fields: List<string>]>,
  memberships: List<[slot: string, fields: List<string>]>,
  lingering: List<string>,
  lingerers: List<string>,
  told: List<string>,
  moves: List<[id: string, fields: string[]]>,
  ofScopes: List<string | null>,
  described: number,
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

const table = (list: List<string>) => Object.fromEntries(pairs(list));
const tables = (list: List<[string, List<string>]>) =>
  Object.fromEntries(listed(list).map(([name, fields]) => [name, table(fields)]));

function readScopes(raw: Raw, known: Known): Pick<State, "scopes" | "movedId"> {
  const [, , , , , , , , scores, members, memberships, lingering, lingerers, told, moves, ofScopes] = raw;
  const [total, moved, tracks] = listed(ofScopes);
  const entries = listed(moves);
  return {
    scopes: {
      scores: Object.fromEntries(counts(scores)),
      hashes: tables(members),
      memberships: membershipsIn(tables(memberships)),
      lingering: Object.fromEntries(counts(lingering)),
      lingerers: Object.fromEntries(counts(lingerers)),
      told: listed(told),
      moves: entries,
      total: total || null,
      moved: moved || null,
      tracks: tracks ? (JSON.parse(tracks) as string[]) : [],
    },
    movedId: entries.at(-1)?.[0] ?? known.movedId,
  };
}

export function readState(reply: string, known: Known): State {
  const raw = JSON.parse(reply) as Raw;
  const [users, totals, leases, states, leaving, changes, ended, lag] = raw;
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
    entries: entries.map(([id, fields]) => ({ id, fields })),
    changeId: entries.at(-1)?.[0] ?? known.changeId,
    clearing: listed(totals)[6] === "1",
    ...readScopes(raw, known),
    ended: counts(ended),
    described: raw.at(-1) as number,
    lag,
    processes,
    strangers: [...onSlots.keys()],
  };
}
