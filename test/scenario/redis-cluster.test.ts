/**
 * Goal: on a Redis Cluster everything is as on one Redis: ready at once, exact, nobody told offline who stayed, whatever happens
 * to its masters.
 * Method: three masters and three replicas; two servers and real clients; a slot is moved and a master killed while clients come
 * and go. The truth is asked of the clients.
 */
import { Cluster } from "ioredis";
import type { Socket as ClientSocket } from "socket.io-client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { connect, startNode, type TestNode } from "../../rig/node.ts";
import { type ClusterNode, moveSlot, type RedisCluster, startRedisCluster } from "../../rig/redis-cluster.ts";
import { until, untilEqual } from "../../rig/until.ts";
import { keysOf } from "../../src/core/keys.ts";
import { slotOf } from "../../src/core/slot.ts";
import { createReader } from "../../src/index.ts";

const SHARDS = 3;
/** None may run out within a test. */
const TTL_MS = 60_000;

let cluster: RedisCluster;
let client: Cluster;
let prefix: string;
let prefixes = 0;
const nodes: TestNode[] = [];
const clients = new Map<string, ClientSocket>();

beforeAll(async () => {
  cluster = await startRedisCluster();
  client = new Cluster(cluster.nodes);
  client.on("error", () => {});
});
afterAll(async () => {
  client.disconnect();
  await cluster.stop();
});
beforeEach(() => {
  prefix = `cluster${prefixes++}`;
});
afterEach(async () => {
  for (const one of clients.values()) one.disconnect();
  clients.clear();
  await Promise.all(nodes.splice(0).map((node) => node.close()));
});

async function start(ttl = TTL_MS): Promise<TestNode> {
  const node = await startNode({ redis: client, prefix, shards: SHARDS, ttl, heartbeat: 500 });
  nodes.push(node);
  return node;
}

const names = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `u${from + i}`);

async function come(users: readonly string[]): Promise<void> {
  for (const [i, user] of users.entries())
    clients.set(user, await connect(nodes[i % nodes.length]!.url, user));
}

function go(users: readonly string[]): void {
  for (const user of users) {
    clients.get(user)!.disconnect();
    clients.delete(user);
  }
}

const present = () => [...clients.keys()].sort();

/** Who is online by what a server was told. */
function heardBy(node: TestNode): string[] {
  const online = new Set<string>();
  for (const line of node.heard) {
    const user = line.slice(1).split(" ")[0]!;
    if (line.startsWith("+")) online.add(user);
    else online.delete(user);
  }
  return [...online].sort();
}

/** What each server answers and was told is what the clients say. A question may fail while the Cluster changes. */
async function agrees(): Promise<void> {
  for (const node of nodes) {
    await untilEqual(async () => {
      const counts = await node.presence.counts().catch(() => null);
      const list = await node.presence.usersList().catch(() => null);
      const listed = list?.users.map(({ id }) => id).toSorted();
      return { sockets: counts?.sockets, users: counts?.users, listed, heard: heardBy(node) };
    }, { sockets: clients.size, users: clients.size, listed: present(), heard: present() }); // prettier-ignore
  }
}

/** None of these was ever told offline, by any server. */
function stayed(users: readonly string[]): void {
  const gone = nodes.flatMap((node) => node.heard.filter((line) => line.startsWith("-")));
  expect(gone.filter((line) => users.includes(line.slice(1).split(" ")[0]!))).toEqual([]);
}

it("is ready without an error, ten times, and answers a reader's first question", async () => {
  for (let i = 0; i < 10; i++) {
    const node = await start();
    expect(node.errors).toEqual([]);
    const reader = createReader({ redis: client, prefix, shards: SHARDS });
    expect((await reader.counts()).users).toBe(0);
    reader.close();
  }
  await Promise.all(nodes.map((node) => node.close()));
  expect(nodes.flatMap(({ errors }) => errors)).toEqual([]);
});

it("warns once of masters that evict keys", async () => {
  const settings = (limit: string, policy: string) =>
    Promise.all(
      cluster.masters.slice(1).map(async ({ redis }) => {
        await redis.config("SET", "maxmemory", limit);
        await redis.config("SET", "maxmemory-policy", policy);
      }),
    );
  await settings("100mb", "allkeys-lfu");
  const warnings: string[] = [];
  const logger = { info() {}, warn: (line: string) => warnings.push(line), error() {} };
  const node = await startNode({ redis: client, prefix, shards: SHARDS, logger });
  nodes.push(node);
  await until("it is told", () => warnings.length > 0);
  await settings("0", "noeviction");
  await node.close();
  expect(warnings).toEqual([expect.stringContaining("allkeys-lfu")]);
});

