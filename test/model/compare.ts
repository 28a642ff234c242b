/** The whole projection of a shard, read in one round trip, and the model's, in the same plain form. */
import type { Redis } from "ioredis";
import { type ModelResult, type Outcome, type Projection, sumsOf } from "../../model/fold.ts";
import { plainMoves, plainScopes } from "../../model/plain.ts";
import { plainMovesOf, plainOf, readScopes } from "../../rig/scopes.ts";
import { slotsOf, stateOf } from "../../rig/shard.ts";
import type { ShardKeys } from "../../src/core/keys.ts";
import type { StepResult } from "../../src/projector/call.ts";

type Table = Record<string, unknown>;

export interface Snapshot {
  /** User → slot → sockets; empty: in grace. */
  users: Table;
  /** `<slot>:<process>` → deadline. */
  leases: Table;
  leaving: Table;
  ended: Table;
  totals: Table;
  processes: Table;
  /** All that there is of scopes. */
  inScopes: object;
}

/** What a call added: entries of `changes` as cause → users, entries of `moves` together, and entries of `rejected` as they are. */
export interface Added {
  changes: Table[];
  moves: Record<string, Record<string, string[]>>;
  rejected: string[][];
}

function table(pairs: Iterable<readonly [string, unknown]>): Table {
  return Object.fromEntries(
    [...pairs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [`:${key}`, value]),
  );
}

const TOTALS = ["users", "sockets", "connections", "graced", "folded", "records", "rejected", "fenced", "reaped", "grace", "back", "slots", "size"]; // prettier-ignore

export function expectedSnapshot(state: Projection): Snapshot {
  const totals = {
    ...sumsOf(state),
    ...state.ever,
    folded: state.foldedId,
    grace: state.longestGrace,
    back: state.clockWentBack ? 1 : 0,
    slots: state.slots,
    size: state.size,
  };
  const member = (id: string) => `${state.processes.get(id)!.slot}:${id}`;
  return {
    users: table(
      [...state.users].map(([id, slots]) => [id, table([...slots].map(([s, n]) => [String(s), n]))]),
    ),
    leases: table([...state.leases].map(([id, deadline]) => [member(id), deadline])),
    leaving: table(state.leaving),
    ended: table(state.ended),
    totals: table(Object.entries(totals).map(([name, value]) => [name, String(value)])),
    processes: table(
      [...state.processes].map(([id, process]) => {
        const { state: is, seq, sockets, anonymous, connections, slot, grace, cause } = process;
        const about = state.about.get(id) ?? {};
        const counts = { state: is, seq, sockets, anonymous, connections, slot, grace };
        return [id, { ...counts, ...(cause !== undefined && { cause }), about }];
      }),
    ),
    inScopes: plainScopes(state),
  };
}

export async function readSnapshot(redis: Redis, keys: ShardKeys): Promise<Snapshot> {
  const [users, leases, leaving, ended, totals, states, about, scopes] = await Promise.all([
    redis.hgetall(keys.users),
    redis.zrange(keys.processes, "0", "-1", "WITHSCORES"),
    redis.zrange(keys.leaving, "0", "-1", "WITHSCORES"),
    redis.zrange(keys.ended, "0", "-1", "WITHSCORES"),
    redis.hmget(keys.totals, ...TOTALS),
    redis.hgetall(keys.states),
    redis.hgetall(keys.about),
    readScopes(redis, keys, { withMoves: false }),
  ]);
  const scores = (flat: string[]) => {
    const pairs: [string, number][] = [];
    for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i]!, Number(flat[i + 1])]);
    return table(pairs);
  };
  return {
    users: table(
      Object.entries(users).map(([id, text]) => [
        id,
        table([...slotsOf(text)].map(([s, n]) => [String(s), n])),
      ]),
    ),
    leases: scores(leases),
    leaving: scores(leaving),
    ended: scores(ended),
    // A shard on which nothing was written yet has none.
    totals: table(
      TOTALS.map((name, i) => [name, totals[i] ?? (name === "folded" ? "0-0" : name === "size" ? "1" : "0")]),
    ),
    processes: table(Object.entries(states).map(([id, text]) => [id, stateOf(text, about[id] ?? null)])),
    inScopes: plainOf(scopes),
  };
}

/**
 * What both say of a call. `due` is compared apart: the quick path keeps an earlier deadline than there is. The reply does not
 * count `moves`; the entries are compared.
 */
export function resultOf(result: StepResult | ModelResult): Omit<ModelResult, "due" | "moves"> {
  const {
    more,
    foldedId,
    records,
    operations,
    skipped,
    fenced,
    rejected,
    reaped,
    givenBack,
    changes,
    held,
    left,
    unheard,
  } = result;
  return {
    more,
    foldedId,
    records,
    operations,
    skipped,
    fenced,
    rejected,
    reaped,
    givenBack,
    changes,
    held,
    left,
    unheard,
  };
}

/** The order of the users within an entry is not specified (each is in it once), so both sides are sorted. */
export function expectedAdded({ told, moved, setAside }: Outcome): Added {
  return {
    changes: told.map((entry) => table([...entry].map(([cause, users]) => [cause, [...users].sort()]))),
    moves: plainMoves(moved),
    rejected: setAside.map(({ id, reason, fields }) => ["reason", reason, "id", id, ...fields]),
  };
}

/** Not what retention adds, which names nobody. */
const isTold = ([, [name]]: readonly [id: string, fields: readonly string[]]) => name !== "trimmed";

/** What was added to both streams after the ids given. Entries without users are no part of it (retained.ts). */
export async function readAdded(
  redis: Redis,
  keys: ShardKeys,
  after: { changes: string; moves: string; rejected: string },
): Promise<Added> {
  const [changes, moves, rejected] = await Promise.all([
    redis.xrange(keys.changes, `(${after.changes}`, "+"),
    redis.xrange(`${keys.tag}:moves`, `(${after.moves}`, "+"),
    redis.xrange(keys.rejected, `(${after.rejected}`, "+"),
  ]);
  after.changes = changes.at(-1)?.[0] ?? after.changes;
  after.moves = moves.at(-1)?.[0] ?? after.moves;
  after.rejected = rejected.at(-1)?.[0] ?? after.rejected;
  return {
    changes: changes.filter(isTold).map(([, fields]) => {
      const pairs: [string, string[]][] = [];
      for (let i = 0; i < fields.length; i += 2)
        pairs.push([fields[i]!, (JSON.parse(fields[i + 1]!) as string[]).sort()]);
      return table(pairs);
    }),
    moves: plainMovesOf(moves),
    rejected: rejected.map(([, fields]) => fields),
  };
}
