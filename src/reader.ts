/**
 * The reader: answers about the projection, over either client, and writes nothing.
 *
 * Every answer carries `asOf`: how old it is, how far the projector lags, and a cursor into `changes` that goes with it.
 * An answer about several shards is a snapshot of each, not of all at one moment.
 *
 * Every method rejects with PresenceError: REDIS_UNAVAILABLE when Redis does not answer, REDIS_TYPE when somebody else
 * wrote to our keys, SHARDS_MISMATCH when the prefix has another number of shards.
 */
import { decodePageCursor, encodeChangesCursor, encodePageCursor, FIRST_PAGE } from "./core/cursor.ts";
import { PresenceError } from "./core/errors.ts";
import { keysOf, type ShardKeys } from "./core/keys.ts";
import { shardOf } from "./core/shard.ts";
import { checkUser } from "./core/user.ts";
import { resolveReaderOptions, type ReaderOptions } from "./options.ts";
import { redisError } from "./redis/errors.ts";
import { type ReadCommand, type ReadPort, type Reply, ReplyError } from "./redis/port.ts";
import { checkShards, shardsMismatch } from "./redis/shards.ts";

export interface Lag {
  /** Records appended and not folded yet. Heartbeats count: an idle system has a few. */
  readonly records: number;
  /** Age of the oldest of them, ms; 0 when there is none. */
  readonly ms: number;
}

/** How old an answer is. */
export interface AsOf {
  /** When it was read, on the clock of this machine; the other times are of the clock of Redis. */
  readonly now: Date;
  /** When the projector last ran (of several shards, the one longest ago); null: never. */
  readonly projectedAt: Date | null;
  /** Id of the last record folded, shard by shard, joined by "_"; "0-0" before the first. */
  readonly record: string;
  readonly lag: Lag;
  /** The projector has not run for longer than it should: it is overdue by more than `staleAfter`, or never ran. */
  readonly stale: boolean;
  /** Where in `changes` this answer stands: read on from here and nothing is missed. Opaque. */
  readonly cursor: string;
}

export interface Counts {
  /** Users present, those in grace included. */
  readonly users: number;
  readonly sockets: number;
  /** Low-level connections (`io.engine.clientsCount`), as of each process's last record. */
  readonly connections: number;
  readonly asOf: AsOf;
}

export interface UserPresence {
  readonly id: string;
  readonly online: boolean;
  /** Open sockets across all processes; 0 for a user in grace. */
  readonly sockets: number;
}

export interface UserAnswer extends UserPresence {
  readonly asOf: AsOf;
}

export interface UsersAnswer {
  readonly users: readonly UserPresence[];
  readonly asOf: AsOf;
}

export interface UsersPage extends UsersAnswer {
  /** Where the next page starts; null after the last. Good for as long as the prefix keeps its shards. */
  readonly next: string | null;
}

export interface PageOptions {
  /** From an earlier page's `next`. */
  readonly cursor?: string | undefined;
  /** About how many users; a page can hold somewhat more, and a small set comes whole. 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
}

export type ProcessState = "live" | "fenced" | "ended";

export interface ProcessPresence {
  readonly id: string;
  readonly state: ProcessState;
  readonly sockets: number;
  readonly connections: number;
  /** When its lease runs out, unless a record renews it; null once it has ended. */
  readonly leaseUntil: Date | null;
  readonly startedAt: Date | null;
  readonly host: string | null;
  readonly pid: number | null;
  readonly version: string | null;
}

export interface ProcessesAnswer {
  readonly processes: readonly ProcessPresence[];
  readonly asOf: AsOf;
}

export interface Reader {
  /** O(1), whatever the number of users. */
  counts(): Promise<Counts>;
  isOnline(user: string): Promise<boolean>;
  /** One user, `online: false` for one who is absent. Rejects with USER_INVALID for what cannot be an id. */
  user(user: string): Promise<UserAnswer>;
  /** Many users in the order given, at most 1,000. */
  lookup(users: readonly string[]): Promise<UsersAnswer>;
  /**
   * One page of the users present. A user who is present all the while is on one of the pages; one who comes or goes
   * meanwhile may or may not be; rarely, after the set has shrunk or grown, one is on two.
   */
  page(options?: PageOptions): Promise<UsersPage>;
  /** All users present, page by page; the same promise as page(). */
  users(): AsyncIterableIterator<UserPresence>;
  /** At most 1,000 processes a shard, those with the earliest deadlines first. */
  processes(): Promise<ProcessesAnswer>;
}

export const LOOKUP_MAX = 1000;
export const PAGE_MAX = 1000;
const PAGE_DEFAULT = 100;
const PROCESSES_MAX = 1000;
/** After so many scans that found nobody, page() answers with an empty page and where to go on. */
const EMPTY_SCANS_MAX = 100;

interface ShardAsOf {
  readonly now: number;
  readonly ran: number | null;
  readonly folded: string;
  readonly change: string;
  readonly records: number;
  readonly lagMs: number;
  readonly overdueMs: number;
  readonly users: number;
  readonly sockets: number;
  readonly connections: number;
}

/** The commands every answer starts with, and all that counts() asks: three, whatever the number of users. */
function asOfCommands(keys: ShardKeys): ReadCommand[] {
  return [
    ["HMGET", keys.totals, "shards", "folded", "change", "ran", "due", "users", "sockets", "connections"],
    // What was folded has left the log, so what is in it is the lag.
    ["XLEN", keys.records],
    ["XRANGE", keys.records, "-", "+", "COUNT", "1"],
  ];
}

const AS_OF_COUNT = 3;

function fieldOf(flat: Reply | undefined, name: string): Reply | undefined {
  if (!Array.isArray(flat)) return undefined;
  for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return flat[i + 1] as Reply;
  return undefined;
}

