/** A real Redis Cluster in this process's care: three masters that share the slots, each with a replica. */
import { Redis } from "ioredis";
import { type RedisServer, startRedis } from "../packages/local-redis/src/index.ts";
import { until } from "./until.ts";

const MASTERS = 3;
const SLOTS = 16_384;

export interface ClusterNode {
  readonly server: RedisServer;
  /** A plain connection to it. */
  readonly redis: Redis;
  readonly id: string;
}

export interface RedisCluster extends AsyncDisposable {
  readonly masters: readonly ClusterNode[];
  readonly replicas: readonly ClusterNode[];
  /** For `new Cluster()`: the masters. */
  readonly nodes: { host: string; port: number }[];
  /** Ends all servers. Idempotent. */
  stop(): Promise<void>;
}

async function startOne(nodeTimeout: number): Promise<ClusterNode> {
  const server = await startRedis({
    args: [
      "--cluster-enabled", "yes",
      "--cluster-announce-ip", "127.0.0.1",
      "--cluster-node-timeout", String(nodeTimeout),
      "--repl-diskless-sync-delay", "0",
      "--cluster-replica-validity-factor", "0",
    ],
  }); // prettier-ignore
  const redis = new Redis(server.url, { retryStrategy: () => 100 });
  redis.on("error", () => {});
  return { server, redis, id: (await redis.call("CLUSTER", "MYID")) as string };
}

/**
 * Gives a slot with its keys from one master to another while everything goes on, as a rebalance does. `between` is awaited after
 * each few keys: until the last, what names keys on both sides is told TRYAGAIN.
 */
export async function moveSlot(
  cluster: RedisCluster,
  { slot, from, to }: { slot: number; from: ClusterNode; to: ClusterNode },
  between: () => Promise<void>,
): Promise<void> {
  await to.redis.call("CLUSTER", "SETSLOT", slot, "IMPORTING", from.id);
  await from.redis.call("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id);
  for (;;) {
    const keys = (await from.redis.call("CLUSTER", "GETKEYSINSLOT", slot, 3)) as string[];
    if (keys.length === 0) break;
    await from.redis.call("MIGRATE", "127.0.0.1", to.server.port, "", 0, 5_000, "KEYS", ...keys);
    await between();
  }
  const others = cluster.masters.filter((node) => node !== to && node !== from);
  for (const { redis } of [to, from, ...others]) await redis.call("CLUSTER", "SETSLOT", slot, "NODE", to.id);
}

/** `nodeTimeout`: after which silence a master counts as failed, ms. */
export async function startRedisCluster(nodeTimeout = 1_000): Promise<RedisCluster> {
  const all = await Promise.all(Array.from({ length: MASTERS * 2 }, () => startOne(nodeTimeout)));
  const [masters, replicas] = [all.slice(0, MASTERS), all.slice(MASTERS)];
  const stop = async () => {
    for (const { redis } of all) redis.disconnect();
    await Promise.all(all.map(({ server }) => server.stop()));
  };
  try {
    for (const [i, { redis }] of all.entries()) await redis.call("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
    for (const [i, { redis }] of masters.entries()) {
      // As `redis-cli --cluster create` gives them out.
      const [from, to] = [i, i + 1].map((n) => Math.round((n * SLOTS) / MASTERS));
      await redis.call("CLUSTER", "ADDSLOTSRANGE", from!, to! - 1);
    }
    const { port } = all[0]!.server;
    for (const { redis } of all.slice(1)) await redis.call("CLUSTER", "MEET", "127.0.0.1", port);
    const everywhere = async (what: RegExp) => {
      const infos = await Promise.all(all.map(({ redis }) => redis.call("CLUSTER", "INFO")));
      return infos.every((info) => what.test(String(info)));
    };
    await until("all nodes know each other", () => everywhere(/cluster_known_nodes:6\r/));
    await until("each replica follows", async () => {
      const told = replicas.map(({ redis }, i) => redis.call("CLUSTER", "REPLICATE", masters[i]!.id));
      return (await Promise.allSettled(told)).every(({ status }) => status === "fulfilled");
    });
    await until("each replica is in step", async () => {
      const infos = await Promise.all(replicas.map(({ redis }) => redis.call("INFO", "replication")));
      return infos.every((info) => String(info).includes("master_link_status:up"));
    });
    await until("the cluster is up", () => everywhere(/cluster_state:ok\r/));
  } catch (error) {
    await stop();
    throw error;
  }
  const nodes = masters.map(({ server }) => ({ host: "127.0.0.1", port: server.port }));
  return { masters, replicas, nodes, stop, [Symbol.asyncDispose]: stop };
}
