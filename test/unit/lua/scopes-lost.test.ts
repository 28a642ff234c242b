/**
 * Goal: a rebuild leaves nothing of scopes behind, whichever key was lost, and a scope whose members are lost is found
 * (docs/protocol.md, "Level checks").
 * Method: a process with an anonymous socket in a namespace and a user in a room too; one key is deleted by hand.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { readScopes } from "../../../rig/scopes.ts";
import { TestShard } from "../../../rig/shard.ts";
import { scopeKey } from "../../../src/core/keys.ts";

let server: RedisServer;
let shard: TestShard;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  shard = new TestShard(server.url);
  await shard.record({
    process: "p",
    seq: 1,
    about: { host: "h", pid: 1, version: "0", grace: 0, tracks: ["/", "/,*"] },
    connect: ["alice"],
    anonymous: 1,
    sockets: 2,
    join: [
      ["/anonymous", ""],
      ["/,room", "alice"],
    ],
    memberships: 2,
  });
  await shard.drain();
  await shard.check();
});
afterEach(async () => {
  await shard.redis.flushdb();
  await shard.close();
});

it.each(["users", "totals", "processes", "states", "about"] as const)(
  "after the key %s is lost no key of a scope or of memberships remains",
  async (name) => {
    await shard.redis.del(shard.keys[name]);
    expect((await shard.step({ check: true })).rebuilt).toBe(true);
    await shard.drain();
    const { scores, hashes, memberships } = await readScopes(shard.redis, shard.keys);
    expect({ scores, hashes, memberships }).toEqual({ scores: {}, hashes: {}, memberships: {} });
    await shard.check();
  },
);

it("nor after the leases are lost and one process has renewed its own", async () => {
  await shard.record({
    process: "q",
    seq: 1,
    about: { host: "h", pid: 2, version: "0", grace: 0, tracks: [] },
    sockets: 0,
    memberships: 0,
  });
  await shard.drain();
  await shard.redis.del(shard.keys.processes);
  await shard.record({ process: "q", seq: 2, sockets: 0, memberships: 0 });
  await shard.step();
  expect((await shard.step({ check: true })).rebuilt).toBe(true);
  await shard.drain();
  expect((await readScopes(shard.redis, shard.keys)).memberships).toEqual({});
});

it.each(["/anonymous", "/,room"])("lost members of %s are noticed at the next level check", async (scope) => {
  await shard.redis.del(scopeKey(shard.keys, scope));
  expect((await shard.step({ check: true })).rebuilt).toBe(true);
});

it.each(["/anonymous", "/,room"])("lost members of %s are noticed by a call that uses it", async (scope) => {
  await shard.redis.del(scopeKey(shard.keys, scope));
  await shard.record({ process: "p", seq: 2, sockets: 2, join: [[scope, "alice"]], memberships: 3 });
  expect((await shard.step()).rebuilt).toBe(true);
});
