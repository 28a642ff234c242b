/**
 * Goal: the examples with Socket.IO's adapters deliver messages over all servers and count everybody once.
 * Method: each runs as a user would start it, with real clients; a worker of the cluster is killed.
 */
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { Redis } from "ioredis";
import { createReader } from "../../../src/index.ts";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { PATIENT, startExample, tab } from "./support.ts";

let redis: RedisServer;
let client: Redis;
beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.url);
});
beforeEach(() => client.flushdb());
afterAll(async () => {
  client.disconnect();
  await redis.stop();
});

it(
  "with-redis-adapter.ts: messages cross servers, an event comes once, a whisper reaches all tabs of a user",
  PATIENT,
  async () => {
    const a = await startExample("with-redis-adapter.ts", redis.url);
    const b = await startExample("with-redis-adapter.ts", redis.url);
    const bob = await tab(a.url, "bob");
    await Promise.all([a.says("+ bob, 1 online"), b.says("+ bob, 1 online")]);
    const heard: string[] = [];
    bob.on("user has connected", (user) => heard.push(user));
    const tabs = [await tab(a.url, "alice"), await tab(b.url, "alice")];
    await Promise.all([a.says("+ alice, 2 online"), b.says("+ alice, 2 online")]);
    const got: string[] = [];
    tabs.forEach((one, i) => one.on("whisper", (text) => got.push(`${i} ${text}`)));
    bob.on("message", (text) => got.push(text));
    tabs[1]!.emit("message", "hello");
    bob.emit("whisper", "nobody", "?");
    bob.emit("whisper", "alice", "psst");
    await untilEqual(() => got.toSorted(), ["0 psst", "1 psst", "hello"]);
    expect(heard).toEqual(["alice"]);
    for (const one of tabs) one.disconnect();
    await a.says("- alice, 1 online");
    expect(await Promise.all([a.stop(), b.stop()])).toEqual([0, 0]);
  },
);

it(
  "with-redis-streams-adapter.ts: a client that recovers was never offline and is in its room once",
  PATIENT,
  async () => {
    const a = await startExample("with-redis-streams-adapter.ts", redis.url);
    const alice = await tab(a.url, "alice", { reconnectionDelay: 50, reconnectionDelayMax: 100 });
    await a.says("online alice; news has 1 users on 1 sockets");
    const got: string[] = [];
    alice.on("message", (text) => got.push(text));
    alice.emit("message", "before"); // a client that has received nothing cannot recover
    await until("a message", () => got.length === 1);
    const { id } = alice;
    alice.io.engine.close();
    await a.says("recovered alice");
    await until("connected", () => alice.connected);
    expect([alice.id, alice.recovered]).toEqual([id, true]);
    await tab(a.url, "bob");
    await a.says("online bob; news has 2 users on 2 sockets");
    expect(a.lines.filter((line) => line.includes("offline"))).toEqual([]);
    expect(await a.stop()).toBe(0);
  },
);

it(
  "with-cluster-adapter.ts: workers share one port, and after one is killed everybody is counted once",
  PATIENT,
  async () => {
    const reader = createReader({ redis: redis.url });
    onTestFinished(() => reader.close());
    const counted = async () => {
      const { users, sockets } = await reader.counts();
      return { users, sockets };
    };
    const server = await startExample("with-cluster-adapter.ts", redis.url);
    // Long polling needs the stickiness.
    const polling = { transports: ["polling"], reconnectionDelay: 50, reconnectionDelayMax: 100 };
    const alice = [await tab(server.url, "alice", polling), await tab(server.url, "alice", polling)];
    const bob = await tab(server.url, "bob", polling);
    const line = await server.says(/worker \d+: \+ bob, 2 online/);
    await untilEqual(counted, { users: 2, sockets: 3 });
    const got = new Set<string>();
    for (const [i, one] of alice.entries()) one.on("whisper", (text) => got.add(`${i} ${text}`));
    // The adapter's first news of another worker may take a heartbeat.
    await until(
      "both tabs are reached",
      () => {
        bob.emit("whisper", "alice", "psst");
        return got.size === 2;
      },
      { every: 200 },
    );

    process.kill(Number(/\d+/.exec(line)![0]), "SIGKILL");
    await until("everybody is back", () => [...alice, bob].every(({ connected }) => connected));
    await untilEqual(counted, { users: 2, sockets: 3 });
    const carol = await tab(server.url, "carol", polling);
    await server.says("+ carol, 3 online");
    carol.disconnect();
    await server.says("- carol, 2 online");
    expect(await server.stop()).toBe(0);
  },
);
