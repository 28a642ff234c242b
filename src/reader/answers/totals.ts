/** `totals()`, for metrics. GET /metrics writes it as text, so it has no schema. */
import type { Counts } from "./counts.ts";

/** What the projector has done since the prefix was first used, summed over all shards, and the leases. */
export interface Totals extends Counts {
  /** Records folded, ever. */
  readonly records: number;
  /** Entries of the log that were not valid records, ever. */
  readonly rejected: number;
  /** Processes fenced, ever; each shard fences by itself, so one process can count once a shard. */
  readonly fenced: number;
  /** Processes whose lease ran out, ever; likewise. */
  readonly reaped: number;
  /** Processes with a lease, in the shard that has most of them. */
  readonly processes: number;
  /** The lease that runs out first; null: there is none. */
  readonly oldestLease: Lease | null;
}

/** How far a lease is from running out. */
export interface Lease {
  /**
   * How long ago a record renewed it, ms, measured against the `ttl` of the process's first record; null for a process
   * registered by an older version.
   */
  readonly age: number | null;
  /** How long until it runs out, ms; negative once it has and nobody has reaped the process. */
  readonly left: number;
}
