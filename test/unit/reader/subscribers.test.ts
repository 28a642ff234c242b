/** Goal: subscribers() says how each durable subscriber stands, over HTTP and as metrics too, and of whom nobody serves. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { createApp } from "../../../src/http/app.ts";
import { type Reader, readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { TOKEN } from "../http/support.ts";
import { Crowd, subscriberOn } from "../subscriber/support.ts";

let server: RedisServer;
let crowd: Crowd;
let reader: Reader;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  crowd = new Crowd(server.url);
  // Where changes have the times of Redis.
  crowd.now = Date.now();
  reader = readerOver(ioredisPort(crowd.redis), { prefix: crowd.prefix }, { now: () => crowd.now });
});
afterEach(() => crowd.close());

const FRESH = {
  stale: false,
  behind: 0,
  attempt: 0,
  retryAt: null,
  disabled: null,
  comparing: false,
  deadLetters: 0,
  handled: 0,
  failed: 0,
  gaps: 0,
};

it("tells what waits, what fails and what was given up", async () => {
  await crowd.say("+alice");
  expect((await reader.subscribers()).subscribers).toEqual([]);
  await subscriberOn(crowd, { name: "mail" }).deliver();
  const served = new Date(crowd.now);
  expect((await reader.subscribers()).subscribers).toEqual([{ name: "mail", servedAt: served, ...FRESH }]);

  await crowd.say("+bob", "~alice");
  crowd.now += 5_000;
  const waiting = (await reader.subscribers()).subscribers[0]!;
  expect(waiting.behind).toBeGreaterThan(4_000);
  expect(waiting.behind).toBeLessThan(60_000);

  let isDown = true;
  const failing = subscriberOn(crowd, { name: "mail", retries: [60_000] }, () => {
    if (isDown) throw new Error("down");
  });
  const { due } = await failing.deliver();
  expect((await reader.subscribers()).subscribers[0]).toMatchObject({
    attempt: 1,
    failed: 1,
    retryAt: new Date(crowd.now + due!),
  });
  crowd.now += due!;
  isDown = false;
  await failing.deliver();
  expect((await reader.subscribers()).subscribers[0]).toMatchObject({ handled: 2, behind: 0, attempt: 0 });

  await crowd.say("~bob");
  const dying = subscriberOn(crowd, { name: "audit", from: "start", retries: [] }, () => {
    throw new Error("down");
  });
  await dying.deliver();
  const { subscribers } = await reader.subscribers();
  expect(subscribers.map(({ name, deadLetters }) => [name, deadLetters])).toEqual([
    ["audit", 4],
    ["mail", 0],
  ]);
});

it("says who is served by nobody, what is compared and what is disabled", async () => {
  await crowd.say("+alice");
  const one = subscriberOn(crowd, { turn: 30_000 });
  await one.deliver();
  crowd.now += 149_000;
  expect((await reader.subscribers()).subscribers[0]).toMatchObject({ stale: false });
  crowd.now += 2_000;
  expect((await reader.subscribers()).subscribers[0]).toMatchObject({ stale: true });
  await crowd.redis.hset(`{${crowd.prefix}}:subscriber:billing`, "disabled", "gone", "phase", "users");
  expect((await reader.subscribers()).subscribers[0]).toMatchObject({ disabled: "gone", comparing: true });
});

it("is on GET /v1/subscribers and in /metrics, behind a token", async () => {
  await crowd.say("+alice");
  await subscriberOn(crowd).deliver();
  const app = createApp({ reader, tokens: [TOKEN], reuse: 0 });
  expect((await app.request("/v1/subscribers")).status).toBe(401);
  const headers = { authorization: `Bearer ${TOKEN}` };
  const answer = await app.request("/v1/subscribers", { headers });
  expect(await answer.json()).toMatchObject({ subscribers: [{ name: "billing", behind: 0 }], asOf: {} });
  const text = await (await app.request("/metrics", { headers })).text();
  expect(text).toContain('rollcall_subscriber_stale{name="billing"} 0\n');
  expect(text).toContain('rollcall_subscriber_behind_seconds{name="billing"} 0\n');
});
