/**
 * Goal: the script gives the turn to one caller at a time, while the rate of records is high, and no count depends on it.
 * Method: callers with different names on one shard, with a chosen clock; records with chosen times make the rate.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { operations, TestShard } from "../../../rig/shard.ts";
import { LISTENED_MS, MEASURE_MS, RATE_HIGH, RATE_LOW, TURN_MS, WORK_MAX } from "../../../src/core/limits.ts";
import { type PipelinedProjector, pipelinedProjectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

let server: RedisServer;
let shard: TestShard;
let seq: number;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  shard = new TestShard(server.url);
  seq = 0;
});
afterEach(async () => {
  await shard.check();
  await shard.close();
});

function caller(name: string): PipelinedProjector {
  const { prefix, redis } = shard;
  return pipelinedProjectorOver(ioredisPort(redis), { prefix }, { caller: name, now: () => shard.now });
}

/** `rate` records a second, `each` operations in one, for half a second, folded by `by` every 20 ms. Resolves with the last answer. */
async function load(by: PipelinedProjector, rate: number, each = 1) {
  let made = 0;
  let last = await by.projector.step();
  for (let ms = 20; ms <= 500; ms += 20) {
    shard.now += 20;
    for (; made < (rate * ms) / 1000; made++) {
      seq++;
      await shard.record({
        process: "p",
        seq,
        ttl: 60_000,
        operations: operations(...Array.from({ length: each }, (_, i) => `+u${seq}-${i}`)),
        sockets: seq * each,
      });
    }
    last = await by.projector.step();
  }
  return last;
}

it("no caller gets the turn at a low rate of records", async () => {
  expect(await load(caller("a"), RATE_LOW)).toMatchObject({ holder: "", turnLeft: 0 });
});

it("one caller gets the turn at a high rate, and the others learn which", async () => {
  expect(await load(caller("a"), 2 * RATE_HIGH)).toMatchObject({ holder: "a", turnLeft: TURN_MS });
  shard.now += 30;
  expect(await caller("b").projector.step()).toMatchObject({ holder: "a", turnLeft: TURN_MS - 30 });
});

it("a burst on an idle system gets the turn before the next measurement is due, and a few records do not", async () => {
  const a = caller("a");
  const burst = async (records: number) => {
    for (let i = 0; i < records; i++) {
      seq++;
      await shard.record({
        process: "p",
        seq,
        ttl: 60_000,
        operations: operations(`+u${seq}`),
        sockets: seq,
      });
    }
    return a.projector.step();
  };
  await burst(1);
  shard.now += MEASURE_MS * 20;
  await burst(0);
  shard.now += MEASURE_MS / 2;
  expect(await burst((RATE_HIGH * MEASURE_MS) / 1000 - 1)).toMatchObject({ holder: "" });
  shard.now += MEASURE_MS * 20;
  await burst(0);
  shard.now += MEASURE_MS / 2;
  expect(await burst((RATE_HIGH * MEASURE_MS) / 1000)).toMatchObject({ holder: "a" });
});

it("several operations in a record count, so gathering them does not end the turn, but a few full records do not start one", async () => {
  const a = caller("a");
  await load(a, 2 * RATE_HIGH, 4);
  expect(await load(a, (RATE_LOW * 2) / 3, 4)).toMatchObject({ holder: "a" });
  expect(await load(a, RATE_LOW / WORK_MAX - 4, 100)).toMatchObject({ holder: "" });
});

it("the turn of a holder that is gone ends in time, and the next caller gets it", async () => {
  await load(caller("a"), 4 * RATE_HIGH);
  shard.now += TURN_MS;
  expect(await caller("b").projector.step()).toMatchObject({ holder: "b", turnLeft: TURN_MS });
  expect(await caller("a").projector.step()).toMatchObject({ holder: "b" });
});

it("the turn is kept down to the low water, and given back below", async () => {
  const a = caller("a");
  await load(a, 2 * RATE_HIGH);
  expect(await load(a, (RATE_HIGH + RATE_LOW) / 2)).toMatchObject({ holder: "a" });
  expect(await load(a, RATE_LOW / 2)).toMatchObject({ holder: "", turnLeft: 0 });
});

it("a caller that closes gives the turn back at once", async () => {
  const a = caller("a");
  await load(a, 2 * RATE_HIGH);
  const step = { reap: true, check: false, says: "last" as const };
  const [, sha, ...rest] = a.command(0, step);
  expect(await a.settle(0, (await shard.redis.call("EVALSHA", sha, ...rest)) as never, step)).toMatchObject({
    holder: "",
  });
  expect(await caller("b").projector.step()).toMatchObject({ holder: "b" });
});

it("a caller without a name takes no turn, and its folds count", async () => {
  expect(await load(caller(""), 2 * RATE_HIGH)).toMatchObject({ holder: "" });
  expect(Object.keys(await shard.users()).length).toBe(seq);
});

it("a turn that ends later than a turn can has no holder: the clock went back", async () => {
  await load(caller("a"), 2 * RATE_HIGH);
  shard.now -= 5_000;
  const answer = await caller("b").projector.step();
  expect(answer.holder).not.toBe("a");
});

it("the outcome is the same with turns and without", async () => {
  await load(caller("a"), 2 * RATE_HIGH);
  await load(caller("b"), 2 * RATE_HIGH);
  await load(caller(""), 2 * RATE_HIGH);
  expect(await shard.totals()).toMatchObject({
    users: String(seq),
    sockets: String(seq),
    records: String(seq),
  });
});

it("a caller that listens is remembered for a while, by the clock of Redis, and every caller learns of it", async () => {
  const [a, b] = [caller("a"), caller("b")];
  const says = (is: "listens" | "") => a.call(0, { reap: true, check: false, says: is });
  expect(await says("")).toMatchObject({ listenedLeft: 0 });
  expect(await says("listens")).toMatchObject({ listenedLeft: LISTENED_MS });
  shard.now += 1_000;
  expect(await b.projector.step()).toMatchObject({ listenedLeft: LISTENED_MS - 1_000 });
  // Noted again only when half of it is over: it is one field more to write.
  expect(await says("listens")).toMatchObject({ listenedLeft: LISTENED_MS - 1_000 });
  shard.now += LISTENED_MS / 2;
  expect(await says("listens")).toMatchObject({ listenedLeft: LISTENED_MS });
  shard.now += LISTENED_MS;
  expect(await b.projector.step()).toMatchObject({ listenedLeft: 0 });
  // The clock went back: what was noted is further ahead than can be.
  expect(await says("listens")).toMatchObject({ listenedLeft: LISTENED_MS });
  shard.now -= 1_000;
  expect(await b.projector.step()).toMatchObject({ listenedLeft: 0 });
});
