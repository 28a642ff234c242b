/**
 * Goal: in workerd, where requests must not wait on each other's promises and each may be cancelled, event streams and
 * shared answers work as on Node: one request to Redis serves all, whichever request goes away.
 * Method: the Worker as wrangler bundles it, over REST to a real Redis; a tap counts what it sends.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import { newPrefix, populate, TOKEN } from "../../unit/http/support.ts";
import { readEvents, type EventReader } from "../../unit/http/serve.ts";
import { until } from "../../../rig/until.ts";
import { startWorkerd } from "../../../rig/workerd.ts";
import { READ_ONLY_TOKEN, startTappedBridge, type Tap } from "./support.ts";

let server: RedisServer;
let redis: Redis;
let tap: Tap;
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
beforeEach(() => {
  tap.sent.length = 0;
});

const start = (prefix: string, more: Record<string, string> = {}) =>
  startWorkerd({
    ...more,
    UPSTASH_REDIS_REST_URL: tap.url,
    UPSTASH_REDIS_REST_READONLY_TOKEN: READ_ONLY_TOKEN,
    ROLLCALL_TOKENS: TOKEN,
    ROLLCALL_PREFIX: prefix,
  });

let processes = 0;
const come = (prefix: string, users: readonly string[]) =>
  populate(redis, { prefix, users, process: `p${++processes}` });

const usersOf = (json: Record<string, unknown>) =>
  (json["changes"] as { user: string }[]).map(({ user }) => user);

/** How many answers of Redis held the change of this user. */
const answersWith = (user: string) =>
  tap.sent.filter(({ answer = "" }) => answer.includes(btoa(JSON.stringify([user])))).length;

const STREAMS = 16;

it("subscribers share one poll, even when the one who polls goes away", async () => {
  const prefix = newPrefix();
  await populate(redis, { prefix, users: ["alice"] });
  await using worker = await start(prefix);
  const all: EventReader[] = [];
  for (let i = 0; i < STREAMS; i++) all.push(await readEvents(`${worker.url}/v1/changes`));
  const told = all.map((): string[] => []);
  const reading = all.map(async (events, i) => {
    for (;;) {
      const event = await events.next().catch(() => undefined);
      if (event === undefined) return;
      told[i]!.push(...usersOf(event.json));
    }
  });
  await come(prefix, ["bob"]);
  await until("all are told of bob", () => told.every((users) => users.includes("bob")));
  // Half of them go away, one of them may have been asking for the others.
  for (const events of all.slice(0, STREAMS / 2)) await events[Symbol.asyncDispose]();
  await come(prefix, ["carol"]);
  const rest = told.slice(STREAMS / 2);
  await until("the others are told of carol", () => rest.every((users) => users.includes("carol")));
  // If each asked for itself, each would have had an answer with either user. One that is late may ask once more.
  expect(answersWith("bob")).toBeLessThan(STREAMS / 2);
  expect(answersWith("carol")).toBeLessThan(STREAMS / 4);
  for (const users of rest) expect(users).toEqual(["bob", "carol"]);
  for (const events of all) await events[Symbol.asyncDispose]();
  await Promise.all(reading);
  expect(worker.logged).toEqual([]);
});

it("a stream of counts has an event for each change of a number", async () => {
  const prefix = newPrefix();
  await populate(redis, { prefix, users: ["alice"] });
  await using worker = await start(prefix);
  await using events = await readEvents(`${worker.url}/v1/counts`);
  expect((await events.next())!.json).toMatchObject({ users: 1 });
  await come(prefix, ["bob"]);
  expect((await events.next())!.json).toMatchObject({ users: 2 });
});

it("a client that goes away makes room", async () => {
  const prefix = newPrefix();
  await populate(redis, { prefix, users: ["alice"] });
  await using worker = await start(prefix, { ROLLCALL_STREAMS: "2" });
  const open = () => readEvents(`${worker.url}/v1/changes`);
  const both = [await open(), await open()];
  await expect(open()).rejects.toThrow("no stream: 503");
  for (const events of both) await events[Symbol.asyncDispose]();
  // 15 s after the last sign of life; when workerd does not notice that the client is gone, after 30 s without a reader.
  const patient = { every: 500, timeout: 60_000 };
  await using next = await until("there is room", () => open().catch(() => undefined), patient);
  expect(next.response.status).toBe(200);
}, 90_000);

it("a stream opens while Redis is away, and says that it is stale", async () => {
  await using worker = await startWorkerd({
    UPSTASH_REDIS_REST_URL: "http://127.0.0.1:1",
    UPSTASH_REDIS_REST_READONLY_TOKEN: READ_ONLY_TOKEN,
    ROLLCALL_TOKENS: TOKEN,
  });
  for (const path of ["/v1/changes", "/v1/counts"]) {
    await using events = await readEvents(`${worker.url}${path}`);
    expect((await events.next())!).toMatchObject({ event: "stale", json: { cause: "redis", since: null } });
    const one = await fetch(`${worker.url}${path}`, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect(one.status).toBe(503);
  }
});

it("1,000 requests at once share a few reads of Redis, and the OpenAPI document is served", async () => {
  const prefix = newPrefix();
  await populate(redis, { prefix, users: ["alice"] });
  await using worker = await start(prefix);
  expect((await fetch(`${worker.url}/v1/counts`)).status).toBe(200);
  tap.sent.length = 0;
  const answers = await Promise.all(
    Array.from({ length: 1_000 }, async () => {
      const response = await fetch(`${worker.url}/v1/counts`);
      await response.text();
      return response.status;
    }),
  );
  expect(new Set(answers)).toEqual(new Set([200]));
  // One a second, however many seconds this machine takes.
  expect(tap.sent.length).toBeLessThan(100);
  const document = (await (await fetch(`${worker.url}/openapi.json`)).json()) as { openapi: string };
  expect(document.openapi).toBe("3.1.0");
  const metrics = await fetch(`${worker.url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  expect(await metrics.text()).toContain("rollcall_users 1\n");
});
