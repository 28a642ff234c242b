/**
 * Goal: on a Sentinel set everything is as on one Redis: ready without an error, exact after each kind of failover, and nobody told
 * offline who stayed.
 * Method: a primary, two replicas and three Sentinels; two servers and real clients; the primary is failed over by hand,
 * stopped until it comes back as a replica, and killed. The truth is asked of the clients.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { Crowd, names } from "../../rig/crowd.ts";
import {
  GROUP,
  type RedisSentinel,
  type SentinelNode,
  startRedisSentinel,
} from "../../rig/redis-sentinel.ts";
import { until } from "../../rig/until.ts";
import { createReader } from "../../src/reader/create.ts";

/** None may run out within a test. */
const TTL_MS = 60_000;

let set: RedisSentinel;
let client: Redis;
let crowd: Crowd;
let prefix: string;
let prefixes = 0;

beforeAll(async () => {
  set = await startRedisSentinel();
  client = new Redis(set.options);
  client.on("error", () => {});
});
afterAll(async () => {
  client.disconnect();
  await set.stop();
});
beforeEach(() => {
  prefix = `sentinel${prefixes++}`;
  crowd = new Crowd();
});
afterEach(() => crowd[Symbol.asyncDispose]());

/** ttl: until a server gives up a dead connection, a third of it passes. */
const start = (ttl = TTL_MS) => crowd.start({ redis: client, prefix, ttl, heartbeat: 500 });

/** Two servers with 20 clients each, all known everywhere. */
async function crowded(ttl?: number): Promise<void> {
  await start(ttl);
  await start(ttl);
  await crowd.come(names(0, 40));
  await crowd.agrees();
}

/** Some leave and some come while the set changes. */
async function change(): Promise<void> {
  crowd.go(names(0, 10));
  await crowd.come(names(40, 60));
}

/** All is exact, goes on, and those who stayed have been online all the time. */
async function healed(): Promise<void> {
  await crowd.agrees();
  crowd.go(names(40, 50));
  await crowd.agrees();
  crowd.stayed(crowd.present);
}

const another = (than: SentinelNode) =>
  until("another primary", async () => {
    const now = await set.settled();
    return now === than ? undefined : now;
  });

it("the address of a Sentinel instead of a Redis is refused, with what to pass", async () => {
  const reader = createReader({ redis: set.sentinels[0]!.server.url });
  await expect(reader.counts()).rejects.toMatchObject({
    code: "OPTIONS_INVALID",
    message: expect.stringContaining("is the address of a Sentinel") as string,
  });
  reader.close();
});

it("is ready without an error, ten times", async () => {
  for (let i = 0; i < 10; i++) await start();
  expect(crowd.nodes.flatMap(({ errors }) => errors)).toEqual([]);
});

it("SENTINEL FAILOVER: all is exact on the new primary", async () => {
  await crowded();
  const before = await set.settled();
  await set.sentinels[0]!.redis.call("SENTINEL", "FAILOVER", GROUP);
  await change();
  await another(before);
  await healed();
});

/** A primary takes with it what it has not sent on. Departures that were lost are told after one and a half leases. */
const SHORT_TTL_MS = 6_000;

it("a primary that is stopped, and comes back as a replica", async () => {
  await crowded(SHORT_TTL_MS);
  const before = await set.settled();
  process.kill(before.server.pid, "SIGSTOP");
  await change();
  await another(before);
  await crowd.agrees();
  process.kill(before.server.pid, "SIGCONT");
  await until("it is a replica", async () =>
    (await before.redis.info("replication").catch(() => "")).includes("role:slave"),
  );
  await healed();
});

it("a primary that is killed", async () => {
  await crowded(SHORT_TTL_MS);
  const before = await set.settled();
  process.kill(before.server.pid, "SIGKILL");
  await change();
  await another(before);
  await healed();
});

it("starts without an error while one of the Sentinels is dead", async () => {
  process.kill(set.sentinels[0]!.server.pid, "SIGKILL");
  for (let i = 0; i < 3; i++) await start();
  expect(crowd.nodes.flatMap(({ errors }) => errors)).toEqual([]);
});
