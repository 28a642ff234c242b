/**
 * Goal: a load so busy that one process folds for the others ends exact, for counts and for listeners, whatever befell the turn: its
 * holder killed or stopped, its master killed or failed over.
 * Method: a real Redis Cluster, three shards, recorders here and in processes of their own. The turn is held in each shard before the
 * fault and again after it, the load goes on all the while, and once it rests everything is compared with who is here.
 */
import { Cluster, Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startRedis } from "../../packages/local-redis/src/index.ts";
import { Busy } from "../../rig/busy.ts";
import { Child } from "../../rig/child.ts";
import { type ClusterNode, type RedisCluster, startRedisCluster } from "../../rig/redis-cluster.ts";
import { until, untilEqual } from "../../rig/until.ts";
import { keysOf } from "../../src/core/keys.ts";
import { MIRROR_USERS } from "../../src/core/limits.ts";
import { SILENT } from "../../src/core/options.ts";
import { type Following, follow } from "../../src/follow/mirror.ts";
import { createReader } from "../../src/index.ts";

const SHARDS = 3;
/** Those of a process that is killed are to go within a test. */
const TTL_MS = 5_000;
const HEARTBEAT_MS = 500;

let cluster: RedisCluster;
let client: Cluster;
let prefix: string;
let prefixes = 0;
const busy: Busy[] = [];
const children: OwnChild[] = [];
const followings: Following[] = [];

interface OwnChild {
  readonly child: Child;
  /** What it said last. */
  said: unknown;
}

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
  prefix = `pace${prefixes++}`;
});
afterEach(async () => {
  await Promise.all(followings.splice(0).map((following) => following.close()));
  for (const { child } of children) child.killGroup();
  await Promise.all(children.splice(0).map(({ child }) => child.ended));
  await Promise.all(busy.splice(0).map((one) => one.close()));
});

const options = (shards: number) => ({ prefix, shards, ttl: TTL_MS, heartbeat: HEARTBEAT_MS });

async function startBusy(redis: string | Cluster, count: number, shards = SHARDS): Promise<void> {
  for (let i = 0; i < count; i++) {
    const one = new Busy(`here${i}`, { ...options(shards), redis });
    busy.push(one);
    await one.ready();
    one.load();
  }
}

async function startChildren(count: number): Promise<void> {
  const env = { BUSY_OPTIONS: JSON.stringify({ ...options(SHARDS), nodes: cluster.nodes }) };
  for (let i = 0; i < count; i++) {
    const own: { child?: Child; said: unknown } = { said: undefined };
    const file = new URL("../../rig/busy-process.ts", import.meta.url).pathname;
    own.child = await Child.start({
      name: `busy ${i}`,
      file,
      env,
      onMessage: (message) => (own.said = message),
    });
    children.push(own as OwnChild);
  }
  await until("the children are ready", () => children.every(({ said }) => said === "ready"));
  for (const { child } of children) child.send("load");
}

/** A listener, and who it was told is online. */
function listen(redis: string | Cluster, shards = SHARDS): ReadonlySet<string> {
  const online = new Set<string>();
  const following = follow({
    redis,
    prefix,
    shards,
    ttl: TTL_MS,
    max: MIRROR_USERS,
    logger: SILENT,
    onChange({ type, user }) {
      if (type === "online") online.add(user);
      else online.delete(user);
    },
    onGap: () => {},
  });
  followings.push(following);
  return online;
}

/** Who has the turn of each shard now; "": nobody. */
async function holders(redis: Cluster | Redis = client, shards = SHARDS): Promise<string[]> {
  return Promise.all(
    Array.from({ length: shards }, async (_, shard) => {
      const { totals } = keysOf(prefix, shard, shards);
      // A question may fail while the Cluster changes.
      const [turn = "", ends, ran] = await redis.hmget(totals, "turn", "ends", "ran").catch(() => []);
      return Number(ends) > Number(ran) ? (turn ?? "") : "";
    }),
  );
}

/** Someone has the turn of each shard, and records have been folded since. */
async function underWay(redis: Cluster | Redis = client, shards = SHARDS): Promise<void> {
  const folded = () =>
    Promise.all(
      Array.from({ length: shards }, (_, shard) =>
        redis.hget(keysOf(prefix, shard, shards).totals, "records").catch(() => null),
      ),
    );
  const before = await folded();
  await until("each shard has a turn and goes on", async () => {
    const [now, held] = [await folded(), await holders(redis, shards)];
    return held.every(Boolean) && now.every((records, i) => Number(records) > Number(before[i]) + 20);
  });
}

