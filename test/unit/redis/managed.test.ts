/**
 * Goal: presence works on a managed service, which keeps the administration of Redis to itself.
 * Method: a Redis without the commands that such services take away, in the words of a Redis that does not know them.
 */
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { connect, startNode } from "../../../rig/node.ts";
import { untilEqual } from "../../../rig/until.ts";
import { createReader } from "../../../src/index.ts";

const TAKEN = [
  "CONFIG",
  "MEMORY",
  "CLIENT",
  "ACL",
  "KEYS",
  "DEBUG",
  "MONITOR",
  "COMMAND",
  "WAIT",
  "FLUSHALL",
];

it.each([2, 3] as const)("counts, events and a reader work with RESP%i", async (protocol) => {
  await using server = await startRedis({
    args: TAKEN.flatMap((name) => ["--rename-command", name, `taken-${name}`]),
  });
  const redis = new Redis(server.url, { protocol, lazyConnect: true });
  const node = await startNode({ redis, prefix: "managed" });
  const reader = createReader({ redis: server.url, prefix: "managed" });
  const alice = await connect(node.url, "alice");
  await untilEqual(async () => (await reader.counts()).users, 1);
  alice.disconnect();
  await untilEqual(async () => (await reader.counts()).users, 0);
  await untilEqual(() => [...node.heard], ["+alice connect", "-alice leave"]);
  expect(node.errors).toEqual([]);
  reader.close();
  await node.close();
  redis.disconnect();
});
