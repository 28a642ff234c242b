/** Goal: a tombstone that is forgotten within a call is forgotten for the rest of that call. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { TOMBSTONE_MS } from "../../../src/core/limits.ts";
import { TestShard } from "../../../rig/shard.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

it("replacing a process whose tombstone is due leaves a new tombstone, whether or not the call met it before", async () => {
  const shard = new TestShard(server.url);
  const about = { host: "h", pid: 1, version: "0", grace: 0 };
  for (const process of ["a1", "b1"]) await shard.record({ process, seq: 1, about, sockets: 0, bye: true });
  await shard.drain();
  shard.now += TOMBSTONE_MS + 1;
  // A late record of a1, of which the call takes note.
  await shard.record({ process: "a1", seq: 2, sockets: 0 });
  await shard.record({ process: "c1", seq: 1, about, sockets: 0, replaces: ["a1", "b1"] });
  await shard.drain();
  for (const id of ["a1", "b1"])
    expect(await shard.process(id)).toMatchObject({ state: "ended", cause: "replace" });
  // Late copies of their first records bring no user back.
  for (const process of ["a1", "b1"]) await shard.record({ process, seq: 1, about, sockets: 0 });
  await shard.drain();
  expect((await shard.process("a1")).state).toBe("ended");
  await shard.check();
  await shard.close();
});
