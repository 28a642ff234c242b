/**
 * Goal: a scheduled function does what there is to do, again and again inside its minute where it is told to, and stays
 * within the requests its platform allows.
 * Method: the sweep of the Worker over a real Redis.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sweepMinute } from "../../functions/sweep.ts";
import { startRedis, type RedisServer } from "../../src/local/redis.ts";
import { projectorOver } from "../../src/projector.ts";
import type { SweepSummary } from "../../src/projector/sweep.ts";
import type { WritePort } from "../../src/redis/port.ts";
import { ioredisPort } from "../../src/redis/ioredis.ts";
import { append, newPrefix } from "../http/support.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

/** What was logged by a sweep over a port. */
async function sweep(port: WritePort, options: { prefix: string; shards?: number; every?: number }) {
  const infos: string[] = [];
  const errors: string[] = [];
  const logger = {
    info: (text: string) => void infos.push(text),
    warn() {},
    error: (text: string) => void errors.push(text),
  };
  const failure = await sweepMinute(
    () => ({ projector: projectorOver(port, options), every: options.every }),
    logger,
  ).then(
    () => undefined,
    (error: unknown) => error,
  );
  const summaries = infos.map((line) => JSON.parse(line.replace("sweep: ", "")) as SweepSummary);
  return { summaries, errors, failure };
}

it("once, unless it is told otherwise", async () => {
  const prefix = newPrefix();
  await append(redis, { prefix, users: ["alice", "bob"] });
  const { summaries, errors, failure } = await sweep(ioredisPort(redis), { prefix });
  expect(summaries).toMatchObject([{ calls: 1, records: 1, operations: 2, changes: 2, idle: true }]);
  expect([errors, failure]).toEqual([[], undefined]);
});

it("again and again, and folds what is appended in between, within 40 requests in all", async () => {
  const prefix = newPrefix();
  const port = ioredisPort(redis);
  let calls = 0;
  // Between two of its calls somebody appends.
  const busy: WritePort = {
    async call(command) {
      if (command[0] === "EVALSHA" && ++calls === 5)
        await append(redis, { prefix, shards: 2, users: ["alice", "bob"] });
      return port.call(command);
    },
    pipeline: (list) => port.pipeline(list),
  };
  const { summaries } = await sweep(busy, { prefix, shards: 2, every: 1 });
  const requests = summaries.reduce((sum, summary) => sum + summary.requests, 0);
  expect(requests).toBeGreaterThan(38);
  expect(requests).toBeLessThanOrEqual(40);
  expect(summaries.reduce((sum, { operations }) => sum + operations, 0)).toBe(2);
});

it("every shard once, however many there are", async () => {
  const { summaries } = await sweep(ioredisPort(redis), { prefix: newPrefix(), shards: 64, every: 1 });
  expect(summaries).toMatchObject([{ calls: 64, idle: true }]);
});

it("rejects when it cannot, and says why in one line", async () => {
  const prefix = newPrefix();
  await redis.set(`{${prefix}}:records`, "of somebody else");
  const { errors, failure, summaries } = await sweep(ioredisPort(redis), { prefix });
  expect(failure).toMatchObject({ code: "REDIS_TYPE" });
  expect(errors).toEqual([expect.stringMatching(/^cannot sweep: REDIS_TYPE: /)]);
  expect(summaries).toEqual([]);
});
