/** `totals()`, for metrics. GET /metrics writes it as text, so it has no schema. */
import type { CountedCause } from "../../core/change.ts";
import type { Counts } from "./counts.ts";

/** The projector's counters since the prefix was first used, summed over all shards, and the leases. */
export interface Totals extends Counts {
  /** Records folded so far. */
  readonly records: number;
  /** Entries of the log that were not valid records, so far. */
  readonly rejected: number;
  /** Processes fenced so far. Each shard fences separately, so a process can count once per shard. */
  readonly fenced: number;
  /** Processes whose lease expired so far, likewise once per shard. */
  readonly reaped: number;
  /** Changes by cause, where the option `history` has them counted, else null. A caller of the projector without it counts none. */
  readonly changes: Readonly<Record<CountedCause, number>> | null;
  /** Processes with a lease, in the shard that has the most. */
  readonly processes: number;
  /** The lease that expires first; null: there is none. */
  readonly oldestLease: Lease | null;
}

/** The age of a lease and the time it has left. */
export interface Lease {
  /**
   * How long ago a record renewed it, ms, measured against the `ttl` of the process's first record; null for a process
   * registered by an older version.
   */
  readonly age: number | null;
  /** How long until it expires, ms; negative once it has expired and the process is not reaped yet. */
  readonly left: number;
}
