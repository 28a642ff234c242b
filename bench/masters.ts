/**
 * How evenly a busy load lies on the masters of a Redis Cluster: commands and Redis CPU of the busiest master, as a part of an even
 * share.
 *
 *   node bench/masters.ts [--shards 3,6,12] [--prefixes 3] [--nodes 10] [--rate 100] [--seconds 4] [--slots 20]
 *
 * A real Cluster of three masters, each with a replica. `nodes` recorders make `rate` operations a second each, users who come and go.
 * Per number of shards, `prefixes` prefixes one after the other, since tags depend on the prefix; the worst of them and the median.
 * What an idle Cluster uses in the same time is subtracted from the CPU, since it would hide a difference.
 *
 * Before that, by slots only: the busiest master's part of the shards of `slots` prefixes, and of a thousand.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Cluster } from "ioredis";
import { Random } from "../rig/random.ts";
import { startRedisCluster } from "../rig/redis-cluster.ts";
import { shardTags, SLOTS, slotOf } from "../src/core/slot.ts";
import { resolveRecorderOptions } from "../src/recorder/options.ts";
import { Recorder } from "../src/recorder/recorder.ts";
import { connect } from "../src/redis/connect.ts";
import { callsOf, cpuOf, median } from "./support.ts";

const MASTERS = 3;
/** Prefixes compared by slots only, besides those asked for. */
const MANY = 1_000;

const { values } = parseArgs({
  options: {
    shards: { type: "string", default: "3,6,12" },
    prefixes: { type: "string", default: "3" },
    nodes: { type: "string", default: "10" },
    rate: { type: "string", default: "100" },
    seconds: { type: "string", default: "4" },
    slots: { type: "string", default: "20" },
  },
});
const [prefixes, nodes, rate, seconds, few] = [
  values.prefixes, values.nodes, values.rate, values.seconds, values.slots,
].map(Number) as [number, number, number, number, number]; // prettier-ignore

/** The busiest as a part of an even share; 1: all are equal. */
function busiest(parts: readonly number[]): number {
  return (Math.max(...parts) * parts.length) / parts.reduce((sum, part) => sum + part, 0);
}

/** The part of the busiest master by the slots of the shards alone. The slots are given out as rig/redis-cluster.ts does. */
function bySlots(prefix: string, shards: number): number {
  const ends = Array.from({ length: MASTERS }, (_, i) => Math.round(((i + 1) * SLOTS) / MASTERS));
  const parts = ends.map(() => 0);
  for (const tag of shardTags(prefix, shards)) parts[ends.findIndex((end) => slotOf(tag) < end)]!++;
  return busiest(parts);
}

const counts = values.shards.split(",").map(Number);
const some = ["presence", "chat", "app:prod", ...Array.from({ length: MANY - 3 }, (_, i) => `tenant-${i}`)];
for (const shards of counts) {
  const all = some.map((prefix) => bySlots(prefix, shards));
  const uneven = all.filter((part) => part > 1).length;
  console.log(
    `${shards} shards by slots: worst of ${few} prefixes ${Math.max(...all.slice(0, few)).toFixed(2)}, of ${MANY} ${Math.max(...all).toFixed(2)} (${uneven} of them above 1)`,
  );
}

await using cluster = await startRedisCluster(5_000);
const client = new Cluster(cluster.nodes);
client.on("error", () => {});

interface Used {
  readonly cpu: number[];
  readonly commands: number[];
}

/** What measuring and the Cluster itself take. */
const NOT_OURS = /^(info|ping|hello|cluster\||client\||replconf|auth|readonly|select)/;

async function used(run: () => Promise<void>): Promise<Used> {
  const state = () =>
    Promise.all(
      cluster.masters.map(async ({ redis }) => {
        const calls = [...(await callsOf(redis))].filter(([name]) => !NOT_OURS.test(name));
        return { cpu: await cpuOf(redis), commands: calls.reduce((sum, [, n]) => sum + n, 0) };
      }),
    );
  const before = await state();
  await run();
  const after = await state();
  return {
    cpu: after.map(({ cpu }, i) => cpu - before[i]!.cpu),
    commands: after.map(({ commands }, i) => commands - before[i]!.commands),
  };
}

const idle = await used(() => delay(seconds * 1_000));

/** A busy load of one prefix; resolves with what each master used, and the number of operations. */
async function load(prefix: string, shards: number): Promise<Used & { readonly operations: number }> {
  const options = resolveRecorderOptions({ prefix, shards });
  const all = Array.from({ length: nodes }, () => {
    const connection = connect(client, { timeout: 5_000, name: "bench" });
    const onError = (error: Error) => console.error(error.message);
    return {
      connection,
      recorder: new Recorder({ connection, options, connections: () => 0, onError }),
      open: [] as string[],
    };
  });
  await Promise.all(all.map(({ recorder }) => recorder.ready()));
  const chance = new Random(prefix);
  let [users, operations] = [0, 0];
  const come = async (ms: number) => {
    const began = performance.now();
    for (let done = 0; performance.now() - began < ms; await delay(1)) {
      for (const passed = performance.now() - began; done < passed; done++) {
        for (const { recorder, open } of all) {
          if (chance.next() >= rate / 1_000) continue;
          operations++;
          if (open.length > 10 && chance.chance(0.5)) recorder.disconnect(open.shift()!, "leave");
          else {
            const user = `user-${users++}`;
            open.push(user);
            recorder.connect(user);
          }
        }
      }
    }
  };
  // The rate is known, and the turns are given.
  await come(1_000);
  operations = 0;
  const { cpu, commands } = await used(() => come(seconds * 1_000));
  await Promise.all(all.map(({ recorder }) => recorder.close(5_000)));
  for (const { connection } of all) connection.close();
  // The next number of shards takes the same prefix.
  for (const { redis } of cluster.masters) await redis.flushall();
  return { cpu: cpu.map((one, i) => one - idle.cpu[i]!), commands, operations };
}

const { engine } = cluster.masters[0]!.server;
console.log(`${engine}; ${MASTERS} masters, ${nodes} nodes × ${rate} a second, ${prefixes} prefixes`);
for (const shards of counts) {
  const figures: (Used & { operations: number })[] = [];
  for (let i = 0; i < prefixes; i++) figures.push(await load(some[i]!, shards));
  const told = (what: "cpu" | "commands") => {
    const parts = figures.map((one) => busiest(one[what]));
    return `busiest ${median(parts).toFixed(2)} of an even share, at worst ${Math.max(...parts).toFixed(2)}`;
  };
  const each = (what: "cpu" | "commands") =>
    median(figures.map((one) => one[what].reduce((sum, part) => sum + part, 0) / one.operations)).toFixed(1);
  console.log(`${shards} shards`);
  console.log(`  commands: ${told("commands")} (${each("commands")} an operation)`);
  console.log(`  Redis CPU: ${told("cpu")} (${each("cpu")} µs an operation)`);
}
client.disconnect();
