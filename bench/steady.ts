/**
 * Redis CPU and commands an operation at a steady load, and the time from a connect to its event on another node, against
 * Socket.IO's recipe at the same load in the same run.
 *
 *   node bench/steady.ts [--nodes 50] [--rate 20] [--seconds 5] [--rounds 3] [--present 10000] [--pace 20]
 *                        [--listeners 0] [--low 20] [--kinds ours,recipe]
 *
 * `nodes` processes with a connection each make `rate` operations a second each: users who come and go, every one of them a
 * transition, at random moments. The recipe is two HINCRBY in a MULTI for a connect, and two calls of its script for a disconnect.
 * Sides are taken in turn, the other way round every second time; medians of the rounds. `present` users are there all the while.
 *
 * With `listeners`, so many nodes hear of every change: ours as presence.on() does, by following; the recipe by a PUBLISH in the same
 * MULTI, to which so many connections subscribe. Then the time from a connect on one node to the event on the next is measured too, at
 * this rate and at `low` operations a second in all. Nodes and listeners share this process, so the time it takes to wake is in it;
 * it is the same for both sides.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { type RedisServer, startRedis } from "../packages/local-redis/src/index.ts";
import { keysOf } from "../src/core/keys.ts";
import { MIRROR_USERS, TTL_MS } from "../src/core/limits.ts";
import { SILENT } from "../src/core/options.ts";
import { follow } from "../src/follow/mirror.ts";
import { resolveRecorderOptions } from "../src/recorder/options.ts";
import { Recorder } from "../src/recorder/recorder.ts";
import { connect } from "../src/redis/connect.ts";
import { Random } from "../rig/random.ts";
import { callsOf, cpuOf, DOWN, median, percentile } from "./support.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "50" },
    rate: { type: "string", default: "20" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    present: { type: "string", default: "10000" },
    pace: { type: "string", default: "20" },
    listeners: { type: "string", default: "0" },
    low: { type: "string", default: "20" },
    kinds: { type: "string", default: "ours,recipe" },
  },
});
const [nodes, rate, seconds, rounds, present, pace, listeners, low] = [
  values.nodes, values.rate, values.seconds, values.rounds, values.present, values.pace, values.listeners, values.low,
].map(Number) as [number, number, number, number, number, number, number, number]; // prettier-ignore

/** Called by each listener for each user who came. */
type Heard = (listener: number, user: string) => void;

/** One side, with all its nodes and a Redis of its own, so that the heartbeats of one are not counted for another. */
interface Side {
  readonly name: string;
  readonly server: RedisServer;
  /** A socket of a user comes or goes on a node. */
  readonly op: (node: number, user: string, comes: boolean) => void;
  readonly close: () => Promise<void>;
}

async function recipe(server: RedisServer, heard: Heard): Promise<Side> {
  const { url } = server;
  const clients = Array.from({ length: nodes }, () => new Redis(url));
  const subscribers = Array.from({ length: listeners }, () => new Redis(url));
  const sha = (await clients[0]!.script("LOAD", DOWN)) as string;
  for (const [i, subscriber] of subscribers.entries()) {
    await subscriber.subscribe("recipe");
    subscriber.on("message", (_, text: string) => {
      if (text.startsWith("+")) heard(i, text.slice(1));
    });
  }
  for (let i = 0; i < present; i += 1_000) {
    const pipeline = clients[0]!.pipeline();
    for (let j = i; j < Math.min(i + 1_000, present); j++)
      pipeline.hincrby("recipe:users", `here-${j}`, 1).hincrby("recipe:0", `here-${j}`, 1);
    await pipeline.exec();
  }
  return {
    name: "recipe",
    server,
    op(node, user, comes) {
      const transaction = clients[node]!.multi();
      if (comes) transaction.hincrby("recipe:users", user, 1).hincrby(`recipe:${node}`, user, 1);
      else transaction.evalsha(sha, 1, "recipe:users", user).evalsha(sha, 1, `recipe:${node}`, user);
      if (listeners > 0) transaction.publish("recipe", `${comes ? "+" : "-"}${user}`);
      void transaction.exec();
    },
    close: async () => void (await Promise.all([...clients, ...subscribers].map((client) => client.quit()))),
  };
}

async function ours(server: RedisServer, heard: Heard): Promise<Side> {
  const { url } = server;
  const prefix = "steady";
  const options = resolveRecorderOptions({ prefix, pace });
  const all = Array.from({ length: nodes }, (_, i) => {
    const connection = connect(url, { timeout: 5_000, name: "bench" });
    const recorder = new Recorder({
      connection,
      options,
      connections: () => 0,
      listens: () => i < listeners,
      onError: (error) => console.error(error.message),
    });
    return { connection, recorder };
  });
  await Promise.all(all.map(({ recorder }) => recorder.ready()));
  for (let i = 0; i < present; i++) all[i % nodes]!.recorder.connect(`here-${i}`);
  const watcher = new Redis(url);
  while ((await watcher.hlen(keysOf(prefix, 0, 1).users)) < present) await delay(50);
  await watcher.quit();
  const followings = Array.from({ length: listeners }, (_, i) =>
    follow({
      redis: url,
      prefix,
      shards: 1,
      ttl: TTL_MS,
      max: MIRROR_USERS,
      logger: SILENT,
      onState: (error) => error !== null && console.error(error.message),
      onGap: ({ reason }) => console.error(`a gap: ${reason}`),
      onChange: ({ type, user }) => type === "online" && heard(i, user),
    }),
  );
  await Promise.all(followings.flatMap(({ ready, mirror }) => [ready, mirror.ready]));
  return {
    name: "ours",
    server,
    op(node, user, comes) {
      if (comes) all[node]!.recorder.connect(user);
      else all[node]!.recorder.disconnect(user, "leave");
    },
    async close() {
      await Promise.all(followings.map((following) => following.close()));
      await Promise.all(all.map(({ recorder }) => recorder.close(5_000)));
      for (const { connection } of all) connection.close();
    },
  };
}