it("each master has one of three shards, the counts are exact, and every server is told", async () => {
  await start();
  await start();
  await come(names(0, 30));
  await agrees();
  for (const { redis } of cluster.masters) expect(await redis.keys(`{${prefix}*}:totals`)).toHaveLength(1);
  go(names(0, 15));
  await agrees();
  stayed(present());
});

/** The master that has the keys of a shard. */
async function masterOf(shard: number): Promise<ClusterNode> {
  const { totals } = keysOf(prefix, shard, SHARDS);
  const found = await Promise.all(cluster.masters.map(({ redis }) => redis.keys(totals)));
  return cluster.masters[found.findIndex((keys) => keys.length === 1)]!;
}

it("a slot that is moved while clients come and go costs nothing", async () => {
  await start();
  await start();
  await come(names(0, 20));
  await agrees();
  const from = await masterOf(1);
  const to = cluster.masters.find((node) => node !== from)!;
  const slot = slotOf(keysOf(prefix, 1, SHARDS).tag.slice(1, -1));
  let next = 20;
  await moveSlot(cluster, { slot, from, to }, async () => {
    const users = names(next, (next += 10));
    await come(users);
    go(users.slice(0, 5));
  });
  expect(next).toBeGreaterThan(30);
  expect(await masterOf(1)).toBe(to);
  await agrees();
  go(names(0, 10));
  await agrees();
  stayed(present());
});

/** By force, the old master takes with it what it has not sent on. Departures that were lost are told after one and a half leases. */
const SHORT_TTL_MS = 6_000;

it("a master that is demoted with its connections kept, in agreement and by force, costs nothing", async () => {
  await start(SHORT_TTL_MS);
  await start(SHORT_TTL_MS);
  await come(names(0, 30));
  await agrees();
  const master = await masterOf(2);
  const replica = cluster.replicas[cluster.masters.indexOf(master)]!;
  const isMaster = async ({ redis }: ClusterNode) =>
    String(await redis.call("INFO", "replication")).includes("role:master");
  await replica.redis.call("CLUSTER", "FAILOVER");
  go(names(0, 5));
  await come(names(30, 40));
  await until(
    "the replica is the master",
    async () => (await isMaster(replica)) && !(await isMaster(master)),
  );
  await agrees();
  // Back, without asking the others.
  await until("the old master is in step", async () =>
    String(await master.redis.call("INFO", "replication")).includes("master_link_status:up"),
  );
  await master.redis.call("CLUSTER", "FAILOVER", "TAKEOVER");
  go(names(5, 10));
  await come(names(40, 50));
  await until(
    "the old master is the master",
    async () => (await isMaster(master)) && !(await isMaster(replica)),
  );
  await agrees();
  stayed(present());
});

it("is ready while one of the nodes it is told to begin with is dead", async () => {
  const some = new Cluster([{ host: "127.0.0.1", port: 1 }, ...cluster.nodes.slice(1)], {
    lazyConnect: true,
  });
  for (let i = 0; i < 5; i++) {
    const node = await startNode({ redis: some, prefix, shards: SHARDS });
    nodes.push(node);
    expect(node.errors).toEqual([]);
  }
});

/** `CLUSTER_STARTS=100` reports how long they take. */
it("many starts in a row are ready without an error", async () => {
  const starts = Number(process.env["CLUSTER_STARTS"] ?? 10);
  const times: number[] = [];
  for (let i = 0; i < starts; i++) {
    const began = performance.now();
    const node = await startNode({ redis: client, prefix, shards: SHARDS });
    times.push(performance.now() - began);
    expect(node.errors).toEqual([]);
    await node.close();
  }
  times.sort((a, b) => a - b);
  const at = (share: number) =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))]!.toFixed(0);
  if (starts > 10)
    process.stdout.write(`${starts} starts: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms\n`);
  expect(times).toHaveLength(starts);
});

it("a master that is killed is replaced by its replica, and all is exact again", async () => {
  await start();
  await start();
  await come(names(0, 30));
  await agrees();
  const victim = await masterOf(2);
  process.kill(victim.server.pid, "SIGKILL");
  go(names(0, 10));
  await come(names(30, 50));
  const { redis } = cluster.replicas[cluster.masters.indexOf(victim)]!;
  await until("the replica is a master", async () =>
    String(await redis.call("INFO", "replication")).includes("role:master"),
  );
  await agrees();
  go(names(30, 40));
  await agrees();
  stayed(present());
  // The dead one is still among the nodes that a client is told to begin with.
  for (let i = 0; i < 5; i++) {
    const { errors, presence } = await start();
    expect(errors).toEqual([]);
    expect((await presence.counts()).users).toBe(clients.size);
  }
});
