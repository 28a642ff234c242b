/**
 * Goal: on a Redis Cluster, the users that `rollcall acl --cluster` prints do their work, and need what it adds.
 * Method: a real cluster; the log of the ACLs of each node.
 */
import { Cluster } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { connect, startNode } from "../../rig/node.ts";
import { type RedisCluster, startRedisCluster } from "../../rig/redis-cluster.ts";
import { untilEqual } from "../../rig/until.ts";
import { type AclOptions, aclRules } from "../../src/core/access.ts";
import { createReader } from "../../src/reader/create.ts";
import { versionOf } from "../unit/access/support.ts";

const prefix = "acl-test";
const shards = 3;
const PASSWORD = "a-password-for-this-test";

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.stop());
beforeEach(() => denied());

async function as(options: Pick<AclOptions, "role" | "cluster">, change: readonly string[] = []): Promise<Cluster> {
  const redis = await versionOf(cluster.masters[0]!.redis);
  const rules = aclRules({ prefix, shards, redis, ...options });
  for (const { redis: node } of cluster.masters)
    await node.call("ACL", "SETUSER", options.role, ...rules, `>${PASSWORD}`, ...change);
  // Rollcall opens its own connections; this client never connects.
  return new Cluster(cluster.nodes, { lazyConnect: true, redisOptions: { username: options.role, password: PASSWORD } });
} // prettier-ignore

/** What the nodes have refused since the last call. */
async function denied(): Promise<string[]> {
  const found = new Set<string>();
  for (const { redis } of cluster.masters) {
    for (const entry of (await redis.call("ACL", "LOG")) as unknown[][]) found.add(String(entry[7]));
    await redis.call("ACL", "LOG", "RESET");
  }
  return [...found].filter((name) => !/setinfo/i.test(name));
}

it("a server counts and hears on all masters, and nothing is refused", async () => {
  const redis = await as({ role: "projecting-server", cluster: true });
  await using node = await startNode({ redis, prefix, shards });
  const users = Array.from({ length: 12 }, (_, i) => `user-${i}`);
  const sockets = await Promise.all(users.map((user) => connect(node.url, user)));
  await untilEqual(() => node.heard.length, 12);
  expect(await node.presence.counts()).toMatchObject({ users: 12 });
  for (const socket of sockets) socket.disconnect();
  await untilEqual(async () => (await node.presence.counts()).users, 0);
  await node.close();
  expect(await denied()).toEqual([]);
});

it("a reader needs CLUSTER SLOTS and CLUSTER INFO", async () => {
  const reader = createReader({ redis: await as({ role: "reader", cluster: true }), prefix, shards });
  expect(await reader.counts()).toMatchObject({ users: 0 });
  reader.close();
  expect(await denied()).toEqual([]);
  for (const name of ["cluster|slots", "cluster|info"]) {
    const redis = await as({ role: "reader", cluster: true }, [`-${name}`]);
    const lacking = createReader({ redis, prefix, shards });
    await lacking.counts().catch(() => {});
    lacking.close();
    expect(await denied()).toEqual([name]);
  }
  const redis = await as({ role: "reader" });
  const without = createReader({ redis, prefix, shards });
  await expect(without.counts()).rejects.toMatchObject({ message: expect.stringContaining("NOPERM") });
  without.close();
});
