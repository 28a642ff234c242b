/**
 * Connect to visible in `users`, in Redis round trips: inline projector, idle system.
 *
 *   node bench/latency.ts [--rounds 500]
 *
 * One side is a PING on the same connection pattern; the other is from recorder.connect() until another connection,
 * polling without pause, sees the user. The bar: under 3 round trips.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { keysOf } from "../src/core/keys.ts";
import { startRedis } from "../src/local/redis.ts";
import { resolveRecorderOptions } from "../src/options.ts";
import { Recorder } from "../src/recorder.ts";
import { connect } from "../src/redis/connect.ts";
import { median } from "./support.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "500" } } });
const rounds = Number(values.rounds);

await using server = await startRedis();
const watcher = new Redis(server.url);
const connection = connect(server.url, { timeout: 5_000, name: "bench" });
const recorder = new Recorder({
  connection,
  options: resolveRecorderOptions({ prefix: "latency" }),
  connections: () => 0,
  onError: (error) => console.error(error.message),
});
await recorder.ready();
const { users } = keysOf("latency", 0, 1);

const pings: number[] = [];
const visible: number[] = [];
const round = async (i: number, counted: boolean) => {
  const before = performance.now();
  await connection.port.call(["PING"]);
  const ping = performance.now() - before;
  // The system is idle again before each connect.
  await delay(2);
  const began = performance.now();
  recorder.connect(`u${i}`);
  while ((await watcher.hexists(users, `u${i}`)) === 0);
  if (!counted) return;
  pings.push(ping);
  visible.push(performance.now() - began);
};
for (let i = 0; i < 100; i++) await round(i, false);
for (let i = 100; i < rounds + 100; i++) await round(i, true);
await recorder.close(1_000);
connection.close();
watcher.disconnect();

console.log(
  `${server.engine}; round trip ${median(pings).toFixed(3)} ms, connect to visible ${median(visible).toFixed(3)} ms (medians of ${rounds})`,
);
console.log(
  `connect to visible / round trip: ${(median(visible) / median(pings)).toFixed(2)} (under 3), the watcher's own round trip included`,
);
