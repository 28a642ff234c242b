/**
 * Goal: recorders of which one folds for the others do not hammer a Redis that refuses their calls.
 * Method: busy recorders on a real Redis; calls are counted against heartbeats.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { Busy } from "../../../rig/busy.ts";
import { until } from "../../../rig/until.ts";
import { keysOf } from "../../../src/core/keys.ts";

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

it("calls that fail while a turn is held are not made one after the other", async () => {
  await start(4);
  for (const one of busy) one.load();
  const { totals, records } = keys();
  await until("somebody has the turn", async () => {
    const [ends, ran] = await redis.hmget(totals, "ends", "ran");
    return Number(ends) > Number(ran);
  });
  // From now on every call is refused, but records are not.
  await redis.hset(totals, "protocol", "3");
  for (const one of busy) one.rest();
  await until("all are refused", () => busy.every(({ errors }) => errors.length > 0));
  const calls = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1]);
  const [before, length] = [await calls(), await redis.xlen(records)];
  await until("heartbeats", async () => (await redis.xlen(records)) >= length + 20);
  // One of a heartbeat at most, and as many retries.
  expect((await calls()) - before).toBeLessThanOrEqual(40);
  await redis.hset(totals, "protocol", "2");
});
