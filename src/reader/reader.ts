/**
 * The reader: answers about the projection, over either client, and writes nothing.
 *
 * Every answer carries `asOf`: how old it is, how far the projector lags, and a cursor into `changes` that goes with it.
 * An answer about several shards is a snapshot of each, not of all at one moment.
 *
 * Every method rejects with PresenceError: REDIS_UNAVAILABLE when Redis does not answer, REDIS_TYPE when somebody else
 * wrote to our keys, SHARDS_MISMATCH when the prefix has another number of shards.
 */
import {
  decodeChangesCursor,
  decodePageCursor,
  encodeChangesCursor,
  encodePageCursor,
  FIRST_PAGE,
} from "../core/cursor.ts";
import { PresenceError } from "../core/errors.ts";
import { keysOf, type ShardKeys } from "../core/keys.ts";
import { shardOf } from "../core/shard.ts";
import { checkUser } from "../core/user.ts";
import { type Known, refuseUnknown, whole } from "../core/options.ts";
import type {
  ChangesAnswer,
  ChangesOptions,
  Counts,
  Lease,
  PageOptions,
  ProcessesAnswer,
  ProcessPresence,
  Reader,
  Totals,
  UserAnswer,
  UserPresence,
  UsersAnswer,
  UsersPage,
} from "./answers.ts";
import { AS_OF_COUNT, asOfCommands, combineAsOf, readAsOf, type ShardAsOf } from "./as-of.ts";
import { mergeChanges, readChanges, START } from "./changes.ts";
import { type ReaderInternals, type ReaderOptions, resolveReaderOptions } from "./options.ts";
import { mergeProcess, processOf } from "./processes.ts";
import { readTotals, totalsCommands } from "./totals.ts";
import { redisError } from "../redis/errors.ts";
import { type ReadCommand, type ReadPort, type Reply, ReplyError } from "../redis/port.ts";
import { checkShards } from "../redis/shards.ts";

export type * from "./answers.ts";

export const LOOKUP_MAX = 1000;
export const PAGE_MAX = 1000;
const PAGE_DEFAULT = 100;
export const CHANGES_MAX = 1000;
const CHANGES_DEFAULT = 100;
const PROCESSES_MAX = 1000;
/** After so many scans that found nobody, page() answers with an empty page and where to go on. */
const EMPTY_SCANS_MAX = 100;

const PAGE_OPTIONS: Known<PageOptions> = { cursor: true, limit: true };
const CHANGES_OPTIONS: Known<ChangesOptions> = { after: true, limit: true };

