/**
 * How long records wait to be folded under a busy load, when something befalls the turn (pace).
 *
 *   node bench/turn.ts [--rounds 5] [--processes 4]
 *
 * A real Redis Cluster of three masters with a replica each, three shards, and as many processes with a recorder, each of which makes
 * some 200 operations a second a shard. In each round the holder of a turn is killed, then stopped, then the master of a shard hands over to
 * its replica, then a master is killed; after that the Cluster is made anew. Every few ms the oldest record that is not folded is
 * read from each shard: the longest wait in the two seconds around the fault, of all shards. For a master that was killed it counts
 * from when the replica has taken over: before that nobody can fold.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Cluster, type Redis } from "ioredis";
import { Child } from "../rig/child.ts";
import { type ClusterNode, startRedisCluster } from "../rig/redis-cluster.ts";
import { until } from "../rig/until.ts";
import { keysOf } from "../src/core/keys.ts";
import { median } from "./support.ts";

const SHARDS = 3;
const WATCHED_MS = 2_000;

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, processes: { type: "string", default: "4" } },
});
const [rounds, processes] = [Number(values.rounds), Number(values.processes)];

const waits = new Map<string, number[]>();
const keep = (what: string, ms: number) => waits.set(what, [...(waits.get(what) ?? []), ms]);

async function round(prefix: string): Promise<void> {
  await using cluster = await startRedisCluster();
  const client = new Cluster(cluster.nodes);
  client.on("error", () => {});
  const all = [...cluster.masters, ...cluster.replicas];
  const keys = Array.from({ length: SHARDS }, (_, shard) => keysOf(prefix, shard, SHARDS));
  /** The server of each shard. */
  const servers: ClusterNode[] = [];
  /** No wait counts from before this, ms on Redis's clock. */
  let since = 0;

  async function oldest(redis: Redis, records: string): Promise<number> {
    const [[, first], [, time]] = (await redis
      .pipeline([["xrange", records, "-", "+", "COUNT", "1"], ["time"]])
      .exec()) as [[unknown, [string][] | null], [unknown, [string, string]]];
    const id = first?.[0]?.[0];
    if (id === undefined) return 0;
    const now = Number(time[0]) * 1_000 + Number(time[1]) / 1_000;
    return now - Math.max(Number(id.split("-")[0]), since);
  }

  async function longest(): Promise<number> {
    let most = 0;
    for (const end = performance.now() + WATCHED_MS; performance.now() < end; await delay(2)) {
      const now = await Promise.all(
        keys.map(({ records }, i) => oldest(servers[i]!.redis, records).catch(() => 0)),
      );
      most = Math.max(most, ...now);
    }
    return most;
  }

  const children = new Set<Child>();
  async function fill(): Promise<void> {
    const file = new URL("../rig/busy-process.ts", import.meta.url).pathname;
    const options = { prefix, shards: SHARDS, ttl: 10_000, heartbeat: 3_000, nodes: cluster.nodes };
    while (children.size < processes) {
      const ready = Promise.withResolvers<unknown>();
      const child = await Child.start({
        name: "busy",
        file,
        env: { BUSY_OPTIONS: JSON.stringify(options) },
        onMessage: ready.resolve,
      });
      children.add(child);
      await ready.promise;
      child.send("load");
    }
    await until("each shard has a turn", async () => (await holders()).every((one) => one !== undefined));
    await delay(500);
  }
  const holders = () =>
    Promise.all(
      keys.map(async ({ totals }) => {
        const [turn, ends, ran] = await client.hmget(totals, "turn", "ends", "ran").catch(() => []);
        if (!(Number(ends) > Number(ran))) return undefined;
        return [...children].find(({ pid }) => turn?.includes(`-${pid}.`));
      }),
    );
  const holder = () =>
    until("a holder", async () => (await holders()).find((one) => one !== undefined), { every: 1 });
  const isMaster = async ({ redis }: ClusterNode) => ((await redis.call("ROLE")) as string[])[0] === "master";

  try {
    await fill();
    for (const { totals } of keys)
      for (const one of cluster.masters) if ((await one.redis.keys(totals)).length > 0) servers.push(one);
    keep("nothing happens", await longest());

    const killed = await holder();
    killed.killGroup();
    children.delete(killed);
    keep("the holder is killed", await longest());

    await fill();
    const stopped = await holder();
    stopped.kill("SIGSTOP");
    keep("the holder is stopped", await longest());
    const goesOn = longest();
    stopped.kill("SIGCONT");
    keep("it goes on", await goesOn);

    const takeOver = async (
      shard: number,
      strike: (master: ClusterNode, replica: ClusterNode) => unknown,
    ) => {
      const master = servers[shard]!;
      const replica = all[(all.indexOf(master) + cluster.masters.length) % all.length]!;
      await strike(master, replica);
      await until("the replica is a master", () => isMaster(replica), { every: 1 });
      since = Date.now();
      servers[shard] = replica;
      return longest();
    };
    keep("a master hands over", await takeOver(1, (_, replica) => replica.redis.call("CLUSTER", "FAILOVER")));
    keep("a master is killed", await takeOver(2, ({ server }) => process.kill(server.pid, "SIGKILL")));
  } finally {
    for (const child of children) child.killGroup();
    await Promise.all([...children].map(({ ended }) => ended));
    client.disconnect();
  }
}

for (let i = 0; i < rounds; i++) await round(`turn${i}`);
console.log(
  `${rounds} rounds, ${processes} processes, ${SHARDS} shards on a Cluster: the longest wait of a record, ms`,
);
for (const [what, all] of waits)
  console.log(`  ${what}: median ${median(all).toFixed(0)}, worst ${Math.max(...all).toFixed(0)}`);
