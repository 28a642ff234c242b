/**
 * Redis CPU an operation at a steady load, against Socket.IO's recipe at the same load in the same run.
 *
 *   node bench/steady.ts [--nodes 50] [--rate 20] [--seconds 8] [--rounds 3] [--present 10000] [--pace 20]
 *
 * `nodes` processes with a connection each make `rate` operations a second each: users who come and go, every one of them a
 * transition, at random moments. The recipe is two HINCRBY in a MULTI for a connect, and two calls of its script for a disconnect.
 * Sides are taken in turn; medians of the rounds. `present` users are there all the while.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { keysOf } from "../src/core/keys.ts";
import { resolveRecorderOptions } from "../src/recorder/options.ts";
import { Recorder } from "../src/recorder/recorder.ts";
import { connect } from "../src/redis/connect.ts";
import { Random } from "../rig/random.ts";
import { median } from "./support.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "50" },
    rate: { type: "string", default: "20" },
    seconds: { type: "string", default: "8" },
    rounds: { type: "string", default: "3" },
    present: { type: "string", default: "10000" },
    pace: { type: "string", default: "20" },
  },
});
const [nodes, rate, seconds, rounds, present, pace] = [
  values.nodes, values.rate, values.seconds, values.rounds, values.present, values.pace,
].map(Number) as [number, number, number, number, number, number]; // prettier-ignore

/** One node of either side: what it does for a socket that comes or goes. */
interface Side {
  readonly name: string;
  readonly op: (node: number, user: string, comes: boolean) => void;
  readonly close: () => Promise<void>;
}

const DOWN = `
local n = redis.call('HINCRBY', KEYS[1], ARGV[1], -1)
if n == 0 then redis.call('HDEL', KEYS[1], ARGV[1]) end
return n`;

async function recipe(url: string): Promise<Side> {
  const clients = Array.from({ length: nodes }, () => new Redis(url));
  const sha = (await clients[0]!.script("LOAD", DOWN)) as string;
  for (let i = 0; i < present; i += 1_000) {
    const pipeline = clients[0]!.pipeline();
    for (let j = i; j < Math.min(i + 1_000, present); j++) pipeline.hincrby("recipe:users", `here-${j}`, 1).hincrby("recipe:0", `here-${j}`, 1);
    await pipeline.exec();
  }
  return {
    name: "recipe",
    op(node, user, comes) {
      const transaction = clients[node]!.multi();
      if (comes) transaction.hincrby("recipe:users", user, 1).hincrby(`recipe:${node}`, user, 1);
      else transaction.evalsha(sha, 1, "recipe:users", user).evalsha(sha, 1, `recipe:${node}`, user);
      void transaction.exec();
    },
    close: async () => void (await Promise.all(clients.map((client) => client.quit()))),
  };
}

async function ours(url: string): Promise<Side> {
  const options = resolveRecorderOptions({ prefix: "steady", pace });
  const all = Array.from({ length: nodes }, () => {
    const connection = connect(url, { timeout: 5_000, name: "bench" });
    const recorder = new Recorder({ connection, options, connections: () => 0, onError: (error) => console.error(error.message) });
    return { connection, recorder };
  });
  await Promise.all(all.map(({ recorder }) => recorder.ready()));
  for (let i = 0; i < present; i++) all[i % nodes]!.recorder.connect(`here-${i}`);
  const watcher = new Redis(url);
  while ((await watcher.hlen(keysOf("steady", 0, 1).users)) < present) await delay(50);
  await watcher.quit();
  return {
    name: "ours",
    op(node, user, comes) {
      if (comes) all[node]!.recorder.connect(user);
      else all[node]!.recorder.disconnect(user, "leave");
    },
    async close() {
      await Promise.all(all.map(({ recorder }) => recorder.close(5_000)));
      for (const { connection } of all) connection.close();
    },
  };
}

async function cpuOf(redis: Redis): Promise<number> {
  const text = await redis.info("cpu");
  const field = (name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(text)![1]);
  return 1e6 * (field("used_cpu_sys_main_thread") + field("used_cpu_user_main_thread"));
}

/** Operations a second on each node, at random moments, for so long. Resolves with how many there were. */
async function load(side: Side, seed: string): Promise<number> {
  const chance = new Random(seed);
  const open: string[][] = Array.from({ length: nodes }, () => []);
  let made = 0;
  let users = 0;
  const began = performance.now();
  let until = began;
  while (performance.now() - began < seconds * 1_000) {
    const now = performance.now();
    for (; until < now; until++) {
      for (let node = 0; node < nodes; node++) {
        if (chance.next() >= rate / 1_000) continue;
        made++;
        const here = open[node]!;
        const leaves = here.length > 0 && chance.next() < 0.5;
        if (leaves) side.op(node, here.shift()!, false);
        else {
          const user = `${side.name}-${seed}-${users++}`;
          here.push(user);
          side.op(node, user, true);
        }
      }
    }
    await delay(1);
  }
  return made;
}

await using server = await startRedis();
const redis = new Redis(server.url);
const sides = [await ours(server.url), await recipe(server.url)];
const figures = new Map(sides.map(({ name }): [string, number[]] => [name, []]));
for (let round = -1; round < rounds; round++) {
  for (const side of sides) {
    const before = await cpuOf(redis);
    const made = await load(side, String(round));
    await delay(200);
    const used = ((await cpuOf(redis)) - before) / made;
    // The first round warms up.
    if (round >= 0) figures.get(side.name)!.push(used);
  }
}
const [own, recipes] = [median(figures.get("ours")!), median(figures.get("recipe")!)];
console.log(
  `${server.engine}; ${nodes} nodes × ${rate}/s, ${present} present, pace ${pace}; µs of Redis CPU an operation, medians of ${rounds}: ` +
    `ours ${own.toFixed(1)}, recipe ${recipes.toFixed(1)}, ratio ${(own / recipes).toFixed(2)}`,
);
for (const side of sides) await side.close();
await redis.quit();
