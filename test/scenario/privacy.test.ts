/**
 * Goal: docs/privacy.md is right: which keys hold user ids, host names and nothing of a connection; that no log line, metric or problem
 * document names a user; and that nothing is left after forget(), or when the retention time has passed.
 * Method: real servers, sockets and requests that carry marks wherever a client can put one, and then a search of everything.
 */
import { hostname } from "node:os";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../packages/local-redis/src/index.ts";
import { connect, startNode } from "../../rig/node.ts";
import { type Proxy, startProxy } from "../../rig/proxy.ts";
import { until } from "../../rig/until.ts";
import { createApp } from "../../src/http/app.ts";
import { createProjector } from "../../src/projector/create.ts";
import { projectorOver } from "../../src/projector/projector.ts";
import { createReader } from "../../src/reader/create.ts";
import { ioredisPort } from "../../src/redis/ioredis.ts";

const USER = "user-mark";
const GRACED = "user-mark-in-grace";
const TOKEN = "a-token-of-the-test-of-privacy";
/** What only a connection has: addresses, headers, names. */
const CONNECTION = ["203.0.113.7", "cookie-mark", "agent-mark", "query-mark", "name-mark", "127.0.0.1"];

let server: RedisServer;
let redis: Redis;
let proxy: Proxy;
const closing: { close(): Promise<unknown> | void }[] = [];
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterEach(async () => {
  for (const one of closing.splice(0).toReversed()) await one.close();
  await redis.flushall();
});
afterAll(async () => {
  await redis.quit();
  await server.stop();
});

/** Every key with all that it holds, as text. */
async function everything(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const key of await redis.keys("*")) {
    const read: Record<string, () => Promise<unknown>> = {
      hash: () => redis.hgetall(key),
      zset: () => redis.zrange(key, "0", "-1"),
      stream: () => redis.xrange(key, "-", "+"),
      string: () => redis.get(key),
    };
    const type = await redis.type(key);
    // A key may expire between two commands.
    if (type !== "none") found.set(key, JSON.stringify(await read[type]!()));
  }
  return found;
}

/** The names of the keys that hold the mark, without their tags. */
function naming(all: ReadonlyMap<string, string>, mark: string): string[] {
  const found = [...all].filter(([, text]) => text.includes(mark));
  return [...new Set(found.map(([key]) => key.replace(/^.*:/, ":")))].sort();
}

function logger() {
  const lines: string[] = [];
  const log = (line: unknown) => void lines.push(String(line));
  return { lines, info: log, warn: log, error: log };
}

async function start(grace = 0) {
  const log = logger();
  proxy = await startProxy(server);
  closing.push(proxy);
  const node = await startNode({ redis: proxy.url, prefix: "privacy", ttl: 1_000, grace, logger: log });
  closing.push(node);
  const reader = createReader({ redis: proxy.url, prefix: "privacy" });
  closing.push(reader);
  const app = createApp({ reader, tokens: [TOKEN], counts: "open", logger: log });
  const ask = async (
    path: string,
    init: Omit<RequestInit, "headers"> & { headers?: Record<string, string> } = {},
  ) => {
    const headers = { "x-forwarded-for": "203.0.113.7", ...init.headers };
    const response = await app.fetch(new Request(`http://api.test${path}`, { ...init, headers }));
    return {
      status: response.status,
      text: await response.text(),
      headers: JSON.stringify([...response.headers]),
    };
  };
  return { log, node, ask };
}

const handshake = {
  extraHeaders: {
    cookie: "session=cookie-mark",
    "user-agent": "agent-mark",
    "x-forwarded-for": "203.0.113.7",
  },
  query: { q: "query-mark" },
};

it("user ids are in five keys, host names in the keys of processes, and nothing else of a connection is anywhere", async () => {
  const { node } = await start(60_000);
  const client = await connect(node.url, USER, { ...handshake, auth: { user: USER, name: "name-mark" } });
  await until("online", () => node.heard.includes(`+${USER} connect`));
  // Not a record, as something that writes to the log by mistake.
  await redis.xadd("{privacy}:records", "*", "user", USER);
  await until("set aside", async () => (await redis.xlen("{privacy}:rejected")) > 0);
  // One that is not folded, on a shard where nobody projects.
  await redis.xadd("{privacy:unfolded}:records", "*", "connect", `["${USER}"]`);
  const graced = await connect(node.url, GRACED);
  await until("online", () => node.heard.includes(`+${GRACED} connect`));
  graced.io.engine.close();
  await until("in grace", async () => (await redis.zcard("{privacy}:leaving")) > 0);
  const all = await everything();
  expect(naming(all, USER)).toEqual([":changes", ":leaving", ":records", ":rejected", ":users"]);
  for (const key of naming(all, hostname()))
    expect([":about", ":processes", ":records", ":states", ":totals"]).toContain(key);
  for (const mark of CONNECTION) expect(naming(all, mark), mark).toEqual([]);
  client.disconnect();
});

