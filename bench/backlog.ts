/**
 * The cost of a backlog for a scheduled function: the Worker in workerd, over REST through the bridge, with a log of a million
 * operations.
 *
 *   npm run backlog
 *   node bench/backlog.ts [--operations 1000000] [--size 10,100] [--rounds 3]
 *
 * Prints the requests, script calls and CPU time of the invocation that drains the log. Targets for the median of the rounds: one
 * invocation, at most 45 requests and 10 ms of CPU, as on Cloudflare's free plan.
 *
 * CPU is that of the thread of workerd that runs the function, from /proc (so Linux only), without what an idle
 * invocation takes there, its one request included. What the platform does on that thread, such as HTTP, is in it; bridge
 * and Redis are other processes. Invocations before it warm the code up, since starting is not counted either; V8's other
 * threads stand beside it.
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { keysOf } from "../src/core/keys.ts";
import { startRedis } from "../packages/local-redis/src/index.ts";
import type { SweepSummary } from "../src/projector/sweep.ts";
import { appendBacklog } from "./backlog/append.ts";
import { startBridgeProcess } from "./backlog/bridge.ts";
import { startMeasured } from "./backlog/workerd.ts";
import { median } from "./support.ts";

const REQUESTS_MAX = 45;
const CPU_MS_MAX = 10;
const WARM_UPS = 5;

const { values } = parseArgs({
  options: {
    operations: { type: "string", default: "1000000" },
    size: { type: "string", default: "10,100" },
    rounds: { type: "string", default: "3" },
  },
});
const operations = Number(values.operations);

await using server = await startRedis();
const redis = new Redis(server.url);
await using bridge = await startBridgeProcess(server.url);

/** Drains one backlog in one invocation. Returns its CPU time, ms, minus that of an idle invocation. */
async function round(size: number, prefix: string): Promise<number> {
  const keys = keysOf(prefix, 0, 1);
  await using worker = await startMeasured({
    ...bridge.environment,
    ROLLCALL_PREFIX: prefix,
    SWEEP_INTERVAL: "60000",
  });
  const idle: number[] = [];
  for (let i = 0; i < 2 * WARM_UPS; i++) idle.push((await worker.schedule()).cpu);
  const ofIdle = median(idle.slice(WARM_UPS));
  const { records, users } = await appendBacklog(redis, keys, operations, size);
  const { cpu, beside, logged } = await worker.schedule();
  const line = logged.find((text) => text.includes("sweep: "));
  if (line === undefined) throw new Error(`no sweep: ${logged.join()}`);
  const summary = JSON.parse(line.slice(line.indexOf("{"))) as SweepSummary;
  const found = await redis.hlen(keys.users);
  if (!summary.idle || summary.requests > REQUESTS_MAX || found !== users) {
    throw new Error(`${found} users instead of ${users} after ${line}`);
  }
  console.log(
    `${records} records of ${size}: ${summary.requests} requests, ${summary.calls} calls in ${summary.ms} ms;`,
    `CPU ${(cpu - ofIdle).toFixed(1)} ms (and ${ofIdle.toFixed(1)} as when idle;`,
    `V8's other threads ${beside.toFixed(1)})`,
  );
  await redis.flushall();
  return cpu - ofIdle;
}

for (const size of values.size.split(",").map(Number)) {
  const rounds: number[] = [];
  for (let i = 0; i < Number(values.rounds); i++) rounds.push(await round(size, `backlog-${size}-${i}`));
  const holds = median(rounds) <= CPU_MS_MAX;
  console.log(
    `${holds ? "holds" : "FAILS"}  ${operations} operations, ${size} a record: median ${median(rounds).toFixed(1)} ms`,
  );
  if (!holds) process.exitCode = 1;
}
redis.disconnect();
