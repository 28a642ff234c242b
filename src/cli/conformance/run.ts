/** Runs checks, several at a time, and returns their outcomes in the order of the list. */
import type { Check } from "./checks.ts";
import type { Redis } from "./redis-server.ts";
import { Trial } from "./trial.ts";

export interface CheckOutcome {
  readonly name: string;
  readonly ok: boolean;
  /** Why it was not run; it counts as passed. */
  readonly skipped?: string;
  /** Why it failed. */
  readonly reason?: string;
  readonly ms: number;
}

export interface RunOptions {
  readonly command: readonly string[];
  readonly ttl: number;
  readonly signed: boolean;
  readonly atOnce: number;
}

/** Thrown by a check that cannot be made of this recorder, or on this system. */
export class Skip extends Error {}

export async function* runChecks(
  redis: Redis,
  checks: readonly Check[],
  options: RunOptions,
): AsyncGenerator<CheckOutcome> {
  const queue = [...checks];
  const outcomes = new Map(checks.map((check) => [check, Promise.withResolvers<CheckOutcome>()]));
  const worker = async () => {
    for (let check = queue.shift(); check !== undefined; check = queue.shift())
      outcomes.get(check)!.resolve(await run(redis, check, options));
  };
  for (let i = 0; i < options.atOnce; i++) void worker();
  for (const { promise } of outcomes.values()) yield await promise;
}

async function run(redis: Redis, check: Check, { command, ttl, signed }: RunOptions): Promise<CheckOutcome> {
  const { name } = check;
  const start = performance.now();
  const took = () => Math.round(performance.now() - start);
  let trial: Trial | undefined;
  try {
    const { shards = 1, grace = 0, opened, scopes = false } = check;
    const settings = { command, ttl, signed, redis: redis.url, shards, grace, opened, scopes };
    trial = await Trial.start(settings, check.projecting ?? true);
    if (scopes && !trial.tracks) throw new Skip("the recorder does not track scopes");
    await check.run(trial);
    const { errors } = trial.recorder;
    if (errors.length > 0 && opened === undefined)
      throw new Error(`the recorder reported an error: ${errors[0]}`);
    return { name, ok: true, ms: took() };
  } catch (error) {
    if (error instanceof Skip) return { name, ok: true, skipped: error.message, ms: took() };
    return { name, ok: false, reason: (error as Error).message, ms: took() };
  } finally {
    await trial?.end();
  }
}
