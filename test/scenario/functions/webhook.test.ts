/**
 * Goal: who came and went is sent to a webhook also where nothing but a scheduled function or a worker process runs; a receiver that hangs
 * holds up no sweep, and an invocation keeps to its requests.
 * Method: the Worker as wrangler bundles it, in workerd, over REST to a real Redis, and the entries as processes; a receiver.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { keysOf, subscriberKeysOf } from "../../../src/core/keys.ts";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { until } from "../../../rig/until.ts";
import { startWorkerd } from "../../../rig/workerd.ts";
import { append, newPrefix } from "../../unit/http/support.ts";
import {
  brief,
  newSecret,
  type Receiver,
  startReceiver,
  status,
  verified,
} from "../../unit/webhooks/support.ts";
import { start, startTappedBridge, type Tap, WRITE_TOKEN } from "./support.ts";

let server: RedisServer;
let redis: Redis;
let tap: Tap;
let receiver: Receiver;
const secret = newSecret();
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  tap = await startTappedBridge(server.url);
});
afterAll(async () => {
  await tap[Symbol.asyncDispose]();
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  receiver = await startReceiver();
  tap.sent.length = 0;
});
afterEach(() => receiver[Symbol.asyncDispose]());

const told = () => receiver.received.flatMap((one) => verified(one, secret)).map(brief);
const variables = (prefix: string, more: Record<string, string> = {}) => ({
  UPSTASH_REDIS_REST_URL: tap.url,
  UPSTASH_REDIS_REST_TOKEN: WRITE_TOKEN,
  ROLLCALL_PREFIX: prefix,
  ROLLCALL_WEBHOOK_URL: `http://127.0.0.1:${receiver.port}/hooks?key=key-in-the-url`,
  ROLLCALL_WEBHOOK_SECRETS: secret,
  ROLLCALL_WEBHOOK_ALLOW: "127.0.0.1",
  ...more,
});
const isKnown = (prefix: string) => redis.exists(subscriberKeysOf(keysOf(prefix, 0, 1), "webhook").state);
const sweepOnly = { config: "functions/sweep.toml" };

describe("in workerd, with nothing but the cron", () => {
  it("the users of a crashed server are sent by the sweep that finds them, or the next", async () => {
    const prefix = newPrefix();
    const [ttl, interval] = [1_500, 1_000];
    await using worker = await startWorkerd(
      variables(prefix, { SWEEP_INTERVAL: String(interval), SWEEP_REQUESTS: "1000" }),
      sweepOnly,
    );
    // Its minute goes on while we look; the worker's end is its end.
    const minute = worker.schedule().catch(() => "cut short");
    await until("it is known", () => isKnown(prefix));
    let came = 0;
    receiver.answer = (response, request) => {
      if (told().some((one) => one.startsWith("-"))) came ||= Date.now();
      return status(204)(response, request);
    };
    await append(redis, { prefix, users: ["alice", "bob"], ttl });
    const [[appended]] = (await redis.xrange(keysOf(prefix, 0, 1).records, "-", "+")) as [[string, string[]]];
    const end = Number.parseInt(appended) + ttl;
    await until("both went", () => told().length === 4);
    expect(told()).toEqual(["+alice connect", "+bob connect", "-alice reap", "-bob reap"]);
    // On this machine's clock, which is also that of Redis.
    expect(came).toBeGreaterThanOrEqual(end);
    const looks = tap.sent.filter(
      (one) => one.commands.includes("XLEN") && one.came > end && one.came <= came,
    );
    expect(looks.length).toBeLessThanOrEqual(2);
    const logged = worker.logged.join();
    expect(logged).toContain("webhook: ");
    for (const hidden of [secret.slice(6), "key-in-the-url", "alice"]) expect(logged).not.toContain(hidden);
    await worker[Symbol.asyncDispose]();
    await minute;
  });

  it("a receiver that fails gets it from a later invocation, and 410 is the end", async () => {
    const prefix = newPrefix();
    await using worker = await startWorkerd(variables(prefix, { SWEEP_INTERVAL: "60000" }), sweepOnly);
    expect((await worker.schedule()).status).toBe(200);
    await append(redis, { prefix, users: ["alice"] });
    receiver.answer = status(307, { location: "/elsewhere" });
    expect((await worker.schedule()).status).toBe(200);
    expect(receiver.received.map(({ path }) => path)).toEqual(["/hooks?key=key-in-the-url"]);
    // Its wait is over.
    const { state } = subscriberKeysOf(keysOf(prefix, 0, 1), "webhook");
    await redis.hset(state, "after", "0");
    receiver.answer = status(410);
    expect((await worker.schedule()).status).toBe(200);
    expect((await worker.schedule()).status).toBe(200);
    expect(told()).toEqual(["+alice connect", "+alice connect"]);
    expect(worker.logged.join()).toContain("SUBSCRIBER_DISABLED");
  });

  it("a backlog keeps to SWEEP_REQUESTS, and comes with the next invocations, once and in order", async () => {
    const prefix = newPrefix();
    await using worker = await startWorkerd(
      variables(prefix, { SWEEP_INTERVAL: "60000", SWEEP_REQUESTS: "30", ROLLCALL_WEBHOOK_BATCH: "1" }),
      sweepOnly,
    );
    await worker.schedule();
    const users = Array.from({ length: 25 }, (_, i) => `u${i}`);
    await append(redis, { prefix, users });
    const all = users.map((user) => `+${user} connect`);
    for (let invocations = 0; told().length < all.length; invocations++) {
      expect(invocations).toBeLessThan(5);
      tap.sent.length = 0;
      const before = receiver.received.length;
      expect((await worker.schedule()).status).toBe(200);
      expect(tap.sent.length + receiver.received.length - before).toBeLessThanOrEqual(32);
    }
    expect(told()).toEqual(all);
  });

  it("a private address that is not allowed, and a secret that is none, are refused by the variable's name", async () => {
    for (const [name, value] of [
      ["ROLLCALL_WEBHOOK_ALLOW", "other.internal"],
      ["ROLLCALL_WEBHOOK_SECRETS", "whsec_c2hvcnQ="],
    ] as const) {
      await using worker = await startWorkerd(variables(newPrefix(), { [name]: value }), sweepOnly);
      expect((await worker.schedule()).status).toBe(500);
      expect(worker.logged.join()).toContain(
        name === "ROLLCALL_WEBHOOK_ALLOW" ? "ROLLCALL_WEBHOOK_URL: the host of url" : name,
      );
      expect(worker.logged.join()).not.toContain("c2hvcnQ");
    }
    expect(receiver.received).toEqual([]);
  });
});

it("functions/projector.ts sends as it folds, one change a request if it is told so, and ends in order", async () => {
  const prefix = newPrefix();
  const { UPSTASH_REDIS_REST_URL: _, UPSTASH_REDIS_REST_TOKEN: __, ...hook } = variables(prefix);
  await using entry = start("projector.ts", { ...hook, REDIS_URL: server.url, ROLLCALL_WEBHOOK_BATCH: "1" });
  await until("it is known", () => isKnown(prefix));
  await append(redis, { prefix, users: ["alice"], ttl: 1_500 });
  await until("she went", () => told().length === 2);
  expect(told()).toEqual(["+alice connect", "-alice reap"]);
  expect(receiver.received.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual([
    "user.online",
    "user.offline",
  ]);
  entry.child.kill("SIGTERM");
  expect(await entry.ended).toBe(0);
  for (const hidden of [secret.slice(6), "key-in-the-url"]) expect(entry.output()).not.toContain(hidden);
});
