/**
 * Goal: an idle sweep costs a look of two commands, and a look never hides work: INV-5 holds for any clock of the sweeper, after
 * any earlier sweep that was killed, and for values it cannot read.
 * Method: the real script over a port that records what is sent; the test controls Redis's clock and the sweeper's.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { type Projector, projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import type { WritePort } from "../../../src/redis/port.ts";
import { operations, TestShard } from "../../../rig/shard.ts";

const HOUR_MS = 3_600_000;

let server: RedisServer;
let shard: TestShard;
/** What was sent, request by request. */
let sent: string[][];
/** The clock of the sweeper's machine is ahead by this, ms. */
let ahead: number;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  shard = new TestShard(server.url);
  shard.now = 2 * HOUR_MS;
  sent = [];
  ahead = 0;
});
afterEach(async () => {
  await shard.check();
  await shard.close();
});

function noting(port: WritePort): WritePort {
  return {
    call: (command) => (sent.push([command[0]]), port.call(command)),
    pipeline: (commands) => (sent.push(commands.map(([name]) => name)), port.pipeline(commands)),
  };
}

/** One that knows nothing yet, as in a function that has just been started. */
const sweeper = (budget?: number): Projector =>
  projectorOver(
    noting(ioredisPort(shard.redis)),
    { prefix: shard.prefix, budget },
    { now: () => shard.now, clock: () => shard.now + ahead },
  );

const LOOK = ["HMGET", "XLEN"];

async function alice(ttl: number): Promise<void> {
  await shard.record({ process: "p", seq: 1, ttl, operations: operations("+alice"), sockets: 1 });
  await shard.drain();
}

it("costs a look while there is no lease, whatever the clocks say", async () => {
  await shard.drain();
  for (ahead of [0, HOUR_MS, -HOUR_MS]) {
    expect(await sweeper().sweep()).toMatchObject({ idle: true, due: null, calls: 0, requests: 1 });
  }
  expect(sent).toEqual([LOOK, LOOK, LOOK]);
});

it("costs a look while no deadline has come, and then reaps", async () => {
  await alice(20_000);
  const own = sweeper();
  await own.step();
  sent = [];
  shard.now += 19_999;
  expect(await own.sweep()).toMatchObject({ idle: true, due: shard.now + 1, calls: 0 });
  expect(sent).toEqual([LOOK]);
  shard.now += 1;
  expect(await own.sweep()).toMatchObject({
    idle: true,
    due: shard.now + HOUR_MS,
    calls: 1,
    reaped: 1,
    changes: 1,
  });
});

it("trusts the clock of an unknown machine up to a minute", async () => {
  await alice(120_000);
  shard.now += 59_999;
  expect(await sweeper().sweep()).toMatchObject({ calls: 0, due: shard.now + 60_001 });
  shard.now += 1;
  expect(await sweeper().sweep()).toMatchObject({ calls: 1, reaped: 0 });
});

it.each([-HOUR_MS, -100_000, -30_000, 30_000, HOUR_MS])(
  "INV-5: on a machine whose clock is %i ms ahead, one that comes every 15 s reaps in time",
  async (skew) => {
    ahead = skew;
    await alice(90_000);
    const end = shard.now + 90_000;
    while ((await shard.users())["alice"] !== undefined) {
      expect(shard.now).toBeLessThan(end + 15_000);
      shard.now += 15_000;
      await sweeper().sweep();
    }
    expect(shard.now).toBeGreaterThanOrEqual(end);
  },
);

it("INV-5: when Redis's clock goes back, a lease gets longer by at most the time without a projector", async () => {
  await alice(90_000);
  shard.now += 20_000 - HOUR_MS;
  ahead += HOUR_MS;
  const began = shard.now;
  while ((await shard.users())["alice"] !== undefined) {
    expect(shard.now - began).toBeLessThan(90_000 + 15_000);
    shard.now += 15_000;
    await sweeper().sweep();
  }
});

it("finishes the reaping of a sweep that was killed half-way", async () => {
  const users = Array.from({ length: 1_000 }, (_, i) => `+u${i}`);
  for (let seq = 1; seq <= 10; seq++) {
    const own = users.slice((seq - 1) * 100, seq * 100);
    await shard.record({ process: "p", seq, operations: operations(...own), sockets: seq * 100 });
  }
  await shard.drain();
  shard.now += 10_000;
  // One call, and then nobody: no lease is left, no record, and 900 users of a dead process.
  expect(await sweeper(200).step()).toMatchObject({ reaped: 1, more: true });
  expect(await sweeper().sweep()).toMatchObject({ idle: true, changes: expect.any(Number) as number });
  expect(await shard.users()).toEqual({});
});

it("calls the script when there is a record, and on a prefix that was never projected", async () => {
  expect(await sweeper().sweep()).toMatchObject({ calls: 1 });
  await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
  expect(await sweeper().sweep()).toMatchObject({ calls: 1, records: 1 });
});

it("leaves unreadable values and another number of shards to the script", async () => {
  await shard.drain();
  await shard.redis.hset(shard.keys.totals, "shards", "4");
  await expect(sweeper().sweep()).rejects.toMatchObject({ code: "SHARDS_MISMATCH" });
  await shard.redis.hset(shard.keys.totals, "shards", "1");
  await shard.redis.del(shard.keys.records);
  await shard.redis.set(shard.keys.records, "of somebody else");
  await expect(sweeper().sweep()).rejects.toMatchObject({ code: "REDIS_TYPE" });
});

it("uses its only request for a step", async () => {
  await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
  await sweeper().sweep({ budget: { requests: 1 } });
  expect(await shard.users()).toEqual({ alice: 1 });
});

it("a server that forgets its scripts does not turn one request into many", async () => {
  for (let seq = 1; seq <= 2_000; seq++) {
    await shard.record({ process: "p", seq, operations: operations("+alice"), sockets: seq });
  }
  const port = ioredisPort(shard.redis);
  let requests = 0;
  const forgetful: WritePort = {
    call: (command) => (requests++, port.call(command)),
    async pipeline(commands) {
      requests++;
      // Before many calls in one request.
      if (commands.length >= 4) await shard.redis.script("FLUSH");
      return port.pipeline(commands);
    },
  };
  const options = { prefix: shard.prefix, budget: 200 };
  const internals = { now: () => shard.now };
  const summary = await projectorOver(forgetful, options, internals).sweep({ budget: { requests: 20 } });
  expect(summary).toMatchObject({ requests, idle: false });
  expect(requests).toBeLessThanOrEqual(22);
  expect(summary.left.records).toBe(2_000 - summary.records);
  while (!(await projectorOver(port, options, internals).sweep()).idle);
  expect(await shard.users()).toEqual({ alice: 2_000 });
});

it("users whose processes are gone without a trace are forgotten, although nothing is due", async () => {
  // As the ids of `changes` have it: a call that trims compares everything anyway.
  shard.now = Date.now();
  await alice(10_000);
  await shard.redis.del(shard.keys.processes);
  // So soon after the last comparison that this call makes none; it finds nobody whose lease could end.
  shard.now += 500;
  await shard.record({ process: "q", seq: 1, ttl: 10_000, operations: [], sockets: 0 });
  await shard.drain();
  await shard.record({ process: "q", seq: 2, ttl: 10_000, bye: true, operations: [], sockets: 0 });
  await shard.drain();
  expect(await shard.redis.hget(shard.keys.totals, "due")).toBe("-1");
  expect(await shard.redis.hlen(shard.keys.users)).toBe(1);
  shard.now += 2_000;
  await sweeper().sweep();
  expect(await shard.redis.hlen(shard.keys.users)).toBe(0);
});