/** Once nothing happens any more: what is answered, and what a listener was told, is who is here. */
async function agrees(online: ReadonlySet<string>, redis: Cluster | Redis = client, shards = SHARDS) {
  for (const one of busy) one.rest();
  for (const one of children) one.said = undefined;
  for (const { child } of children) if (!child.hasEnded) child.send("rest");
  await until("all rest", () => children.every(({ child, said }) => child.hasEnded || Array.isArray(said)));
  const told = children.flatMap(({ child, said }) => (child.hasEnded ? [] : (said as string[])));
  const here = [...busy.flatMap(({ users }) => users), ...told].toSorted();
  expect(here.length).toBeGreaterThan(0);
  const reader = createReader({ redis, prefix, shards });
  await untilEqual(async () => {
    const counts = await reader.counts().catch(() => null);
    return { users: counts?.users, sockets: counts?.sockets, told: [...online].toSorted() };
  }, { users: here.length, sockets: here.length, told: here }); // prettier-ignore
  expect((await reader.usersList()).users.map(({ id }) => id).toSorted()).toEqual(here);
}

/** A child that has the turn of some shard. */
async function holder(): Promise<OwnChild> {
  return until("a child has a turn", async () => {
    const held = await holders();
    return children.find(({ child }) => held.some((turn) => turn.includes(`-${child.pid}.`)));
  });
}

async function start(): Promise<ReadonlySet<string>> {
  const online = listen(client);
  await startChildren(2);
  await holder();
  await startBusy(client, 2);
  await underWay();
  return online;
}

describe("the holder of the turn", () => {
  it("is killed: others take the turn, and its users go with its lease", async () => {
    const online = await start();
    (await holder()).child.killGroup();
    await underWay();
    await agrees(online);
  });

  it("is stopped for longer than its lease: others take the turn, and it comes back by itself", async () => {
    const online = await start();
    const { child } = await holder();
    child.kill("SIGSTOP");
    await underWay();
    const { states } = keysOf(prefix, 0, SHARDS);
    await until("it is reaped", async () => {
      const all = await client.hgetall(states);
      return Object.entries(all).some(
        ([id, state]) => id.includes(`-${child.pid}.`) && !state.startsWith("live"),
      );
    });
    child.kill("SIGCONT");
    await underWay();
    await agrees(online);
  });
});

/** The master of a shard, and its replica. An earlier test may have changed their places. */
async function serversOf(shard: number): Promise<{ master: ClusterNode; replica: ClusterNode }> {
  const { totals } = keysOf(prefix, shard, SHARDS);
  for (const [i, one] of cluster.masters.entries()) {
    const other = cluster.replicas[i]!;
    // Both have the key.
    if ((await one.redis.keys(totals)).length === 0) continue;
    const isMaster = (await roleOf(one)) === "master";
    return isMaster ? { master: one, replica: other } : { master: other, replica: one };
  }
  throw new Error(`no master has shard ${shard}`);
}

async function roleOf({ redis }: ClusterNode): Promise<string> {
  return ((await redis.call("ROLE")) as string[])[0]!;
}

describe("the master of a shard, while its turn is held,", () => {
  const replaced = (node: ClusterNode) =>
    until("the replica is a master", async () => (await roleOf(node)) === "master");

  it("hands over to its replica", async () => {
    const online = await start();
    const { replica } = await serversOf(1);
    await replica.redis.call("CLUSTER", "FAILOVER");
    await replaced(replica);
    await underWay();
    await agrees(online);
  });

  it("is killed", async () => {
    const online = await start();
    const { master, replica } = await serversOf(2);
    process.kill(master.server.pid, "SIGKILL");
    await replaced(replica);
    await underWay();
    await agrees(online);
  });
});

it("a primary that becomes a replica, with its connections kept, and a primary again", async () => {
  await using first = await startRedis();
  await using second = await startRedis();
  const [old, other] = [new Redis(first.url), new Redis(second.url)];
  const online = listen(first.url, 1);
  await startBusy(first.url, 4, 1);
  await underWay(old, 1);
  await other.replicaof("127.0.0.1", first.port);
  await until("the replica is in step", async () =>
    (await other.info("replication")).includes("master_link_status:up"),
  );
  await other.replicaof("NO", "ONE");
  await old.replicaof("127.0.0.1", second.port);
  // Each is refused, and says so once.
  await until("all are refused", () => busy.every(({ errors }) => errors.length > 0));
  await old.replicaof("NO", "ONE");
  await underWay(old, 1);
  await agrees(online, old, 1);
  for (const { errors } of busy) expect(errors.length).toBeLessThanOrEqual(3);
  old.disconnect();
  other.disconnect();
});
