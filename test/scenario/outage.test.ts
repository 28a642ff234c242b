/**
 * Goal: ten minutes without Redis under churn cost nothing but the ten minutes (INV-3, INV-9).
 * Method: a recorder whose connection to a real Redis is blocked, on the test's own timers, so that ten minutes pass in a
 * moment; then the connection is restored and the real projection is read.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { PresenceError } from "../../src/core/errors.ts";
import { GONE_MAX } from "../../src/core/journal.ts";
import { keysOf } from "../../src/core/keys.ts";
import { startRedis, type RedisServer } from "../../packages/local-redis/src/index.ts";
import { resolveRecorderOptions } from "../../src/recorder/options.ts";
import { Recorder } from "../../src/recorder/recorder.ts";
import { connect } from "../../src/redis/connect.ts";
import type { PipelinePort } from "../../src/redis/port.ts";
import { until, untilEqual } from "../../rig/until.ts";

const HEARTBEAT_MS = 3_333;
/** Divides the heartbeat. */
const STEP_MS = 33;
const OPEN = 500;

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
afterEach(() => {
  vi.useRealTimers();
});

it("INV-3, INV-9: after ten minutes without Redis under churn the counts are exact within one heartbeat, and memory and log stay small", async () => {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown) => rejections.push(reason);
  process.on("unhandledRejection", onRejection);
  // Time stands still unless the test says so: nothing depends on how fast the machine is.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });

  const connection = connect(server.url, { timeout: 5_000, name: "outage" });
  let underWay = 0;
  const watch = async <T>(reply: Promise<T>): Promise<T> => {
    underWay++;
    return reply.finally(() => underWay--);
  };
  const port: PipelinePort = {
    call: (command) => watch(connection.port.call(command)),
    pipeline: (commands) => watch(connection.port.pipeline(commands)),
  };
  let away = false;
  let attempts = 0;
  const lines: string[] = [];
  const errors: string[] = [];
  const say = (line: string) => lines.push(line);
  const recorder = new Recorder({
    connection: {
      port: { ...connection.port, ...port },
      get reconnectedAt() {
        return connection.reconnectedAt;
      },
      onReconnect: undefined,
      ready() {
        if (!away) return connection.ready();
        attempts++;
        return Promise.reject(new PresenceError("REDIS_UNAVAILABLE", "Redis cannot be reached"));
      },
    },
    options: resolveRecorderOptions({ prefix: "outage", logger: { info: say, warn: say, error: say } }),
    connections: () => 0,
    onError: (error) => errors.push(error.message),
  });
  await recorder.ready();
  const redis = new Redis(server.url);
  const { users } = keysOf("outage", 0, 1);
  const open = new Set<string>();
  const come = (user: string) => {
    open.add(user);
    recorder.connect(user);
  };
  const go = (user: string) => {
    open.delete(user);
    recorder.disconnect(user, "disconnect");
  };
  for (let i = 0; i < OPEN; i++) come(`u${i}`);
  await untilEqual(() => redis.hlen(users), OPEN);

  away = true;
  let largest = 0;
  // A fifth of the sockets is replaced every second, by users never seen before.
  for (let second = 0; second < 600; second++) {
    const leaving = [...open].slice(0, OPEN / 5);
    for (const user of leaving) go(user);
    for (let i = 0; i < OPEN / 5; i++) come(`s${second}-${i}`);
    await vi.advanceTimersByTimeAsync(1_000);
    largest = Math.max(largest, recorder.size);
  }
  expect(attempts).toBeGreaterThan(200);
  // What is open, what was open when Redis was last heard, what is new since, and the latest who came and went.
  expect(largest).toBeLessThanOrEqual(3 * OPEN + GONE_MAX);
  expect(errors.length).toBe(1);
  expect(lines.filter((line) => /cannot/.test(line)).length).toBe(1);

  away = false;
  // One heartbeat, during which Redis has all the time it wants.
  for (let ms = 0; ms < HEARTBEAT_MS; ms += STEP_MS) {
    await vi.advanceTimersByTimeAsync(STEP_MS);
    await new Promise(setImmediate);
    await until("nothing is under way", () => underWay === 0);
  }
  await untilEqual(async () => (await redis.hkeys(users)).sort(), [...open].sort());
  expect(errors.length).toBe(1);
  expect(rejections).toEqual([]);
  await recorder.close(1_000);
  connection.close();
  await redis.quit();
  process.off("unhandledRejection", onRejection);
});