it("no log line, metric, problem document or header names a user, while all goes well and while Redis is away", async () => {
  const { log, node, ask } = await start();
  const client = await connect(node.url, USER);
  await until("online", () => node.heard.includes(`+${USER} connect`));
  const authorization = { authorization: `Bearer ${TOKEN}` };
  const requests = async () => [
    await ask("/metrics", { headers: authorization }),
    await ask("/v1/counts"),
    await ask(`/v1/users/${USER}`),
    await ask(`/v1/users/${USER}/${USER}`, { headers: authorization }),
    await ask(`/v1/users?cursor=${USER}`, { headers: authorization }),
    await ask(`/v1/changes?after=${USER}`, { headers: authorization }),
    await ask(`/v1/users/${USER.padEnd(300, "x")}`, { headers: authorization }),
    await ask(`/v1/${USER}`, { headers: authorization }),
    await ask("/v1/users/lookup", { method: "POST", body: `{"ids":["${USER}",1]}`, headers: { ...authorization, "content-type": "application/json" } }),
    await ask("/v1/counts", { headers: { authorization: `Bearer ${USER}-${USER}` } }),
  ]; // prettier-ignore
  const well = await requests();
  expect(well[0]).toMatchObject({ status: 200 });
  // What may name it does: who has the token sees it.
  expect((await ask(`/v1/users/${USER}`, { headers: authorization })).text).toContain(USER);
  proxy.refuse = true;
  proxy.cut();
  await until("an outage is logged", () => log.lines.length > 0);
  const away = [
    ...(await requests()),
    await ask(`/v1/users/${USER}-2`, { headers: authorization }),
    await ask("/v1/counts"),
  ];
  expect(away.some(({ status }) => status === 503)).toBe(true);
  proxy.refuse = false;
  for (const [i, { text, headers, status }] of [...well, ...away].entries()) {
    // The answer to a lookup that succeeded is none of these.
    if (status < 400 && i !== 0 && !text.includes("rollcall_")) continue;
    // `last`, the last known answer, is what the same token could read a moment ago.
    const problem = text.startsWith("{")
      ? JSON.stringify({ ...(JSON.parse(text) as object), last: undefined })
      : text;
    expect(problem + headers, `request ${i}`).not.toContain(USER);
  }
  expect(log.lines.join("\n")).not.toContain(USER);
  for (const mark of CONNECTION.slice(0, 5)) expect(log.lines.join("\n")).not.toContain(mark);
  for (const error of node.errors) expect(error.message).not.toContain(USER);
  client.disconnect();
});

it("forget() leaves nothing, from a server and from a worker", async () => {
  const { node } = await start();
  await using worker = createProjector({ redis: server.url, prefix: "privacy" });
  for (const forget of [(id: string) => node.presence.forget(id), (id: string) => worker.forget(id)]) {
    const client = await connect(node.url, USER);
    await until("online", () => node.presence.isOnline(USER));
    await expect(forget(USER)).rejects.toMatchObject({ code: "USER_PRESENT" });
    client.disconnect();
    await until("offline", async () => !(await node.presence.isOnline(USER)));
    expect(naming(await everything(), USER)).toEqual([":changes"]);
    await forget(USER);
    expect(naming(await everything(), USER)).toEqual([]);
  }
  expect(node.errors).toEqual([]);
});

it("a week later nothing is left of users and servers, if something still calls the projector", async () => {
  const { node } = await start();
  const client = await connect(node.url, USER);
  await until("online", () => node.presence.isOnline(USER));
  await redis.xadd("{privacy}:records", "*", "user", USER);
  client.disconnect();
  await until("offline", async () => !(await node.presence.isOnline(USER)));
  await node.close();
  expect(naming(await everything(), USER)).toEqual([":changes", ":rejected"]);
  let now = Date.now();
  const later = projectorOver(ioredisPort(redis), { prefix: "privacy" }, { now: () => now });
  let { due } = await later.sweep();
  for (let sweeps = 0; due !== null; sweeps++) {
    expect(sweeps).toBeLessThan(10);
    now = due;
    ({ due } = await later.sweep());
  }
  expect(now).toBeLessThan(Date.now() + 8 * 86_400_000);
  const all = await everything();
  expect(naming(all, USER)).toEqual([]);
  expect(naming(all, hostname())).toEqual([]);
});