/** A reader over a port. Throws PresenceError OPTIONS_INVALID. */
export function readerOver(
  port: ReadPort,
  options: ReaderOptions = {},
  { now = Date.now }: ReaderInternals = {},
): Reader {
  const { prefix, shards, staleAfter } = resolveReaderOptions(options);
  const allKeys = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));

  /** The outcome, not a promise of it: in a Worker, a promise dies unsettled with the request that began it. */
  let checked = false;
  async function opened(): Promise<void> {
    if (checked) return;
    await checkShards(async (command) => (await port.read([command]))[0], prefix, shards);
    checked = true;
  }

  /** Asks a shard, in one transaction, `commands` and how old the answers are. */
  async function ask(
    shard: number,
    commands: readonly ReadCommand[],
  ): Promise<{ asOf: ShardAsOf; replies: Reply[] }> {
    await opened();
    const all = await port.read([...asOfCommands(allKeys[shard]!), ...commands]);
    const failed = all.find((reply) => reply instanceof ReplyError);
    if (failed !== undefined) throw redisError(failed);
    return { asOf: readAsOf(all, shards, now()), replies: all.slice(AS_OF_COUNT) as Reply[] };
  }

  async function askWithoutAge(commands: readonly ReadCommand[]): Promise<Reply[]> {
    const replies = await port.read(commands);
    const failed = replies.find((reply) => reply instanceof ReplyError);
    if (failed !== undefined) throw redisError(failed);
    return replies as Reply[];
  }

  async function askAll(commands: (keys: ShardKeys, shard: number) => readonly ReadCommand[]) {
    await opened();
    const answers = await Promise.all(allKeys.map((keys, shard) => ask(shard, commands(keys, shard))));
    return { replies: answers.map((answer) => answer.replies), parts: answers.map((answer) => answer.asOf) };
  }

  async function counts(): Promise<Counts> {
    return countsOf((await askAll(() => [])).parts);
  }

  function countsOf(parts: readonly ShardAsOf[]): Counts {
    return {
      users: parts.reduce((sum, part) => sum + part.users, 0),
      sockets: parts.reduce((sum, part) => sum + part.sockets, 0),
      connections: parts.reduce((sum, part) => sum + part.connections, 0),
      asOf: combineAsOf(parts, staleAfter),
    };
  }

  async function lookup(users: readonly string[]): Promise<UsersAnswer> {
    if (users.length > LOOKUP_MAX) {
      throw new PresenceError(
        "OPTIONS_INVALID",
        `lookup takes at most ${LOOKUP_MAX} users, got ${users.length}`,
      );
    }
    const byShard = allKeys.map((): string[] => []);
    for (const user of users) byShard[shardOf(checkUser(user), shards)]!.push(user);
    const { replies, parts } = await askAll((keys, shard) =>
      byShard[shard]!.length === 0 ? [] : [["HMGET", keys.users, ...byShard[shard]!]],
    );
    const found = new Map<string, Reply>();
    byShard.forEach((ids, shard) => {
      ids.forEach((id, i) => found.set(id, (replies[shard]![0] as Reply[])[i] ?? null));
    });
    return {
      users: users.map((id) => presenceOf(id, found.get(id) ?? null)),
      asOf: combineAsOf(parts, staleAfter),
    };
  }

  async function user(id: string): Promise<UserAnswer> {
    const shard = shardOf(checkUser(id), shards);
    const { replies, asOf } = await ask(shard, [["HMGET", allKeys[shard]!.users, id]]);
    const parts = await withOthers(shard, asOf);
    return { ...presenceOf(id, (replies[0] as Reply[])[0] ?? null), asOf: combineAsOf(parts, staleAfter) };
  }

  /** A cursor names every shard, so an answer from one asks the others where they stand. */
  async function withOthers(shard: number, own: ShardAsOf): Promise<ShardAsOf[]> {
    return Promise.all(
      allKeys.map(async (_, other) => (other === shard ? own : (await ask(other, [])).asOf)),
    );
  }

  async function page(pageOptions: PageOptions = {}): Promise<UsersPage> {
    refuseUnknown(pageOptions, PAGE_OPTIONS, "page()");
    const { cursor, limit = PAGE_DEFAULT } = pageOptions;
    whole("limit", limit, 1, PAGE_MAX);
    let at = cursor === undefined ? FIRST_PAGE : decodePageCursor(cursor, shards);
    for (let scans = 1; ; scans++) {
      const { replies, asOf } = await ask(at.shard, [
        ["HSCAN", allKeys[at.shard]!.users, at.scan, "COUNT", String(limit)],
      ]);
      const [scan, flat] = replies[0] as [string, string[]];
      const users: UserPresence[] = [];
      for (let i = 0; i < flat.length; i += 2) users.push(presenceOf(flat[i]!, flat[i + 1]!));
      const here = at.shard;
      const next =
        scan !== "0" ? { shard: here, scan } : here + 1 < shards ? { shard: here + 1, scan: "0" } : null;
      // HSCAN may find nothing in a stretch of a table that has shrunk: an empty page is no page, for a while.
      if (users.length > 0 || next === null || scans === EMPTY_SCANS_MAX) {
        const parts = await withOthers(here, asOf);
        return {
          users,
          next: next === null ? null : encodePageCursor(next),
          asOf: combineAsOf(parts, staleAfter),
        };
      }
      at = next;
    }
  }

  async function* users(): AsyncIterableIterator<UserPresence> {
    let cursor: string | undefined;
    do {
      const { users: found, next } = await shaped(() => page({ cursor, limit: PAGE_MAX }));
      yield* found;
      cursor = next ?? undefined;
    } while (cursor !== undefined);
  }

  async function processes(): Promise<ProcessesAnswer> {
    const { replies, parts } = await askAll((keys) => [
      ["ZRANGE", keys.processes, "0", String(PROCESSES_MAX - 1), "WITHSCORES"],
    ]);
    const found = new Map<string, ProcessPresence>();
    for (const [shard, [flat]] of replies.entries()) {
      const pairs = (flat as Reply[]).flat() as string[];
      const ids = pairs.filter((_, i) => i % 2 === 0);
      if (ids.length === 0) continue;
      const hashes = await port.read(ids.map((id) => ["HGETALL", allKeys[shard]!.process(id)]));
      ids.forEach((id, i) => {
        const hash = hashes[i];
        if (hash instanceof ReplyError) throw redisError(hash);
        const process = processOf(id, Number(pairs[2 * i + 1]), hash ?? null);
        found.set(id, mergeProcess(found.get(id), process));
      });
    }
    return {
      processes: [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
      asOf: combineAsOf(parts, staleAfter),
    };
  }

  async function totals(): Promise<Totals> {
    const { replies, parts } = await askAll((keys) => totalsCommands(keys));
    const all = replies.map(readTotals);
    const sum = (pick: (one: (typeof all)[number]) => number) => all.reduce((n, one) => n + pick(one), 0);
    const leases = all.flatMap(({ first }, shard) => (first === undefined ? [] : [{ ...first, shard }]));
    const oldest = leases.sort((a, b) => a.deadline - b.deadline)[0];
    return {
      ...countsOf(parts),
      records: sum((one) => one.records),
      rejected: sum((one) => one.rejected),
      fenced: sum((one) => one.fenced),
      reaped: sum((one) => one.reaped),
      processes: Math.max(...all.map((one) => one.processes)),
      oldestLease: oldest === undefined ? null : await leaseOf(oldest),
    };
  }

  async function leaseOf({
    shard,
    process,
    deadline,
  }: {
    shard: number;
    process: string;
    deadline: number;
  }): Promise<Lease> {
    const [reply] = await askWithoutAge([["HMGET", allKeys[shard]!.process(process), "ttl"]]);
    const [ttl] = reply as (string | null)[];
    const left = deadline - now();
    return { left, age: ttl === null || ttl === undefined ? null : Math.max(0, Number(ttl) - left) };
  }

  async function changes(changesOptions: ChangesOptions = {}): Promise<ChangesAnswer> {
    refuseUnknown(changesOptions, CHANGES_OPTIONS, "changes()");
    const { after, limit = CHANGES_DEFAULT } = changesOptions;
    whole("limit", limit, 1, CHANGES_MAX);
    await opened();
    if (after === undefined) return { changes: [], next: await end(), gap: false, more: false };
    const ids = decodeChangesCursor(after, shards);
    const each = Math.ceil(limit / shards);
    const parts = await Promise.all(
      allKeys.map((keys, shard) => readChanges(askWithoutAge, keys, ids[shard]!, each)),
    );
    if (parts.some((part) => part.gap)) return { changes: [], next: await end(), gap: true, more: false };
    return {
      changes: mergeChanges(parts.map((part) => part.changes)),
      next: encodeChangesCursor(parts.map((part) => part.at)),
      gap: false,
      more: parts.some((part) => part.more),
    };
  }

  /** Where `changes` stands. */
  async function end(): Promise<string> {
    const replies = await Promise.all(
      allKeys.map((keys) => askWithoutAge([["HMGET", keys.totals, "shards", "change"]])),
    );
    const ids = replies.map(([reply]) => (reply as (string | null)[])[1] ?? START);
    return encodeChangesCursor(ids);
  }

  return {
    shards,
    changes: (changesOptions) => shaped(() => changes(changesOptions)),
    totals: () => shaped(totals),
    counts: () => shaped(counts),
    lookup: (ids) => shaped(() => lookup(ids)),
    user: (id) => shaped(() => user(id)),
    page: (pageOptions) => shaped(() => page(pageOptions)),
    users,
    processes: () => shaped(processes),
    isOnline: (id) => shaped(async () => (await user(id)).online),
  };
}

/** An answer of a shape that no Redis gives is the fault of what stands in between, and told as such. */
async function shaped<T>(answer: () => Promise<T>): Promise<T> {
  try {
    return await answer();
  } catch (cause) {
    if (cause instanceof PresenceError) throw cause;
    throw new PresenceError(
      "REDIS_UNAVAILABLE",
      "Redis answered in a shape that is not its own; see `cause`",
      { cause },
    );
  }
}

function presenceOf(id: string, sockets: Reply): UserPresence {
  return { id, online: sockets !== null, sockets: Number(sockets ?? 0) };
}
