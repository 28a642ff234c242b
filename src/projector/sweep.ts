/**
 * A sweep: all the work there is, in the few requests that a scheduled function may make.
 *
 * A shard with a backlog gets as many steps per request as its log seems to need. For Redis each is a separate call, with
 * others served in between; only the request is shared, since requests are what costs a function CPU time. A shard with
 * nothing to do costs one look.
 */
import { STEPS_MAX, STEPS_MS } from "../core/limits.ts";
import type { StepResult } from "./call.ts";
import type { Seen } from "./look.ts";
import type { resolveSweepOptions } from "./options.ts";

type SweepLimits = ReturnType<typeof resolveSweepOptions>;

/** What a sweep leaves to the next one. */
export interface SweepLeft {
  /** Records in the logs of the shards it visited. */
  readonly records: number;
  /** Shards it did not visit. */
  readonly shards: number;
}

/** The sums over a sweep's calls. */
export interface SweepSummary {
  readonly requests: number;
  /** Calls of the script; 0: there was nothing to do. */
  readonly calls: number;
  readonly records: number;
  readonly operations: number;
  readonly fenced: number;
  readonly rejected: number;
  readonly reaped: number;
  readonly givenBack: number;
  readonly changes: number;
  /** Every shard was left with nothing to do; false: the budget ran out, or the signal fired. */
  readonly idle: boolean;
  readonly left: SweepLeft;
  /** The earliest deadline over all shards, ms on Redis's clock; null: none, or unknown because not idle. */
  readonly due: number | null;
  /** How long the sweep took, ms. */
  readonly ms: number;
}

const SUMMED = ["records", "operations", "fenced", "rejected", "reaped", "givenBack", "changes"] as const;

export interface Steps {
  readonly results: readonly StepResult[];
  /** Requests it made. */
  readonly requests: number;
}

export type Looked = Seen & { readonly requests: number };

export interface Sweeper {
  /** Whether there is anything to do on a shard. */
  readonly look: (shard: number) => Promise<Looked>;
  /** Makes up to `count` steps on a shard. */
  readonly steps: (shard: number, count: number) => Promise<Steps>;
  /** The clock of this machine, ms. */
  readonly clock: () => number;
}

/** How many steps the next request should carry, after one that took `ms` for these. */
function next(results: readonly StepResult[], ms: number): number {
  const count = results.length;
  const records = results.reduce((sum, result) => sum + result.records + result.rejected, 0);
  const left = results.at(-1)?.left ?? 0;
  // One more, since records differ. How many steps it takes to remove users is unknown.
  const needed = left > 0 && records > 0 ? Math.ceil((left * count) / records) + 1 : 2 * count;
  const fit = Math.floor((STEPS_MS * count) / Math.max(ms, 1));
  return Math.max(1, Math.min(needed, fit, STEPS_MAX));
}

export async function sweepShards(
  shards: number,
  { look, steps, clock }: Sweeper,
  { requests: requestsMax, ms: msMax, signal }: SweepLimits,
): Promise<SweepSummary> {
  const began = performance.now();
  const sum = {
    requests: 0,
    calls: 0,
    records: 0,
    operations: 0,
    fenced: 0,
    rejected: 0,
    reaped: 0,
    givenBack: 0,
    changes: 0,
  };
  const dues: number[] = [];
  const left = { records: 0, shards: 0 };
  const isOver = () =>
    sum.requests >= requestsMax || performance.now() - began >= msMax || signal?.aborted === true;
  let idle = true;
  // Start at a random shard: a busy shard and a small budget must not starve the ones after it in every sweep.
  const start = Math.floor(Math.random() * shards);
  for (let i = 0; i < shards; i++) {
    const shard = (start + i) % shards;
    // With one request left, make a step: otherwise such a sweep would only ever look.
    if (!isOver() && requestsMax - sum.requests > 1) {
      const { requests, ...seen } = await look(shard);
      sum.requests += requests;
      if (seen.idle) {
        if (seen.due !== null) dues.push(seen.due);
        continue;
      }
    }
    let last: StepResult | undefined;
    for (let count = 1; !isOver();) {
      const sentAt = clock();
      const { results, requests } = await steps(shard, count);
      count = next(results, clock() - sentAt);
      sum.requests += requests;
      sum.calls += results.length;
      for (const result of results) for (const name of SUMMED) sum[name] += result[name];
      last = results.at(-1);
      if (last?.more !== true) break;
    }
    if (last === undefined) left.shards++;
    else if (last.more) left.records += last.left;
    else if (last.due !== null) dues.push(last.due);
    idle &&= last !== undefined && !last.more;
  }
  return {
    ...sum,
    idle,
    left,
    due: idle && dues.length > 0 ? Math.min(...dues) : null,
    ms: Math.round(performance.now() - began),
  };
}
