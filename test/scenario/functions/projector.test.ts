/**
 * Goal: a worker that can never project says why and ends with a code that its supervisor sees.
 * Method: functions/projector.ts as a process, on a real Redis that refuses it or that a newer version has written to.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { newPrefix } from "../../unit/http/support.ts";
import { start } from "./support.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

it("exits with 1 and the command that is missing, and for whom", async () => {
  await redis.call("ACL", "SETUSER", "worker", "reset", "on", ">a-password", "~*", "+@all", "-xgroup");
  const url = server.url.replace("redis://", "redis://worker:a-password@");
  await using entry = start("projector.ts", { REDIS_URL: url, ROLLCALL_PREFIX: newPrefix() });
  expect(await entry.ended).toBe(1);
  expect(entry.output()).toMatch(/PERMISSION: the Redis user "worker" may not run XGROUP/);
});

it("exits with 1 and both versions, beside a newer one", async () => {
  const prefix = newPrefix();
  await redis.hset(keysOf(prefix, 0, 1).totals, "protocol", "3", "shards", "1");
  await using entry = start("projector.ts", { REDIS_URL: server.url, ROLLCALL_PREFIX: prefix });
  expect(await entry.ended).toBe(1);
  expect(entry.output()).toMatch(/VERSION_MISMATCH: .*protocol 3.*protocol 2/);
});
