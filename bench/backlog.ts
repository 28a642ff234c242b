/**
 * What a backlog costs a scheduled function: the Worker in workerd, over REST through the bridge, on a log of a million
 * operations.
 *
 *   node bench/backlog.ts [--operations 1000000] [--size 10,100] [--read script]
 *
 * Prints requests, calls of the script and the function's CPU an invocation, until the log is drained. The bars: within 45
 * requests and 10 ms of CPU, as Cloudflare's free plan allows.
 *
 * CPU is that of workerd's processes from /proc (all threads; so Linux only), which includes what the platform does for
 * the function, such as HTTP, and wrangler's own proxy before it. Bridge and Redis are other processes. Beside it stands an
 * invocation on an empty log: the difference is what the backlog costs. Before either, idle invocations warm the code up,
 * since starting is not counted either.
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { keysOf } from "../src/core/keys.ts";
import { startRedis } from "../src/local/redis.ts";
import type { SweepSummary } from "../src/projector/sweep.ts";
import { appendBacklog } from "./backlog/append.ts";
import { startBridgeProcess } from "./backlog/bridge.ts";
import { startWorkerd } from "./backlog/workerd.ts";
import { median } from "./support.ts";

const REQUESTS_MAX = 45;
const CPU_MS_MAX = 10;
const WARM_UPS = 5;

const { values } = parseArgs({
  options: {
    operations: { type: "string", default: "1000000" },
    size: { type: "string", default: "10,100" },
    read: { type: "string", default: "script" },
  },
});
const operations = Number(values.operations);

await using server = await startRedis();
const redis = new Redis(server.url);
await using bridge = await startBridgeProcess(server.url);

for (const size of values.size.split(",").map(Number)) {
  const prefix = `backlog-${size}`;
  const keys = keysOf(prefix, 0, 1);
  await using worker = await startWorkerd({
    ...bridge.environment,
    ROLLCALL_PREFIX: prefix,
    ROLLCALL_READ: values.read,
    SWEEP_INTERVAL: "60000",
  });
  const idle: number[] = [];
  for (let i = 0; i < 2 * WARM_UPS; i++) idle.push((await worker.schedule()).cpu);
  const { records, users } = await appendBacklog(redis, keys, operations, size);
  console.log(`${operations} operations, ${size} a record: ${records} records`);
  for (let more = true; more;) {
    const { cpu, logged } = await worker.schedule();
    const line = logged.find((text) => text.includes("sweep: "));
    if (line === undefined) throw new Error(`no sweep: ${logged.join()}`);
    const summary = JSON.parse(line.slice(line.indexOf("{"))) as SweepSummary;
    more = !summary.idle;
    const [ofIdle, own] = [median(idle.slice(WARM_UPS)), cpu - median(idle.slice(WARM_UPS))];
    console.log(
      `  ${summary.requests} requests, ${summary.calls} calls, ${summary.operations} operations in ${summary.ms} ms;`,
      `CPU ${cpu.toFixed(1)} ms, of which ${ofIdle.toFixed(1)} as an idle one: ${own.toFixed(1)} ms;`,
      `left: ${summary.left.records} records;`,
      summary.requests <= REQUESTS_MAX && cpu <= CPU_MS_MAX ? "holds" : "FAILS",
    );
  }
  const found = await redis.hlen(keys.users);
  if (found !== users) throw new Error(`${found} users are present instead of ${users}`);
}
redis.disconnect();
