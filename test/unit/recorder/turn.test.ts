/**
 * Goal: recorders of which one folds for the others do not hammer a Redis that refuses their calls, and do not rely on the one.
 * Method: busy recorders on a real Redis; calls are counted against heartbeats. A turn of a holder that does not exist.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { Busy } from "../../../rig/busy.ts";
import { until } from "../../../rig/until.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { TURN_MS } from "../../../src/core/limits.ts";
import { resolveRecorderOptions } from "../../../src/recorder/options.ts";
import { Recorder } from "../../../src/recorder/recorder.ts";
import { connect } from "../../../src/redis/connect.ts";

let server: RedisServer;
let redis: Redis;
let prefix: string;
let prefixes = 0;
const busy: Busy[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => {
  prefix = `turn${prefixes++}`;
});
afterEach(async () => {
  await Promise.all(busy.splice(0).map((one) => one.close()));
});

async function start(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    busy.push(new Busy(`here${i}`, { redis: server.url, prefix, shards: 1, ttl: 5_000, heartbeat: 200 }));
  }
  await Promise.all(busy.map((one) => one.ready()));
}

const keys = () => keysOf(prefix, 0, 1);

it.each([
  ["until somebody updates a process", "protocol", "3"],
  ["for a reason that may pass", "users", "none"],
])("calls that fail while a turn is held, %s, are not made one after the other", async (_, field, wrong) => {
  await start(4);
  for (const one of busy) one.load();
  const { totals, records } = keys();
  await until("somebody has the turn", async () => {
    const [ends, ran] = await redis.hmget(totals, "ends", "ran");
    return Number(ends) > Number(ran);
  });
  // From now on every call fails, but records are appended.
  const right = await redis.hget(totals, field);
  await redis.hset(totals, field, wrong);
  for (const one of busy) one.rest();
  await until("all are refused", () => busy.every(({ errors }) => errors.length > 0));
  const calls = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1]);
  const [before, length] = [await calls(), await redis.xlen(records)];
  await until("heartbeats", async () => (await redis.xlen(records)) >= length + 20);
  // One of a heartbeat at most, and as many retries.
  expect((await calls()) - before).toBeLessThanOrEqual(40);
  await redis.hset(totals, field, right!);
});

it("a record left to a holder that is gone is folded by who appended it, whether the turn was read with it or known to last", async () => {
  const connection = connect(server.url, { timeout: 5_000, name: "test" });
  const recorder = new Recorder({
    connection,
    // So that no heartbeat comes meanwhile.
    options: resolveRecorderOptions({ prefix, ttl: 600_000 }),
    connections: () => 0,
    onError: (error) => expect.fail(error.message),
  });
  const { totals, users } = keys();
  const isFolded = (user: string) => until(user, async () => (await redis.hexists(users, user)) === 1);
  await recorder.ready();
  const [seconds, micros] = await redis.time();
  const now = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  await redis.hset(totals, "turn", "gone", "ends", now + TURN_MS);
  recorder.connect("learns");
  await isFolded("learns");
  recorder.connect("is left");
  await isFolded("is left");
  await recorder.close(5_000);
  connection.close();
});
