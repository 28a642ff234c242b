/**
 * Goal: verify() finds every difference between `users`, the totals and the per-process counts, repairs it on request, and finds
 * none in a healthy system that is running meanwhile.
 * Method: a real projection damaged by hand in every possible way, then checked against the invariants.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import { operations, TestShard } from "../../../rig/shard.ts";

let server: RedisServer;
let shard: TestShard;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  shard = new TestShard(server.url);
  const about = { host: "h", pid: 1, version: "0", grace: 5000 };
  await shard.record({
    process: "p",
    seq: 1,
    about,
    operations: operations("+alice", "+bob", "+dave", "+"),
    sockets: 4,
    connections: 4,
  });
  await shard.record({
    process: "q",
    seq: 1,
    operations: operations("+alice", "+carol"),
    sockets: 2,
    connections: 1,
  });
  // In a call of its own: who comes and goes within one call was never there.
  await shard.drain();
  await shard.record({ process: "p", seq: 2, operations: operations("-dave"), sockets: 3 });
  await shard.drain();
});
afterEach(async () => {
  await shard.check();
  await shard.close();
});

it("finds nothing in a healthy projection", async () => {
  const report = await shard.projector.verify();
  expect(report).toMatchObject({ differences: 0, examples: [], repaired: false, complete: true });
  expect(report.checked).toBeGreaterThanOrEqual(4);
});

it.each([
  [
    "a count too high",
    () => shard.redis.hset(shard.keys.users, "alice", 7),
    { name: "alice", found: 7, expected: 2 },
  ],
  [
    "a count too low",
    () => shard.redis.hset(shard.keys.users, "alice", 1),
    { name: "alice", found: 1, expected: 2 },
  ],
  [
    "a negative count",
    () => shard.redis.hset(shard.keys.users, "bob", -1),
    { name: "bob", found: -1, expected: 1 },
  ],
  ["a ghost", () => shard.redis.hset(shard.keys.users, "ghost", 1), { name: "ghost", found: 1, expected: 0 }],
  [
    "a user missing",
    () => shard.redis.hdel(shard.keys.users, "carol"),
    { name: "carol", found: null, expected: 1 },
  ],
  [
    "a user in grace for ever",
    () => shard.redis.zrem(shard.keys.leaving, "dave"),
    { name: "dave", found: 0, expected: 0 },
  ],
] as const)("finds and repairs %s, and reports the resulting changes", async (_, harm, difference) => {
  await harm();
  const found = await shard.projector.verify();
  expect(found.examples).toContainEqual({ ...difference, of: "user", shard: 0 });
  expect(found.repaired).toBe(false);
  const mended = await shard.projector.verify({ repair: true });
  expect(mended.repaired).toBe(true);
  expect(await shard.projector.verify()).toMatchObject({ differences: 0 });
  // The harm was done behind the back of `changes`, so its history starts anew for check().
  await shard.redis.del(shard.keys.changes);
  const users = Object.keys(await shard.users());
  await shard.redis.xadd(
    shard.keys.changes,
    "*",
    "cause",
    "connect",
    ...users.flatMap((id) => ["online", id]),
  );
});

it("finds and repairs the totals", async () => {
  await shard.redis.hset(shard.keys.totals, "users", 99, "sockets", -3, "connections", 1000);
  const { examples } = await shard.projector.verify({ repair: true });
  expect(examples).toEqual([
    { name: "users", of: "total", shard: 0, found: 99, expected: 4 },
    { name: "sockets", of: "total", shard: 0, found: -3, expected: 5 },
    { name: "connections", of: "total", shard: 0, found: 1000, expected: 5 },
  ]);
  expect(await shard.projector.verify()).toMatchObject({ differences: 0 });
});

it("reports a repaired user's change with the cause `repair`", async () => {
  await shard.redis.hset(shard.keys.users, "bob", 0);
  await shard.redis.hdel(shard.keys.processUsers("p"), "bob");
  await shard.redis.hset(shard.keys.process("p"), "sockets", 2);
  await shard.projector.verify({ repair: true });
  expect((await shard.told()).at(-1)).toBe("-bob repair");
});

it("is exact and bounded while the system runs, and ends when the signal fires", async () => {
  for (let p = 0; p < 20; p++) {
    const users = Array.from({ length: 100 }, (_, i) => `+u${(p * 37 + i) % 900}`);
    await shard.record({ process: `m${p}`, seq: 1, operations: operations(...users), sockets: 100 });
  }
  await shard.drain();
  let seq = 1;
  const stop = new AbortController();
  const churn = (async () => {
    while (!stop.signal.aborted) {
      seq++;
      await shard.record({
        process: "m0",
        seq,
        operations: operations(`${seq % 2 === 0 ? "~" : "+"}u0`),
        sockets: seq % 2 === 0 ? 99 : 100,
      });
      await shard.step();
    }
  })();
  for (let i = 0; i < 5; i++)
    expect(await shard.projector.verify({ repair: true })).toMatchObject({ differences: 0 });
  stop.abort();
  await churn;
  expect(await shard.projector.verify({ signal: AbortSignal.abort() })).toMatchObject({
    complete: false,
    checked: 0,
  });
});

it("names a key of another type", async () => {
  await shard.redis.rename(shard.keys.processUsers("q"), "kept");
  await shard.redis.set(shard.keys.processUsers("q"), "not ours");
  await expect(shard.projector.verify()).rejects.toMatchObject({
    code: "REDIS_TYPE",
    message: expect.stringContaining(shard.keys.processUsers("q")),
  });
  await shard.redis.rename("kept", shard.keys.processUsers("q"));
});
