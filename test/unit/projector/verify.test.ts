/**
 * Goal: verify() finds what does not agree in `users`, `leaving`, `states` and the totals, mends it when asked, and finds
 * nothing in a healthy system that goes on meanwhile, however many processes it has.
 * Method: a real projection harmed by hand in every way it can be, then checked against the invariants.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import type { WritePort } from "../../../src/redis/port.ts";
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
  // Slot 3 was its own, and is nobody's from now on.
  await shard.record({ process: "gone", seq: 1, sockets: 0, bye: true });
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
  expect(report).toMatchObject({ differences: 0, examples: [], repaired: false, busy: 0, complete: true });
  expect(report.checked).toBe(4);
});

/** The harm was done behind the back of `changes`, so its history starts anew for check(). */
async function startHistoryAnew(): Promise<void> {
  const users = Object.keys(await shard.users());
  await shard.redis.del(shard.keys.changes);
  await shard.redis.xadd(shard.keys.changes, "*", "connect", JSON.stringify(users));
}

it.each([
  ["a slot of nobody", "alice", "99", { name: "alice", found: 1, expected: 0 }],
  ["a slot of one that is gone", "alice", "1,3,2", { name: "alice", found: 3, expected: 2 }],
  ["a slot of nobody beside others", "alice", "1,99*4,2", { name: "alice", found: 6, expected: 2 }],
  ["a ghost", "ghost", "99", { name: "ghost", found: 1, expected: 0 }],
  ["a value that is none", "bob", "many", { name: "bob", found: null, expected: 0 }],
  ["half a value", "bob", "1,", { name: "bob", found: null, expected: 1 }],
  ["a count below one", "bob", "1*0", { name: "bob", found: null, expected: 0 }],
  ["a slot twice", "bob", "1,1", { name: "bob", found: null, expected: 1 }],
] as const)("finds and mends %s, and the totals with it", async (_, user, value, difference) => {
  await shard.redis.hset(shard.keys.users, user, value);
  const found = await shard.projector.verify();
  expect(found.examples).toContainEqual({ ...difference, of: "user", shard: 0 });
  expect(found).toMatchObject({ repaired: false, busy: 0 });
  expect(await shard.redis.hget(shard.keys.users, user)).toBe(value);
  expect(await shard.projector.verify({ repair: true })).toMatchObject({ repaired: true, busy: 0 });
  expect((await shard.projector.verify()).examples.filter(({ of }) => of !== "process")).toEqual([]);
  // A process from whom something was taken is fenced, and registers again.
  await settle();
  expect(await shard.users()).toEqual({ alice: 2, bob: 1, carol: 1 });
  expect(await shard.projector.verify()).toMatchObject({ differences: 0, busy: 0 });
  await startHistoryAnew();
});

/** Both processes register again, as recorders do that find themselves fenced; the graces end. */
async function settle(): Promise<void> {
  await shard.record({
    process: "p2",
    seq: 1,
    ttl: 600_000,
    operations: operations("+alice", "+bob", "+"),
    sockets: 3,
    connections: 3,
    replaces: ["p"],
  });
  await shard.record({
    process: "q2",
    seq: 1,
    ttl: 600_000,
    operations: operations("+alice", "+carol"),
    sockets: 2,
    replaces: ["q"],
  });
  await shard.drain();
  shard.now += 6_000;
  await shard.drain();
}

it("finds and mends a grace without end, and an entry of `leaving` that is nobody's", async () => {
  await shard.redis.zrem(shard.keys.leaving, "dave");
  await shard.redis.zadd(shard.keys.leaving, 5_000_000, "alice", 6_000_000, "nobody");
  const { examples } = await shard.projector.verify();
  expect(examples).toEqual(
    expect.arrayContaining([
      { of: "grace", name: "dave", shard: 0, found: 0, expected: 1 },
      { of: "grace", name: "alice", shard: 0, found: 1, expected: 0 },
      { of: "grace", name: "nobody", shard: 0, found: 1, expected: 0 },
    ]),
  );
  await shard.projector.verify({ repair: true });
  expect((await shard.told()).at(-1)).toBe("-dave repair");
  expect(await shard.users()).toEqual({ alice: 2, bob: 1, carol: 1 });
  expect(await shard.projector.verify()).toMatchObject({ differences: 0 });
});