function readAsOf(replies: readonly (Reply | ReplyError)[], shards: number, now: number): ShardAsOf {
  const [totals, length, head] = replies;
  const [known, folded, change, ran, due, users, sockets, connections] = totals as (string | null)[];
  if (known !== null && known !== undefined && Number(known) !== shards) throw shardsMismatch(known, shards);
  const first = (head as Reply[])[0] as Reply[] | undefined;
  const oldest = first === undefined ? null : Number(String(first[0]).split("-", 1)[0]);
  const dueMs = due === null || due === undefined || Number(due) < 0 ? oldest : Number(due);
  return {
    now,
    ran: ran === null || ran === undefined ? null : Number(ran),
    folded: folded ?? "0-0",
    change: change ?? "0-0",
    records: Number(length),
    lagMs: oldest === null ? 0 : Math.max(0, now - oldest),
    overdueMs: dueMs === null ? 0 : Math.max(0, now - dueMs),
    users: Number(users ?? 0),
    sockets: Number(sockets ?? 0),
    connections: Number(connections ?? 0),
  };
}

/**
 * A reader over a port. `now` is for tests: the clock to go by instead of this machine's.
 * Throws PresenceError OPTIONS_INVALID.
 */
export function readerOver(
  port: ReadPort,
  options: ReaderOptions & { readonly now?: (() => number) | undefined } = {},
): Reader {
  const { now = Date.now } = options;
  const { prefix, shards, staleAfter } = resolveReaderOptions(options);
  const allKeys = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));

  /** The outcome, not a promise of it: in a Worker, a promise dies unsettled with the request that began it. */
  let checked = false;
  async function opened(): Promise<void> {
    if (checked) return;
    await checkShards(async (command) => (await port.read([command]))[0], prefix, shards);
    checked = true;
  }

  function combine(parts: readonly ShardAsOf[]): AsOf {
    const rans = parts.map((part) => part.ran);
    const oldest = rans.some((ran) => ran === null) ? null : Math.min(...(rans as number[]));
    return {
      now: new Date(Math.max(...parts.map((part) => part.now))),
      projectedAt: oldest === null ? null : new Date(oldest),
      record: parts.map((part) => part.folded).join("_"),
      lag: {
        records: parts.reduce((sum, part) => sum + part.records, 0),
        ms: Math.max(...parts.map((part) => part.lagMs)),
      },
      stale: oldest === null || parts.some((part) => part.overdueMs > staleAfter),
      cursor: encodeChangesCursor(parts.map((part) => part.change)),
    };
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

  async function askAll(commands: (keys: ShardKeys, shard: number) => readonly ReadCommand[]) {
    await opened();
    const answers = await Promise.all(allKeys.map((keys, shard) => ask(shard, commands(keys, shard))));
    return { replies: answers.map((answer) => answer.replies), parts: answers.map((answer) => answer.asOf) };
  }

  async function counts(): Promise<Counts> {
    const { parts } = await askAll(() => []);
    return {
      users: parts.reduce((sum, part) => sum + part.users, 0),
      sockets: parts.reduce((sum, part) => sum + part.sockets, 0),
      connections: parts.reduce((sum, part) => sum + part.connections, 0),
      asOf: combine(parts),
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
    return { users: users.map((id) => presenceOf(id, found.get(id) ?? null)), asOf: combine(parts) };
  }

  async function user(id: string): Promise<UserAnswer> {
    const shard = shardOf(checkUser(id), shards);
    const { replies, asOf } = await ask(shard, [["HMGET", allKeys[shard]!.users, id]]);
    const parts = await withOthers(shard, asOf);
    return { ...presenceOf(id, (replies[0] as Reply[])[0] ?? null), asOf: combine(parts) };
  }

  /** A cursor names every shard, so an answer from one asks the others where they stand. */
  async function withOthers(shard: number, own: ShardAsOf): Promise<ShardAsOf[]> {
    return Promise.all(
      allKeys.map(async (_, other) => (other === shard ? own : (await ask(other, [])).asOf)),
    );
  }

  async function page({ cursor, limit = PAGE_DEFAULT }: PageOptions = {}): Promise<UsersPage> {
    if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) {
      throw new PresenceError(
        "OPTIONS_INVALID",
        `limit must be a whole number from 1 to ${PAGE_MAX}, got ${limit}`,
      );
    }
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
        return { users, next: next === null ? null : encodePageCursor(next), asOf: combine(parts) };
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
        found.set(id, merge(found.get(id), process));
      });
    }
    return { processes: [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), asOf: combine(parts) };
  }

  return {
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

function processOf(id: string, deadline: number, hash: Reply): ProcessPresence {
  const text = (name: string) => {
    const value = fieldOf(hash, name);
    return value === undefined || value === null ? null : String(value);
  };
  const whole = (name: string) => (text(name) === null ? null : Number(text(name)));
  const started = whole("started");
  return {
    id,
    state: (text("state") ?? "ended") as ProcessState,
    sockets: whole("sockets") ?? 0,
    connections: whole("connections") ?? 0,
    leaseUntil: deadline > 0 ? new Date(deadline) : null,
    startedAt: started === null ? null : new Date(started),
    host: text("host"),
    pid: whole("pid"),
    version: text("version"),
  };
}

/** A process has a registration in every shard; its parts add up. */
function merge(known: ProcessPresence | undefined, part: ProcessPresence): ProcessPresence {
  if (known === undefined) return part;
  const worst =
    [known.state, part.state].find((state) => state === "ended") ??
    [known.state, part.state].find((state) => state === "fenced");
  return {
    ...known,
    state: worst ?? "live",
    sockets: known.sockets + part.sockets,
    connections: known.connections + part.connections,
  };
}
