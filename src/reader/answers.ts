/** What a reader answers, and what it can be asked. The HTTP API has the same names. */
import type { Change } from "../core/change.ts";

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

export interface ChangesOptions {
  /** A `cursor` of an answer, or `next` of an earlier call. */
  readonly after?: string | undefined;
  /** About how many changes; entries of `changes` are not split, so it can be more. 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
}

export interface ChangesAnswer {
  /** In the order in which they happened; of different users at the same moment, in any order. */
  readonly changes: readonly Change[];
  /** The cursor to go on from. */
  readonly next: string;
  /**
   * What came after the cursor is not kept any more, all of it or a part: take a snapshot, and go on from its cursor. The
   * answer has no changes then, and `next` is where `changes` stands now.
   */
  readonly gap: boolean;
  /** There are more already. */
  readonly more: boolean;
}

/** Sums over all shards. */
export interface Totals extends Counts {
  /** Records folded, ever. */
  readonly records: number;
  /** Entries of the log that were no records, ever. */
  readonly rejected: number;
  /** Processes fenced, ever; one is fenced in each shard by itself. */
  readonly fenced: number;
  /** Processes whose lease ran out, ever; likewise. */
  readonly reaped: number;
  /** Processes with a lease, in the shard that has most of them. */
  readonly processes: number;
  /** The lease that runs out first; null: there is none. */
  readonly oldestLease: Lease | null;
}

export interface Lease {
  /** How long ago a record renewed it, ms, by the `ttl` of the process's first; null for one registered by an older version. */
  readonly age: number | null;
  /** How long until it runs out, ms; negative once it has and nobody has reaped the process. */
  readonly left: number;
}

export interface Reader {
  readonly shards: number;
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
  /**
   * The changes after a cursor that an earlier answer contained; without one, none of them and where `changes` stands now.
   * Rejects with CURSOR_INVALID.
   */
  changes(options?: ChangesOptions): Promise<ChangesAnswer>;
  /** What the projector has done since the prefix was first used, and the leases, for metrics. */
  totals(): Promise<Totals>;
}
