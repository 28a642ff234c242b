/**
 * Goal: an answer is stale when work for a projector has waited too long, also while somebody folds a little of a long backlog,
 * and never because an idle system leaves heartbeats in the log.
 * Method: a shard with a clock of its own, a real Redis, the real script with the smallest budget.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { operations, TestShard } from "../../../rig/shard.ts";
import type { AsOf } from "../../../src/reader/answers/as-of.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

/** Longer than any wait here: no deadline passes unless a test lets it. */
const TTL_MS = 3_600_000;
const STALE_MS = 5_000;
const about = { host: "h", pid: 1, version: "0", grace: 0 };

let server: RedisServer;
let shard: TestShard;
let seq: number;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  shard = new TestShard(server.url, { budget: 100 });
  seq = 0;
  await append("+first");
  await shard.drain();
});

let sockets = 0;
/** A record of the one process; without operations a heartbeat. */
async function append(...short: string[]): Promise<void> {
  if (++seq === 1) sockets = 0;
  sockets += short.length;
  const own = { process: "p", seq, ttl: TTL_MS, operations: operations(...short), sockets };
  await shard.record({ ...own, ...(seq === 1 && { about }) });
}

async function asOf(staleAfter = STALE_MS): Promise<AsOf> {
  const { prefix, redis } = shard;
  // Without the key the reader's clock is this one.
  await redis.del(shard.keys.clock);
  return (await readerOver(ioredisPort(redis), { prefix, staleAfter }, { now: () => shard.now }).counts())
    .asOf;
}

/** 20 full records take as many calls. */
async function backlog(): Promise<void> {
  for (let i = 0; i < 20; i++) await append(...Array.from({ length: 100 }, (_, j) => `+u${i}-${j}`));
}

describe("stale", () => {
  it.each([
    ["a connect", ["+alice"]],
    ["an anonymous socket", ["+"]],
  ])("when a record with news, %s, has waited for longer than staleAfter, long before any deadline", async (_, short) => {
    await append(...short);
    shard.now += STALE_MS;
    expect(await asOf()).toMatchObject({ stale: false, lag: { records: 1, ms: STALE_MS } });
    shard.now += 1;
    expect((await asOf()).stale).toBe(true);
    await shard.drain();
    expect((await asOf()).stale).toBe(false);
  }); // prettier-ignore

  it("while somebody folds a long backlog too slowly, until it has been folded", async () => {
    await backlog();
    shard.now += STALE_MS + 1;
    let calls = 0;
    for (let seen = await asOf(); seen.lag.records > 0; seen = await asOf(), calls++) {
      expect(seen.stale).toBe(true);
      shard.now += 10;
      await shard.step();
    }
    expect(calls).toBeGreaterThan(10);
    expect((await asOf()).stale).toBe(false);
  });

  it("while a backlog has a heartbeat at its head that a call had to leave", async () => {
    await append(...Array.from({ length: 100 }, (_, i) => `+a${i}`));
    await append();
    await append("+late");
    shard.now += 10;
    expect((await shard.step()).more).toBe(true);
    expect(await shard.redis.xlen(shard.keys.records)).toBe(2);
    shard.now += STALE_MS;
    expect((await asOf()).stale).toBe(true);
  });

  it("when a deadline passed more than staleAfter ago, whatever the log has", async () => {
    shard.now += TTL_MS + STALE_MS;
    expect((await asOf()).stale).toBe(false);
    shard.now += 1;
    expect((await asOf()).stale).toBe(true);
  });
});

describe("not stale", () => {
  it("in an idle system, however many heartbeats wait for the next deadline and for however long", async () => {
    for (let i = 0; i < 300; i++) {
      shard.now += 10_000;
      await append();
      if (i % 60 === 0) expect(await asOf(0)).toMatchObject({ stale: false });
    }
    expect(await asOf(0)).toMatchObject({ stale: false, lag: { records: 300 } });
  });

  it("between sweeps every 15 s, with staleAfter as the edge has it", async () => {
    for (let sweep = 0; sweep < 4; sweep++) {
      await append(`+user-${sweep}`);
      for (let s = 0; s < 3; s++) {
        shard.now += 5_000;
        expect((await asOf(20_000)).stale).toBe(false);
        await append();
      }
      await shard.drain();
    }
  });

  it("while a backlog that came a moment ago is folded", async () => {
    await backlog();
    for (let more = true; more;) {
      shard.now += 10;
      ({ more } = await shard.step());
      expect((await asOf()).stale).toBe(false);
    }
  });
});
