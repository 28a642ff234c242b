/**
 * What the past costs: 20 moments of a random history are rebuilt, and compared with who was in `users` then.
 *
 *   node bench/past.ts [--transitions 160000] [--users 4000] [--shards 3] [--seed text]
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { type Moment, PastHistory } from "../rig/past.ts";
import { Random } from "../rig/random.ts";
import { readerOver } from "../src/reader/reader.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";
import { cpuOf, median } from "./support.ts";

const { values } = parseArgs({
  options: {
    transitions: { type: "string", default: "160000" },
    users: { type: "string", default: "4000" },
    shards: { type: "string", default: "3" },
    seed: { type: "string", default: "past" },
  },
});
const [transitions, users, shards] = [values.transitions, values.users, values.shards].map(Number) as [
  number,
  number,
  number,
];
const MOMENTS = 20;

const server = await startRedis();
const redis = new Redis(server.url);
const history = new PastHistory(redis, { prefix: "past", shards, random: new Random(values.seed), users });
const reader = readerOver(ioredisPort(redis), { prefix: "past", shards });
const moments: Moment[] = [];
while (history.transitions < transitions) {
  await history.round();
  if (history.transitions > (moments.length * transitions) / MOMENTS) moments.push(await history.moment());
}

/** Median time and mean CPU of Redis of one call, ms; and how many were right. */
async function measure<T>(items: readonly T[], call: (item: T) => Promise<boolean>) {
  const times: number[] = [];
  const before = await cpuOf(redis);
  let right = 0;
  for (const item of items) {
    const began = performance.now();
    if (await call(item)) right++;
    times.push(performance.now() - began);
  }
  const cpu = ((await cpuOf(redis)) - before) / 1_000 / items.length;
  return { calls: items.length, right, median: median(times), longest: Math.max(...times), cpu };
}

const past = await measure(moments, async ({ at, users: wanted }) => {
  const { users: found } = await reader.usersAt(new Date(at), { max: 100_000 });
  return JSON.stringify(found) === JSON.stringify(wanted);
});
const names = Array.from({ length: 20 }, (_, i) => `user-${i + 1}`);
const sessions = await measure(names, async (user) => (await reader.sessions(user, { limit: 1_000 })).exact);
process.stdout.write(
  `${JSON.stringify({ transitions: history.transitions, users, shards, past, sessions })}\n`,
);
redis.disconnect();
await server.stop();
