/** What the projector has done since the prefix was first used, and the leases of one shard. */
import type { ShardKeys } from "../core/keys.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";

export interface ShardTotals {
  readonly records: number;
  readonly rejected: number;
  readonly fenced: number;
  readonly reaped: number;
  readonly processes: number;
  /** The lease that runs out first. */
  readonly first: { readonly process: string; readonly deadline: number } | undefined;
}

/** Deadlines are looked at up to this many, the earliest first. */
const PROCESSES_MAX = 1000;

export function totalsCommands(keys: ShardKeys): ReadCommand[] {
  return [
    ["HMGET", keys.totals, "records", "rejected", "fenced", "reaped"],
    ["ZRANGE", keys.processes, "0", String(PROCESSES_MAX - 1), "WITHSCORES"],
  ];
}

export function readTotals([totals, leases]: readonly Reply[]): ShardTotals {
  const [records, rejected, fenced, reaped] = (totals as Reply[]).map((value) => Number(value ?? 0));
  const pairs = (leases as Reply[]).flat() as string[];
  const live: { process: string; deadline: number }[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const deadline = Number(pairs[i + 1]);
    // 0: it has ended and its users are being given back.
    if (deadline > 0) live.push({ process: pairs[i]!, deadline });
  }
  return {
    records: records!,
    rejected: rejected!,
    fenced: fenced!,
    reaped: reaped!,
    processes: live.length,
    first: live[0],
  };
}
