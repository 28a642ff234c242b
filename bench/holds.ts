/**
 * How long one call of the projector blocks Redis when it folds a backlog and when it reaps a process with 100,000 users.
 *
 *   node bench/holds.ts [--users 100000]
 *
 * Read from Redis's slow log, ms. Target: a median fold under 10 ms, and no reaping call longer than the longest fold, so that
 * other clients never wait noticeably.
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { keysOf } from "../src/core/keys.ts";
import { encodeRecord } from "../src/core/record.ts";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { projectorOver } from "../src/projector/projector.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";
import { median } from "./support.ts";

const { values } = parseArgs({ options: { users: { type: "string", default: "100000" } } });
const users = Number(values.users);

await using server = await startRedis();
const redis = new Redis(server.url);
const keys = keysOf("holds", 0, 1);
const TTL_MS = 60_000;
let now = Date.now();
const projector = projectorOver(ioredisPort(redis), { prefix: "holds" }, { now: () => now });

async function measure(name: string, run: () => Promise<unknown>): Promise<void> {
  await redis.call("CONFIG", "SET", "slowlog-max-len", "1000000");
  await redis.call("SLOWLOG", "RESET");
  await redis.call("CONFIG", "SET", "slowlog-log-slower-than", "0");
  await run();
  await redis.call("CONFIG", "SET", "slowlog-log-slower-than", "-1");
  const entries = (await redis.call("SLOWLOG", "GET", "-1")) as [number, number, number, string[]][];
  const calls = entries.filter((entry) => /^eval/i.test(entry[3][0]!)).map((entry) => entry[2] / 1000);
  console.log(
    `${name.padEnd(38)} ${String(calls.length).padStart(4)} calls, median ${median(calls).toFixed(1)} ms, longest ${Math.max(...calls).toFixed(1)} ms`,
  );
}

async function backlog(process: string, each: number): Promise<void> {
  let sockets = 0;
  let seq = 0;
  let pipeline = redis.pipeline();
  for (let i = 0; i < users; i += each) {
    const operations = Array.from({ length: each }, (_, j) => ({
      op: "connect" as const,
      user: `user-${i + j}`,
    }));
    sockets += each;
    const fields = encodeRecord({ process, seq: ++seq, ttl: TTL_MS, operations, sockets });
    pipeline.call("XADD", keys.records, "*", ...fields);
    if (pipeline.length === 500) {
      await pipeline.exec();
      pipeline = redis.pipeline();
    }
  }
  await pipeline.exec();
}

console.log(`${server.engine}, ${users} users`);
for (const each of [1, 10, 100]) {
  await backlog(`p${each}`, each);
  await measure(`fold, ${each} operation(s) a record`, () =>
    projector.sweep({ budget: { requests: 1e6, ms: 1e6 } }),
  );
}
now += TTL_MS + 1;
await measure(`reap three processes of ${users} users`, () =>
  projector.sweep({ budget: { requests: 1e6, ms: 1e6 } }),
);
redis.disconnect();
