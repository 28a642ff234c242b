/**
 * What durable subscribers cost: commands as per-command billing counts them, Redis's CPU and memory, and how fast deliveries go.
 *
 *   node bench/subscribers.ts [--changes 10000] [--present 100000]
 *
 * Deliveries are made by deliver() over a connection; the handler does nothing. Idle hours run under the bench's clock: the holder renews its
 * turn and looks, a waiting process asks, three times a turn each; a scheduled function once a minute.
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { keysOf, subscriberKeysOf } from "../src/core/keys.ts";
import { SUBSCRIBER_TURN_MS } from "../src/core/limits.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";
import { resolveSubscriberOptions } from "../src/subscriber/options.ts";
import { type ServedSubscriber, subscriberOver } from "../src/subscriber/subscriber.ts";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { meterOver } from "./cost/meter.ts";
import { cpuOf } from "./support.ts";

const { values } = parseArgs({
  options: { changes: { type: "string", default: "10000" }, present: { type: "string", default: "100000" } },
});
const [changes, present] = [Number(values.changes), Number(values.present)];
const HOUR_MS = 3_600_000;
const DAYS = 24;

await using server = await startRedis();
const redis = new Redis(server.url);
const meter = meterOver(redis);
const keys = keysOf("bench", 0, 1);
let now = Date.now();

function serve(name: string, batch?: number): ServedSubscriber {
  const options = resolveSubscriberOptions({ name, prefix: "bench", logger: false, batch });
  return subscriberOver(ioredisPort(redis), () => {}, options, { now: () => now });
}

/** Entries of one change each, as at ordinary load. */
async function append(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1_000) {
    const pipeline = redis.pipeline();
    for (let j = 0; j < Math.min(1_000, count - i); j++) {
      const user = `user-${(i + j) % present}`;
      pipeline.xadd(keys.changes, "*", (i + j) % 2 === 0 ? "leave" : "connect", JSON.stringify([user]));
    }
    await pipeline.exec();
  }
}

const row = (...cells: readonly (string | number)[]) => console.log(`| ${cells.join(" | ")} |`);
const whole = (n: number) => Math.round(n).toLocaleString("en");

for (let i = 0; i < present; i += 1_000) {
  const some = Array.from({ length: Math.min(1_000, present - i) }, (_, j) => [`user-${i + j}`, "1"]);
  await redis.hset(keys.users, ...some.flat());
}
await redis.hset(keys.totals, "shards", "1");
await append(1);

row("deliveries", "commands each", "µs of Redis each", "a second");
row("---", "---", "---", "---");
for (const batch of [undefined, 10, 100]) {
  const name = `batch-${batch ?? 1}`;
  const served = serve(name, batch);
  await served.subscriber.deliver();
  await append(changes);
  const cpu = await cpuOf(redis);
  const began = performance.now();
  let handled = 0;
  const commands = await meter(async () => {
    ({ handled } = await served.subscriber.deliver({ budget: { ms: 3_600_000 } }));
  });
  const seconds = (performance.now() - began) / 1_000;
  const spent = ((await cpuOf(redis)) - cpu) / handled;
  if (handled !== changes) throw new Error(`${handled} of ${changes} were handled`);
  row(
    batch === undefined ? "one at a time" : `batch: ${batch}`,
    (commands / changes).toFixed(2),
    spent.toFixed(1),
    whole(changes / seconds),
  );
  const bytes = Number(
    await redis.call("MEMORY", "USAGE", subscriberKeysOf(keys, name).known, "SAMPLES", "0"),
  );
  if (batch === undefined) console.error(`known: ${(bytes / present).toFixed(0)} bytes a user`);
}

console.log();
row("idle", "commands an hour", "commands a day");
row("---", "---", "---");
async function idle(what: string, every: number, look: () => Promise<unknown>): Promise<void> {
  const commands = await meter(async () => {
    for (let spent = 0; spent < HOUR_MS; spent += every) {
      now += every;
      await look();
    }
  });
  row(what, whole(commands), whole(commands * DAYS));
}
const NEVER = new AbortController().signal;
const round = (served: ServedSubscriber) =>
  served.shards[0]!.round({ signal: NEVER, mayGoOn: () => true, handled() {} });
const holder = serve("idle");
await holder.subscriber.deliver();
const third = SUBSCRIBER_TURN_MS / 3;
await idle("the process with the turn", third, () => round(holder));
const waiting = serve("idle");
const both = async () => {
  await round(holder);
  return round(waiting);
};
await idle("it and one that waits", third, both);
const cron = serve("cron");
await idle("a scheduled function, once a minute", 60_000, () => cron.subscriber.deliver());
redis.disconnect();