it("finds and mends the totals", async () => {
  await shard.redis.hset(shard.keys.totals, "users", 99, "sockets", -3, "connections", 1000, "graced", 7);
  const { examples } = await shard.projector.verify({ repair: true });
  expect(examples).toEqual([
    { name: "users", of: "total", shard: 0, found: 99, expected: 4 },
    { name: "graced", of: "total", shard: 0, found: 7, expected: 1 },
    { name: "sockets", of: "total", shard: 0, found: -3, expected: 5 },
    { name: "connections", of: "total", shard: 0, found: 1000, expected: 5 },
  ]);
  expect(await shard.projector.verify()).toMatchObject({ differences: 0 });
});

it("fences a process whose sum differs, which ends by its lease and takes what is named after it along", async () => {
  await shard.redis.hset(shard.keys.users, "carol", "2*3");
  const difference = { name: "q", of: "process", shard: 0, found: 4, expected: 2 };
  expect(await shard.projector.verify()).toMatchObject({ differences: 1, examples: [difference] });
  expect((await shard.process("q")).state).toBe("live");
  expect(await shard.projector.verify({ repair: true })).toMatchObject({ differences: 1, repaired: true });
  const { state, about } = await shard.process("q");
  expect([state, about["reason"]]).toEqual(["fenced", "verify: 4 sockets in users, 2 in states"]);
  expect((await shard.totals())["fenced"]).toBe("1");
  // It does not hear of it, and dies: on the clock of Redis, from the fence on.
  await shard.record({ process: "p", seq: 3, ttl: 3_600_000, sockets: 3 });
  shard.now = Date.now();
  await shard.drain();
  shard.now += 3 * 10_000 + 1_000;
  await shard.record({ process: "r", seq: 1, operations: operations("+bob"), sockets: 1 });
  await shard.drain();
  expect(await shard.users()).toMatchObject({ bob: 1 });
  expect(Object.keys(await shard.users())).not.toContain("carol");
});

it("compares no sums of a shard that never rests: it says so, and fences nobody", async () => {
  await shard.redis.hset(shard.keys.users, "carol", "2*3");
  const port = ioredisPort(shard.redis);
  let seq = 2;
  const restless: WritePort = {
    pipeline: (commands) => port.pipeline(commands),
    async call(command) {
      const reply = await port.call(command);
      await shard.record({ process: "p", seq: ++seq, sockets: 3 });
      shard.now += 1;
      await shard.step();
      return reply;
    },
  };
  const busy = projectorOver(restless, { prefix: shard.prefix });
  expect(await busy.verify({ repair: true })).toMatchObject({ busy: 1, differences: 0, complete: true });
  expect((await shard.process("q")).state).toBe("live");
  await shard.redis.hset(shard.keys.users, "carol", "2");
});

it("removes nobody from 3,000 processes", async () => {
  const big = new TestShard(server.url);
  for (let i = 0; i < 3_000; i++) {
    const own = operations(`+user-${i}`, `+user-${i + 1}`);
    await big.record({ process: `p${i}`, seq: 1, ttl: 600_000, operations: own, sockets: 2, connections: 2 });
  }
  await big.drain();
  // Every third goes, and leaves a gap in the slots.
  for (let i = 0; i < 3_000; i += 3) {
    const own = operations(`~user-${i}`, `~user-${i + 1}`);
    await big.record({
      process: `p${i}`,
      seq: 2,
      ttl: 600_000,
      operations: own,
      sockets: 0,
      connections: 0,
      bye: true,
    });
  }
  await big.drain();
  const before = await big.users();
  expect(Object.keys(before).length).toBe(3_000);
  expect(await big.projector.verify({ repair: true })).toMatchObject({
    checked: 3_000,
    differences: 0,
    repaired: false,
    busy: 0,
  });
  expect(await big.users()).toEqual(before);
  expect((await big.totals())["sockets"]).toBe("4000");
  await big.check();
  await big.close();
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
  await shard.redis.rename(shard.keys.leaving, "kept");
  await shard.redis.set(shard.keys.leaving, "not ours");
  await expect(shard.projector.verify()).rejects.toMatchObject({ code: "REDIS_TYPE" });
  await shard.redis.rename("kept", shard.keys.leaving);
});
