/**
 * Goal: a backlog is drained in few requests and never leaves Redis: HTTP traffic does not grow with it.
 * Method: a slice of bench/backlog.ts through the bridge. Requests are counted there; nothing is timed.
 */
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { sweepMinute } from "../../../src/edge/minute.ts";
import { upstashClient } from "../../../src/edge/upstash.ts";
import { appendBacklog } from "../../../bench/backlog/append.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import type { SweepSummary } from "../../../src/projector/sweep.ts";
import { upstashWritePort } from "../../../src/redis/upstash.ts";
import { newPrefix } from "../../unit/http/support.ts";
import { startTappedBridge, WRITE_TOKEN } from "./support.ts";

const OPERATIONS = 50_000;

it.each([10, 100])(
  "one invocation drains 50,000 operations, %i a record, in a few requests that carry no data",
  async (size) => {
    await using server = await startRedis();
    await using tap = await startTappedBridge(server.url);
    const redis = new Redis(server.url);
    const prefix = newPrefix();
    const keys = keysOf(prefix, 0, 1);
    const { users } = await appendBacklog(redis, keys, OPERATIONS, size);
    const port = upstashWritePort(upstashClient({ url: tap.url, token: WRITE_TOKEN }));
    // To its clock every request is fast, so that how many it takes is no matter of the machine.
    const now = Date.now();
    const clock = () => now;
    let summary: SweepSummary | undefined;
    await sweepMinute(
      () => ({ projector: projectorOver(port, { prefix }, { clock }), interval: 60_000, requests: 45 }),
      {
        info: (text) => void (summary = JSON.parse(text.replace("sweep: ", "")) as SweepSummary),
        warn: () => expect.unreachable(),
        error: (text) => expect.unreachable(text),
      },
    );
    expect(summary).toMatchObject({ idle: true, operations: OPERATIONS, left: { records: 0, shards: 0 } });
    expect(await redis.hlen(keys.users)).toBe(users);
    // A look, whose prefix it is, a call that the server does not know yet and the same with its text; the rest in a few.
    expect(tap.sent.length).toBe(summary!.requests);
    expect(tap.sent.length).toBeLessThanOrEqual(10);
    const names = new Set(tap.sent.flatMap(({ commands }) => commands));
    expect([...names].sort()).toEqual(["EVAL", "EVALSHA", "HMGET", "XLEN"]);
    redis.disconnect();
  },
);

it("a sweep reports what it had no requests for, and the next one continues there", async () => {
  await using server = await startRedis();
  await using tap = await startTappedBridge(server.url);
  const redis = new Redis(server.url);
  const prefix = newPrefix();
  const keys = keysOf(prefix, 0, 1);
  const { records, users } = await appendBacklog(redis, keys, OPERATIONS, 10);
  const port = upstashWritePort(upstashClient({ url: tap.url, token: WRITE_TOKEN }));
  // As invocations of their own. The first has to tell the server the script.
  let done = 0;
  for (let idle = false; !idle;) {
    const summary = await projectorOver(port, { prefix, budget: 200 }).sweep({ budget: { requests: 4 } });
    expect(summary.requests).toBeLessThanOrEqual(6);
    done += summary.records;
    expect(summary.left.records).toBe(records - done);
    idle = summary.idle;
  }
  expect(await redis.hlen(keys.users)).toBe(users);
  redis.disconnect();
});
