/** Random histories against the model, as many as MODEL_RUNS says: a failure prints how to repeat it. */
import fc from "fast-check";
import { onTestFinished } from "vitest";
import { startRedis } from "../../rig/redis.ts";
import { TestShard } from "../../rig/shard.ts";

export const SEED = Number(process.env["MODEL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
export const RUNS = Number(process.env["MODEL_RUNS"] ?? 200);
/** Whether to look for the smallest history that fails. */
const SHRINK = process.env["MODEL_SHRINK"] !== "0";
/** How long at most; then the smallest so far is reported. */
const SHRINK_MS = Number(process.env["MODEL_SHRINK_MS"] ?? 30_000);
/** One history of the seed, as a failure prints it. */
export const PATH = process.env["MODEL_PATH"];
/** Shrinking included. */
export const LIMIT_MS = Math.max(60_000, RUNS * 400) + SHRINK_MS;

/** Of one test alone: one that has failed, or has been given up, disturbs no other. */
export async function startShard(): Promise<TestShard> {
  const server = await startRedis();
  const shard = new TestShard(server.url);
  onTestFinished(async () => {
    await shard.close();
    await server.stop();
  });
  return shard;
}

/** Runs histories; a failure says how to repeat it, and is made smaller for a bounded time. `file`: of the test. */
export async function holds<T>(
  file: string,
  name: string,
  histories: fc.Arbitrary<T>,
  runs: number,
  test: (history: T) => Promise<void>,
): Promise<void> {
  let failedAt: number | undefined;
  const property = fc.asyncProperty(histories, async (history) => {
    if (failedAt !== undefined) fc.pre(performance.now() - failedAt < SHRINK_MS);
    try {
      await test(history);
    } catch (error) {
      failedAt ??= performance.now();
      throw error;
    }
  });
  const path = PATH === undefined ? {} : { path: PATH };
  const details = await fc.check(property, { numRuns: runs, seed: SEED, endOnFailure: !SHRINK, ...path });
  if (!details.failed) return;
  const again = `MODEL_SEED=${SEED} MODEL_RUNS=${RUNS} npx vitest run test/model/${file} -t "${name}"`;
  const lines = [
    `repeat it with: ${again}`,
    `this history alone: MODEL_SHRINK=0 MODEL_PATH=${details.counterexamplePath} ${again}`,
    ...(SHRINK
      ? [
          `go on making it smaller for 5 minutes: MODEL_SHRINK_MS=300000 MODEL_PATH=${details.counterexamplePath} ${again}`,
        ]
      : []),
    fc.defaultReportMessage(details),
  ];
  throw new Error(lines.join("\n"), { cause: details.errorInstance });
}