/** When who came, and who is to hear of it; taken off once heard. */
const awaited = new Map<string, { readonly since: number; readonly listener: number }>();
let latencies: number[] = [];
function heard(listener: number, user: string): void {
  const one = awaited.get(user);
  if (one?.listener !== listener) return;
  latencies.push(performance.now() - one.since);
  awaited.delete(user);
}

let users = 0;
/** Who comes stays for longer, ms: of one who comes and goes within a call nobody would be told. */
const STAY_MS = 300;

/** `each` operations a second on each node, at random moments, for so long. Resolves with how many there were. */
async function load(side: Side, seed: string, each: number): Promise<number> {
  const chance = new Random(seed);
  const open: { user: string; since: number }[][] = Array.from({ length: nodes }, () => []);
  let made = 0;
  const began = performance.now();
  let until = began;
  while (performance.now() - began < seconds * 1_000) {
    const now = performance.now();
    for (; until < now; until++) {
      for (let node = 0; node < nodes; node++) {
        if (chance.next() >= each / 1_000) continue;
        made++;
        const here = open[node]!;
        const leaves = here.length > 0 && now - here[0]!.since > STAY_MS && chance.next() < 0.5;
        if (leaves) side.op(node, here.shift()!.user, false);
        else {
          const user = `${side.name}-${users++}`;
          here.push({ user, since: now });
          if (listeners > 0)
            awaited.set(user, { since: performance.now(), listener: (node + 1) % listeners });
          side.op(node, user, true);
        }
      }
    }
    await delay(1);
  }
  // For the next round: nobody is left.
  await delay(STAY_MS);
  for (const [node, here] of open.entries()) for (const { user } of here) side.op(node, user, false);
  await delay(STAY_MS);
  return made + open.flat().length;
}

interface Figure {
  readonly cpu: number;
  readonly commands: readonly (readonly [name: string, calls: number])[];
  readonly latencies: readonly number[];
}

const makers: Readonly<Record<string, (server: RedisServer, heard: Heard) => Promise<Side>>> = {
  ours,
  recipe,
};
const sides: Side[] = [];
const clients = new Map<string, Redis>();
for (const kind of values.kinds.split(",")) {
  const side = await makers[kind]!(await startRedis(), heard);
  clients.set(side.name, new Redis(side.server.url));
  sides.push(side);
}

async function measure(side: Side, seed: string, each: number): Promise<Figure> {
  const redis = clients.get(side.name)!;
  latencies = [];
  const before = await cpuOf(redis);
  const callsBefore = await callsOf(redis);
  const made = await load(side, seed, each);
  const cpu = ((await cpuOf(redis)) - before) / made;
  const commands = [...(await callsOf(redis))]
    .map(([name, n]) => [name, (n - (callsBefore.get(name) ?? 0)) / made] as const)
    // Not billed: MULTI and EXEC, and what measuring takes.
    .filter(([name, n]) => n > 0.02 && !/^(info|multi|exec)$/.test(name));
  if (awaited.size > 0) throw new Error(`${awaited.size} connects were not told on the next node`);
  return { cpu, commands, latencies };
}

/** A round of each side, in turn. The first one warms up. Resolves with the figures of each side, round by round. */
async function run(each: number): Promise<Map<string, Figure[]>> {
  const figures = new Map(sides.map(({ name }): [string, Figure[]] => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const figure = await measure(side, `${each}-${round}`, each);
      if (round >= 0) figures.get(side.name)!.push(figure);
    }
  }
  return figures;
}

function tell(figures: ReadonlyMap<string, readonly Figure[]>): void {
  for (const [name, all] of figures) {
    const { commands } = all.at(-1)!;
    const sum = commands.reduce((total, [, n]) => total + n, 0);
    const each = commands
      .toSorted(([, a], [, b]) => b - a)
      .map(([command, n]) => `${command} ${n.toFixed(2)}`);
    console.log(`  ${name}: ${median(all.map(({ cpu }) => cpu)).toFixed(1)} µs of Redis CPU an operation`);
    console.log(`    ${sum.toFixed(1)} commands: ${each.join(", ")}`);
    const times = all.flatMap((one) => one.latencies);
    if (times.length > 0)
      console.log(
        `    connect to event on another node, ${times.length} times: p50 ${median(times).toFixed(1)}, p99 ${percentile(times, 0.99).toFixed(1)} ms`,
      );
  }
  const [own, its] = [figures.get("ours"), figures.get("recipe")];
  if (own === undefined || its === undefined) return;
  const ratio = median(own.map(({ cpu }, i) => cpu / its[i]!.cpu));
  console.log(`  Redis CPU of the recipe's: ${ratio.toFixed(2)}`);
}

console.log(
  `${sides[0]!.server.engine}; ${nodes} nodes × ${rate} a second, ${present} present, pace ${pace}, ${listeners} listeners; medians of ${rounds}`,
);
tell(await run(rate));
if (listeners > 0) {
  console.log(`${low} operations a second in all`);
  tell(await run(low / nodes));
}
for (const side of sides) {
  await side.close();
  await clients.get(side.name)!.quit();
  await side.server.stop();
}
