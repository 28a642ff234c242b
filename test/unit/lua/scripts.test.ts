/** Goal: the scripts in the package are those of the .lua files, and a server that lost them gets them again. */
import { execFileSync } from "node:child_process";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { project, verify } from "../../../src/lua/generated.ts";
import { operations, TestShard } from "../../../rig/shard.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

it("generated.ts is up to date", () => {
  execFileSync(process.execPath, ["scripts/build-lua.ts", "--check"], { stdio: "pipe" });
});

it("the hash is the one Redis computes", async () => {
  const redis = new Redis(server.url);
  for (const { text, sha1 } of [project, verify]) expect(await redis.script("LOAD", text)).toBe(sha1);
  await redis.quit();
});

it("after NOSCRIPT the text is sent, in the middle of work", async () => {
  const shard = new TestShard(server.url);
  await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
  await shard.step();
  await shard.redis.script("FLUSH");
  await shard.record({ process: "p", seq: 2, operations: operations("~alice"), sockets: 0 });
  expect(await shard.step()).toMatchObject({ operations: 1 });
  await shard.close();
});
