/**
 * Goal: the oldest version of each Redis client that is supported works, and an older one of ioredis, which cannot give up a dead
 * connection, is refused by name.
 * Method: these versions themselves, beside the newest, over a real Redis, through a proxy that drops all replies for a while, and over
 * the bridge.
 */
import { Redis as Newest } from "ioredis";
import { Redis as Before } from "ioredis-5.3";
import { Redis as Oldest } from "ioredis-5.4";
import { Redis as UpstashNewest } from "@upstash/redis";
import { Redis as UpstashBefore } from "upstash-redis-1.35.2";
import { Redis as UpstashOldest } from "upstash-redis-1.35.3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { startBridge } from "../../../packages/upstash-bridge/src/index.ts";
import { connect, startNode } from "../../../rig/node.ts";
import { type Proxy, startProxy } from "../../../rig/proxy.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { createProjector, createReader } from "../../../src/index.ts";

let server: RedisServer;
let proxy: Proxy;
let prefix: string;
let prefixes = 0;
const ends: (() => unknown)[] = [];

beforeAll(async () => {
  server = await startRedis();
  proxy = await startProxy(server);
});
afterAll(async () => {
  await proxy.close();
  await server.stop();
});
beforeEach(() => {
  prefix = `v${prefixes++}`;
});
afterEach(async () => {
  proxy.swallow = false;
  for (const end of ends.splice(0).toReversed()) await end();
});

describe.each<[string, (url: string) => Oldest | Newest]>([
  ["5.4.1", (url) => new Oldest(url)],
  ["the newest", (url) => new Newest(url)],
])("ioredis %s", (_, client) => {
  it("counts, tells and reads, and gives up a connection on which nothing comes any more", async () => {
    const redis = client(proxy.url);
    ends.push(() => redis.disconnect());
    const node = await startNode({ redis, prefix, ttl: 3_000, heartbeat: 300 });
    ends.push(() => node.close());
    await connect(node.url, "alice");
    await untilEqual(() => node.heard, ["+alice connect"]);
    proxy.swallow = true;
    await until("it is told", () => node.errors.length > 0);
    expect(node.errors[0]).toMatchObject({ code: "REDIS_UNAVAILABLE", details: { reason: "ETIMEDOUT" } });
    // A connection of which a part is missing never goes on.
    proxy.cut();
    proxy.swallow = false;
    await connect(node.url, "bob");
    // By its change, or by comparing with the users after the gap.
    await until("bob is heard of", () => node.heard.some((line) => /^\+bob (connect|resync)$/.test(line)));
    const reader = createReader({ redis, prefix });
    ends.push(() => reader.close());
    await untilEqual(async () => (await reader.counts()).users, 2);
    await using projector = createProjector({ redis, prefix });
    expect(await projector.sweep()).toMatchObject({ fenced: 0, rejected: 0 });
  });
});

it("ioredis 5.3 is refused to a server, a reader and a projector, with the version that is needed", async () => {
  const redis = new Before(server.url);
  ends.push(() => redis.disconnect());
  const refused = {
    code: "OPTIONS_INVALID",
    message: expect.stringContaining("ioredis 5.4 or later") as string,
  };
  await expect(startNode({ redis, prefix })).rejects.toMatchObject(refused);
  const reader = createReader({ redis, prefix });
  ends.push(() => reader.close());
  await expect(reader.counts()).rejects.toMatchObject(refused);
  await using projector = createProjector({ redis, prefix });
  await expect(projector.sweep()).rejects.toMatchObject(refused);
});

describe.each([
  // Below the range of the package, because npm only warns.
  ["1.35.2", UpstashBefore],
  ["1.35.3", UpstashOldest],
  ["the newest", UpstashNewest],
])("@upstash/redis %s", (_, Client) => {
  it("projects and reads, without a time-out, the first time and later", async () => {
    const token = "a-token-of-nobody";
    const bridge = await startBridge({ redis: server.url, token, readOnlyToken: `${token}-reads` });
    ends.push(() => bridge.close());
    const node = await startNode({ redis: server.url, prefix, project: false });
    ends.push(() => node.close());
    const ids = ["alice", "123", "\u{FEFF}bob"];
    for (const id of ids) await connect(node.url, id);
    const redis = new Client({ url: bridge.url, token });
    const projector = createProjector({ redis, prefix });
    const reader = createReader({ redis, prefix });
    await untilEqual(async () => {
      await projector.sweep();
      return (await reader.counts()).users;
    }, ids.length);
    const { users } = await reader.usersList();
    expect(users.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    for (let i = 0; i < 20; i++) expect(await reader.isOnline("123")).toBe(true);
  });
});
