/**
 * The time from a connect until it is visible in `users`, in Redis round trips, with an inline projector on an idle system.
 *
 *   node bench/latency.ts [--rounds 300] [--delay 2]
 *
 * The recorder is behind a proxy that delays each direction by `delay` ms, like a network; a watcher next to the server polls
 * without pause. Two times are measured alternately: a PING through the proxy, and the time from recorder.connect() until the
 * watcher sees the user. Target: under 3 round trips.
 */
import { once } from "node:events";
import { type AddressInfo, connect as dial, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { keysOf } from "../src/core/keys.ts";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { resolveRecorderOptions } from "../src/recorder/options.ts";
import { Recorder } from "../src/recorder/recorder.ts";
import { connect } from "../src/redis/connect.ts";
import { median } from "./support.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "300" }, delay: { type: "string", default: "2" } },
});
const rounds = Number(values.rounds);
const oneWay = Number(values.delay);

await using server = await startRedis();
const proxy = createServer((client) => {
  const upstream = dial(server.port, "127.0.0.1");
  const forward = (from: Socket, to: Socket) => {
    from.setNoDelay(true);
    from.on("data", (data) => setTimeout(() => to.write(data), oneWay));
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
  };
  forward(client, upstream);
  forward(upstream, client);
}).listen(0, "127.0.0.1");
await once(proxy, "listening");
const far = `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

const watcher = new Redis(server.url);
const connection = connect(far, { timeout: 5_000, name: "bench" });
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
for (let i = -20; i < rounds; i++) {
  const before = performance.now();
  await connection.port.call(["PING"]);
  const between = performance.now();
  // The reply to the last record has arrived, so the system is idle again.
  await delay(4 * oneWay);
  const began = performance.now();
  recorder.connect(`u${i}`);
  while ((await watcher.hexists(users, `u${i}`)) === 0);
  if (i < 0) continue;
  visible.push(performance.now() - began);
  pings.push(between - before);
}
await recorder.close(1_000);
connection.close();
watcher.disconnect();
proxy.close();

console.log(
  `${server.engine}; medians of ${rounds}: round trip ${median(pings).toFixed(2)} ms, connect to visible ${median(visible).toFixed(2)} ms`,
);
console.log(`connect to visible / round trip: ${(median(visible) / median(pings)).toFixed(2)} (under 3)`);
