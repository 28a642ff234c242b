/** The whole projection of a shard, read in one round trip, and the model's, in the same plain form. */
import type { Redis } from "ioredis";
import { decodeChanges } from "../../src/core/change.ts";
import { type Outcome, type Projection, sumsOf } from "../../model/fold.ts";
import type { ShardKeys } from "../../src/core/keys.ts";

type Pairs = [string, string][];

export interface Snapshot {
  users: Pairs;
  leases: Pairs;
  leaving: Pairs;
  totals: Pairs;
  processes: [id: string, hash: Pairs, users: Pairs][];
}

/** What a call added: entries of `changes` as `+alice connect`, and entries of `rejected` as they are. */
export interface Added {
  changes: string[][];
  rejected: string[][];
}

function sorted<T extends readonly [string, ...unknown[]]>(pairs: T[]): T[] {
  return pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

const numbers = (map: ReadonlyMap<string, number>): Pairs =>
  sorted([...map].map(([id, n]): [string, string] => [id, String(n)]));

/** Of the totals, `change` is an id Redis made and `shards` and `ran` say nothing of the fold. */
const TOTALS = [
  "users",
  "sockets",
  "connections",
  "folded",
  "records",
  "rejected",
  "fenced",
  "reaped",
  "due",
  "grace",
  "back",
];

/** `due`: of the totals, which say that work that is left is due now; null: there is none. */
export function expectedSnapshot(state: Projection, due: number | null): Snapshot {
  const totals = {
    ...sumsOf(state),
    ...state.ever,
    folded: state.foldedId,
    due: due ?? -1,
    grace: state.longestGrace,
    back: state.clockWentBack ? 1 : 0,
  };
  return {
    users: numbers(state.users),
    leases: numbers(state.leases),
    leaving: numbers(state.leaving),
    totals: sorted(Object.entries(totals).map(([name, value]): [string, string] => [name, String(value)])),
    processes: sorted(
      [...state.processes].map(([id, process]) => {
        const { users, about, grace: _, ...counts } = process;
        const hash = Object.entries({ ...counts, ...about }).map(([k, v]): [string, string] => [
          k,
          String(v),
        ]);
        return [id, sorted(hash), numbers(users)];
      }),
    ),
  };
}

export async function readSnapshot(
  redis: Redis,
  keys: ShardKeys,
  processes: Iterable<string>,
): Promise<Snapshot> {
  const ids = [...processes];
  const pipeline = redis
    .pipeline()
    .hgetall(keys.users)
    .zrange(keys.processes, "0", "-1", "WITHSCORES")
    .zrange(keys.leaving, "0", "-1", "WITHSCORES")
    .hmget(keys.totals, ...TOTALS);
  for (const id of ids) pipeline.hgetall(keys.process(id)).hgetall(keys.processUsers(id));
  const replies = (await pipeline.exec())!.map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
  const hash = (reply: unknown) => sorted(Object.entries(reply as Record<string, string>));
  const scores = (reply: unknown) => {
    const flat = (reply as unknown[]).flat();
    const pairs: Pairs = [];
    for (let i = 0; i < flat.length; i += 2) pairs.push([String(flat[i]), String(flat[i + 1])]);
    return sorted(pairs);
  };
  const totals = replies[3] as string[];
  return {
    users: hash(replies[0]),
    leases: scores(replies[1]),
    leaving: scores(replies[2]),
    totals: sorted(TOTALS.map((name, i): [string, string] => [name, totals[i]!])),
    processes: sorted(
      ids.map((id, i): [string, Pairs, Pairs] => [id, hash(replies[4 + 2 * i]), hash(replies[5 + 2 * i])]),
    ),
  };
}

const short = (type: string, user: string, cause: string) =>
  `${type === "online" ? "+" : "-"}${user} ${cause}`;

/** The order of the users within an entry is not specified (each is in it once), so both sides are sorted. */
export function expectedAdded({ told, setAside }: Outcome): Added {
  return {
    changes: told.map(({ changes }) =>
      changes.map(({ type, user, cause }) => short(type, user, cause)).sort(),
    ),
    rejected: setAside.map(({ id, reason, fields }) => ["reason", reason, "id", id, ...fields]),
  };
}

/** What was added to both streams after the ids given. */
export async function readAdded(
  redis: Redis,
  keys: ShardKeys,
  after: { changes: string; rejected: string },
): Promise<Added> {
  const [changes, rejected] = await Promise.all([
    redis.xrange(keys.changes, `(${after.changes}`, "+"),
    redis.xrange(keys.rejected, `(${after.rejected}`, "+"),
  ]);
  after.changes = changes.at(-1)?.[0] ?? after.changes;
  after.rejected = rejected.at(-1)?.[0] ?? after.rejected;
  return {
    changes: changes.map(([id, fields]) =>
      decodeChanges(id, fields)
        .map(({ type, user, cause }) => short(type, user, cause))
        .sort(),
    ),
    rejected: rejected.map(([, fields]) => fields),
  };
}
