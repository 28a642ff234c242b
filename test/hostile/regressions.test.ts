/**
 * Goal: bugs found by hostile input stay fixed.
 * Method: the smallest history that shows each.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../rig/redis.ts";
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

it("INV-2: a wrong type at the states of processes loses none of the records that were read", async () => {
  await shard.redis.set(shard.keys.states, "not ours");
  await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
  await fails();
  await shard.redis.del(shard.keys.states);
  await shard.drain();
  expect(await shard.users()).toEqual({ alice: 1 });
});

it("INV-4: with a wrong type at `users`, no change is reported for a user who is not counted", async () => {
  await shard.redis.set(shard.keys.users, "not ours");
  await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
  await fails();
  await shard.redis.del(shard.keys.users);
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
  expect(await shard.totals()).toMatchObject({ users: "0", sockets: "0", connections: "0" });
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

it("INV-7: a call that has used up its budget takes no other user offline", async () => {
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
  // Two calls leave some of the log; then the clock goes back.
  await late.step();
  await late.step();
  late.now -= 10_000;
  for (const { records, operations: done, changes } of await late.drain()) {
    // Beyond its last record.
    expect(records + done + Math.max(0, changes - done)).toBeLessThan(budget + 101);
  }
  await late.check();
  await late.close();
});

it("INV-1: with a wrong type at `processes`, no second tab is counted twice", async () => {
  await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
  await shard.drain();
  await shard.record({ process: "p", seq: 2, operations: operations("+alice"), sockets: 2 });
  await shard.redis.rename(shard.keys.processes, "kept");
  await shard.redis.set(shard.keys.processes, "not ours");
  await fails();
  await fails();
  await shard.redis.rename("kept", shard.keys.processes);
  await shard.drain();
  expect(await shard.users()).toEqual({ alice: 2 });
  await shard.check();
});
