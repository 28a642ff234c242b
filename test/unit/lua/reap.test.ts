/**
 * Goal: users go offline when they should: leases, goodbyes, replacement, grace (docs/protocol.md, "Reaping" and "Grace").
 * Method: records with chosen ids and a chosen clock against the real script; the invariants are checked at every end.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { operations, TestShard } from "../../../rig/shard.ts";

let server: RedisServer;
let shard: TestShard;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  shard = new TestShard(server.url);
});
afterEach(async () => {
  await shard.check();
  await shard.close();
});

const withGrace = (grace: number) => ({ host: "h", pid: 1, version: "0", grace });

describe("a lease", () => {
  it("INV-5: that expired takes the users of its process offline, at once and for good", async () => {
    await shard.record({
      process: "p",
      seq: 1,
      about: withGrace(5000),
      operations: operations("+alice", "+bob", "+"),
      sockets: 3,
      connections: 3,
    });
    await shard.record({
      process: "q",
      seq: 1,
      ttl: 60_000,
      operations: operations("+alice"),
      sockets: 1,
      connections: 1,
    });
    await shard.drain();
    shard.now += 9_999;
    expect((await shard.drain()).at(-1)).toMatchObject({ reaped: 0, due: shard.now + 1 });
    shard.now += 1;
    expect((await shard.drain()).at(-1)).toMatchObject({ reaped: 1, givenBack: 2, changes: 1 });
    expect(await shard.users()).toEqual({ alice: 1 });
    expect((await shard.told()).at(-1)).toBe("-bob reap");
    expect(await shard.totals()).toMatchObject({ users: "1", sockets: "1", connections: "1", reaped: "1" });
    expect(await shard.process("p")).toMatchObject({ state: "ended", cause: "reap" });
    expect(await shard.redis.zrange(shard.keys.processes, "0", "-1")).toEqual(["2:q"]);
    expect(Number(await shard.redis.zscore(shard.keys.ended, "p"))).toBe(shard.now + 3_600_000);
  });

  it("INV-6: that was renewed by a record still in the log is not reaped, however late the projector comes", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.drain();
    shard.now += 9_000;
    await shard.record({ process: "p", seq: 2, sockets: 1 });
    shard.now += 9_000;
    expect((await shard.drain()).at(-1)).toMatchObject({ reaped: 0, due: shard.now + 1_000 });
    expect(await shard.users()).toEqual({ alice: 1 });
  });

  it("never moves back", async () => {
    await shard.record({ process: "p", seq: 1, ttl: 60_000, sockets: 0 });
    await shard.drain();
    await shard.record({ process: "p", seq: 2, ttl: 1_000, sockets: 0 });
    expect((await shard.drain()).at(-1)).toMatchObject({ due: shard.now + 60_000 });
  });

  it("starts at the clock, not at a stream id that is ahead of it", async () => {
    const at = shard.now;
    shard.now = at + 3_600_000;
    await shard.record({ process: "p", seq: 1, sockets: 0 });
    shard.now = at;
    expect((await shard.drain()).at(-1)).toMatchObject({ due: at + 10_000 });
  });

  it("is kept while reaping is held, and reported as held", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.drain();
    shard.now += 20_000;
    expect(await shard.step({ reap: false })).toMatchObject({
      reaped: 0,
      held: 1,
      more: false,
      due: shard.now - 10_000,
    });
    expect(await shard.users()).toEqual({ alice: 1 });
    expect(await shard.step()).toMatchObject({ reaped: 1 });
  });

  it("A8: of a fenced process is three times its own, and its heartbeats do not renew it", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.record({ process: "p", seq: 3, sockets: 1 });
    await shard.drain();
    for (let seq = 4; seq <= 8; seq++) {
      shard.now += 5_000;
      await shard.record({ process: "p", seq, sockets: 1 });
      await shard.drain();
      expect(await shard.users()).toEqual({ alice: 1 });
    }
    shard.now += 4_999;
    await shard.record({ process: "p", seq: 9, sockets: 1 });
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1 });
    shard.now += 1;
    expect((await shard.drain()).at(-1)).toMatchObject({ reaped: 1 });
    expect(await shard.users()).toEqual({});
  });
});

describe("a large process", () => {
  it("INV-7: is removed over many calls, none above the budget, no user twice", async () => {
    const big = new TestShard(server.url, { budget: 1000 });
    const size = 20_000;
    let sockets = 0;
    for (let seq = 1; seq <= size / 100; seq++) {
      sockets += 100;
      const users = Array.from({ length: 100 }, (_, i) => `+user-${(seq - 1) * 100 + i}`);
      await big.record({ process: "p", seq, operations: operations(...users), sockets });
    }
    await big.record({
      process: "q",
      seq: 1,
      ttl: 60_000,
      operations: operations("+user-5", "+other"),
      sockets: 2,
    });
    await big.drain();
    big.now += 10_000;
    const results = await big.drain();
    expect(results.length).toBeGreaterThan(size / 1000);
    for (const { givenBack } of results) expect(givenBack).toBeLessThanOrEqual(1000);
    expect(results.reduce((sum, { givenBack }) => sum + givenBack, 0)).toBe(size);
    expect(results.reduce((sum, { reaped }) => sum + reaped, 0)).toBe(1);
    expect(await big.users()).toEqual({ "user-5": 1, other: 1 });
    await big.check();
    await big.close();
  });

  it("can register under another id while its users are removed", async () => {
    const big = new TestShard(server.url, { budget: 500 });
    let sockets = 0;
    for (let seq = 1; seq <= 30; seq++) {
      sockets += 100;
      await big.record({
        process: "p",
        seq,
        operations: Array.from({ length: 100 }, (_, i) => ({ op: "connect", user: `u${seq}-${i}` })),
        sockets,
      });
    }
    await big.drain();
    big.now += 10_000;
    expect(await big.step()).toMatchObject({ more: true });
    sockets = 0;
    for (let seq = 1; seq <= 30; seq++) {
      sockets += 100;
      await big.record({
        process: "p2", seq, sockets,
        operations: Array.from({ length: 100 }, (_, i) => ({ op: "connect", user: `u${seq}-${i}` })),
        ...(seq === 30 && { replaces: ["p"] }),
      }); // prettier-ignore
      await big.step();
      await big.check();
    }
    await big.drain();
    expect(Object.keys(await big.users()).length).toBe(3000);
    expect(await big.totals()).toMatchObject({ users: "3000", sockets: "3000" });
    await big.check();
    await big.close();
  });
});

describe("many processes", () => {
  it("INV-7: that end at once are all removed, a bounded number per call", async () => {
    const small = new TestShard(server.url, { budget: 100 });
    for (let i = 0; i < 150; i++)
      await small.record({ process: `p${i}`, seq: 1, operations: operations(`+u${i}`), sockets: 1 });
    await small.drain();
    small.now += 10_000;
    const results = await small.drain();
    for (const { reaped } of results) expect(reaped).toBeLessThanOrEqual(64);
    expect(await small.users()).toEqual({});
    expect(await small.totals()).toMatchObject({ reaped: "150", users: "0", sockets: "0" });
    await small.check();
    await small.close();
  });
});

describe("grace", () => {
  it("keeps a user whose transport dropped, and reports no change when a socket comes back in time", async () => {
    await shard.record({
      process: "p",
      seq: 1,
      about: withGrace(2000),
      operations: operations("+alice"),
      sockets: 1,
    });
    await shard.drain();
    await shard.record({ process: "p", seq: 2, operations: operations("-alice"), sockets: 0 });
    expect((await shard.drain()).at(-1)).toMatchObject({ changes: 0, due: shard.now + 2000 });
    expect(await shard.users()).toEqual({ alice: 0 });
    expect(await shard.totals()).toMatchObject({ users: "1", sockets: "0" });
    shard.now += 1999;
    await shard.record({ process: "q", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.drain();
    shard.now += 5000;
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1 });
    expect(await shard.told()).toEqual(["+alice connect"]);
    expect(await shard.redis.zcard(shard.keys.leaving)).toBe(0);
  });

  it("ends with exactly one offline", async () => {
    await shard.record({
      process: "p",
      seq: 1,
      about: withGrace(2000),
      operations: operations("+alice", "+bob"),
      sockets: 2,
    });
    await shard.record({ process: "p", seq: 2, operations: operations("-alice", "-bob"), sockets: 0 });
    await shard.drain();
    await shard.record({ process: "p", seq: 3, operations: operations("+carol"), sockets: 1 });
    await shard.record({ process: "p", seq: 4, operations: operations("-carol"), sockets: 0 });
    await shard.drain();
    shard.now += 2000;
    await shard.drain();
    await shard.drain();
    expect(await shard.users()).toEqual({});
    expect((await shard.told()).slice(3)).toEqual(["-alice grace", "-bob grace", "-carol grace"]);
  });

  it("is the cause of the offline it ends with", async () => {
    await shard.record({
      process: "p",
      seq: 1,
      about: withGrace(2000),
      operations: operations("+alice"),
      sockets: 1,
    });
    await shard.drain();
    await shard.record({ process: "p", seq: 2, operations: operations("-alice"), sockets: 0 });
    await shard.drain();
    shard.now += 2000;
    await shard.drain();
    expect(await shard.told()).toEqual(["+alice connect", "-alice grace"]);
  });

  it("that was over before its record is folded ends in the call that folds it", async () => {
    await shard.record({
      process: "p",
      seq: 1,
      about: withGrace(400),
      operations: operations("+alice", "+bob"),
      sockets: 2,
    });
    await shard.drain();
    await shard.record({ process: "p", seq: 2, operations: operations("-alice"), sockets: 1 });
    shard.now += 400;
    expect(await shard.step()).toMatchObject({ more: false, changes: 1, due: shard.now + 9_600 });
    expect(await shard.users()).toEqual({ bob: 1 });
    expect((await shard.told()).slice(2)).toEqual(["-alice grace"]);
  });

  it("does not apply after a goodbye, even if an earlier socket of the user dropped", async () => {
    await shard.record({
      process: "p",
      seq: 1,
      about: withGrace(2000),
      operations: operations("+alice", "+alice", "+bob"),
      sockets: 3,
    });
    await shard.drain();
    await shard.record({
      process: "p",
      seq: 2,
      operations: operations("-alice", "~alice", "~bob"),
      sockets: 0,
    });
    await shard.drain();
    expect(await shard.users()).toEqual({});
    expect((await shard.told()).slice(2)).toEqual(["-alice leave", "-bob leave"]);
  });

  it("applies to the users of a process that said bye, not to those of one whose lease expired", async () => {
    await shard.record({
      process: "p",
      seq: 1,
      about: withGrace(2000),
      operations: operations("+alice"),
      sockets: 1,
    });
    await shard.record({
      process: "q",
      seq: 1,
      about: withGrace(2000),
      operations: operations("+bob"),
      sockets: 1,
    });
    await shard.drain();
    await shard.record({ process: "p", seq: 2, bye: true, sockets: 1 });
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 0, bob: 1 });
    shard.now += 10_000;
    await shard.drain();
    expect((await shard.told()).slice(2)).toEqual(["-bob reap", "-alice grace"]);
  });

  it("is held while reaping is held, and reported as held", async () => {
    await shard.record({
      process: "p",
      seq: 1,
      about: withGrace(2000),
      operations: operations("+alice"),
      sockets: 1,
    });
    await shard.drain();
    await shard.record({ process: "p", seq: 2, operations: operations("-alice"), sockets: 0 });
    await shard.drain();
    shard.now += 3000;
    expect(await shard.step({ reap: false })).toMatchObject({ changes: 0, held: 1, due: shard.now - 1000 });
    expect(await shard.users()).toEqual({ alice: 0 });
    expect(await shard.step()).toMatchObject({ changes: 1 });
  });

  it("takes no user offline who has a socket, even with a stray entry in `leaving`", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.drain();
    await shard.redis.zadd(shard.keys.leaving, 1, "alice", 1, "nobody");
    await shard.redis.hset(shard.keys.totals, "graced", 2, "due", 1);
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1 });
    expect(await shard.redis.zcard(shard.keys.leaving)).toBe(0);
  });

  it("INV-7: of many users ends over many calls", async () => {
    const big = new TestShard(server.url, { budget: 400 });
    let sockets = 0;
    for (let seq = 1; seq <= 40; seq++) {
      const connects = seq <= 20;
      const users = Array.from(
        { length: 100 },
        (_, i) => `${connects ? "+" : "-"}u${((seq - 1) % 20) * 100 + i}`,
      );
      sockets += connects ? 100 : -100;
      await big.record({
        process: "p",
        seq,
        ...(seq === 1 && { about: withGrace(1000) }),
        operations: operations(...users),
        sockets,
      });
      await big.step();
    }
    await big.drain();
    expect(Object.keys(await big.users()).length).toBe(2000);
    big.now += 1000;
    for (const { changes } of await big.drain()) expect(changes).toBeLessThanOrEqual(400);
    expect(await big.users()).toEqual({});
    await big.check();
    await big.close();
  });
});

describe("bye", () => {
  it("ends a process at once, its last operations included", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice", "+bob"), sockets: 2 });
    await shard.drain();
    await shard.record({ process: "p", seq: 2, operations: operations("~bob"), bye: true, sockets: 1 });
    await shard.drain();
    expect(await shard.told()).toEqual(["+alice connect", "+bob connect", "-bob leave", "-alice bye"]);
    expect(await shard.redis.zcard(shard.keys.processes)).toBe(0);
  });

  it("of a fenced process is accepted", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.record({ process: "p", seq: 3, sockets: 1 });
    await shard.record({ process: "p", seq: 4, bye: true, sockets: 0 });
    await shard.drain();
    expect(await shard.users()).toEqual({});
  });

  it("INV-12, C8: a goodbye in the record that also connects ends a grace at once", async () => {
    await shard.record({
      process: "p",
      seq: 1,
      about: withGrace(2000),
      operations: operations("+alice"),
      sockets: 1,
    });
    await shard.record({ process: "p", seq: 2, operations: operations("-alice"), sockets: 0 });
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 0 });
    await shard.record({ process: "p", seq: 3, operations: operations("+alice", "~alice"), sockets: 0 });
    await shard.drain();
    expect(await shard.users()).toEqual({});
    expect(await shard.told()).toEqual(["+alice connect", "-alice leave"]);
    expect(await shard.redis.zcard(shard.keys.leaving)).toBe(0);
  });

  it("is carried out even while reaping is held", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.record({ process: "p", seq: 2, bye: true, sockets: 1 });
    expect(await shard.step({ reap: false })).toMatchObject({ givenBack: 1 });
    expect(await shard.users()).toEqual({});
  });
});

describe("a clock that jumps", () => {
  it("forward by an hour costs a registration, and back again no dead process outlives its lease", async () => {
    const start = shard.now;
    await shard.record({
      process: "p",
      seq: 1,
      about: withGrace(2000),
      operations: operations("+alice"),
      sockets: 1,
    });
    await shard.drain();
    shard.now = start + 3_600_000;
    // Every process seems dead; the live one registers again, with ids an hour ahead.
    await shard.drain();
    await shard.record({
      process: "p2",
      seq: 1,
      about: withGrace(2000),
      operations: operations("+alice"),
      sockets: 1,
    });
    await shard.record({
      process: "q",
      seq: 1,
      about: withGrace(2000),
      operations: operations("+bob", "+carol"),
      sockets: 2,
    });
    await shard.drain();
    await shard.record({ process: "q", seq: 2, operations: operations("-carol"), sockets: 1 });
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1, bob: 1, carol: 0 });

    shard.now = start + 1000;
    expect((await shard.drain()).at(-1)).toMatchObject({ due: start + 1000 + 2000 });
    shard.now += 2000;
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1, bob: 1 });
    // p2 goes on, with ids that stick in the future; q is dead and gone with its lease.
    await shard.redis.call(
      "XADD",
      shard.keys.records,
      `${start + 3_700_000}-1`,
      "process",
      "p2",
      "seq",
      "2",
      "ttl",
      "10000",
      "sockets",
      "1",
    );
    await shard.drain();
    shard.now = start + 1000 + 10_000;
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1 });
    expect((await shard.told()).slice(-2)).toEqual(["-carol grace", "-bob reap"]);
  });
});
