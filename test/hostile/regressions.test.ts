/**
 * Goal: bugs that hostile input once showed stay mended.
 * Method: the smallest history that showed each.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../packages/local-redis/src/index.ts";
import { operations, TestShard } from "../../rig/shard.ts";

let server: RedisServer;
let shard: TestShard;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  shard = new TestShard(server.url);
});
afterEach(() => shard.close());

async function fails(): Promise<void> {
  await expect(shard.step()).rejects.toMatchObject({ code: "REDIS_TYPE" });
}

it("INV-2: a wrong type at a process's hash loses none of the records that were read", async () => {
  await shard.redis.set(shard.keys.process("p"), "not ours");
  await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
  await fails();
  await shard.redis.del(shard.keys.process("p"));
  await shard.drain();
  expect(await shard.users()).toEqual({ alice: 1 });
});

it("INV-4: a wrong type at the users of a process tells nobody who is not counted", async () => {
  await shard.redis.set(shard.keys.processUsers("p"), "not ours");
  await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
  await fails();
  await shard.redis.del(shard.keys.processUsers("p"));
  await shard.drain();
  expect(await shard.users()).toEqual({ alice: 1 });
  await shard.check();
});

it("INV-1: calls that fail while a process is reaped leave the totals right", async () => {
  await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1, connections: 1 });
  await shard.drain();
  await shard.redis.rename(shard.keys.changes, "kept");
  await shard.redis.set(shard.keys.changes, "not ours");
  shard.now += 10_000;
  await fails();
  await fails();
  await shard.redis.rename("kept", shard.keys.changes);
  await shard.drain();
  expect(await shard.totals()).toMatchObject({ users: "0", connections: "0", reaped: "1" });
});

it("a record that names `<process>:users` as a process is rejected", async () => {
  await shard.record({ process: "p", seq: 1, operations: operations("+state", "+alice"), sockets: 2 });
  await shard.record({ process: "q", seq: 1, replaces: ["p:users"], sockets: 0 });
  await shard.drain();
  await shard.record({ process: "q", seq: 2, replaces: ["p:users"], sockets: 0 });
  shard.now += 20_000;
  await shard.drain();
  expect(await shard.users()).toEqual({});
});

it("INV-6: leases move back once when the clock went back, however many calls fail", async () => {
  await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
  await shard.drain();
  await shard.redis.rename(shard.keys.changes, "kept");
  await shard.redis.set(shard.keys.changes, "not ours");
  await shard.record({ process: "q", seq: 1, operations: operations("+bob"), sockets: 1 });
  shard.now -= 3_000;
  for (let i = 0; i < 5; i++) await fails();
  await shard.redis.del(shard.keys.changes);
  await shard.redis.rename("kept", shard.keys.changes);
  await shard.drain();
  expect(await shard.users()).toEqual({ alice: 1, bob: 1 });
});

it("INV-7: a call that has used up its budget takes nobody else offline", async () => {
  const budget = 2000;
  const late = new TestShard(server.url, { budget });
  const about = { host: "h", pid: 1, version: "0", grace: 1000 };
  let seq = 0;
  let sockets = 0;
  async function hundred(name: string, sign: "+" | "-"): Promise<void> {
    sockets += sign === "+" ? 100 : -100;
    const users = Array.from({ length: 100 }, (_, i) => `${sign}${name}-${i}`);
    const record = { process: "p", seq: ++seq, ttl: 3_600_000, about, sockets };
    await late.record({ ...record, operations: operations(...users) });
  }
  for (let i = 0; i < 36; i++) await hundred(`u${i}`, "+");
  await late.drain();
  for (let i = 0; i < 30; i++) await hundred(`u${i}`, "-");
  late.now += 20_000;
  for (let i = 30; i < 36; i++) await hundred(`u${i}`, "-");
  for (let i = 0; i < 20; i++) await hundred(`v${i}`, "+");
  // Two calls leave 18 records in the log; then the clock goes back.
  await late.step();
  await late.step();
  late.now -= 10_000;
  const { records, operations: done, changes } = await late.step();
  await late.close();
  expect(records).toBe(18);
  expect(records + done + (changes - done)).toBeLessThanOrEqual(budget);
});
