/**
 * Goal: the processes of Rollcall tell balancers, Kubernetes and Prometheus how they are, and leave in an orderly way.
 * Method: the Node entries as processes, on a real Redis that stops, with kept connections and open streams.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { append, newPrefix, populate, problemIn } from "../../unit/http/support.ts";
import { type Entry, start, TOKEN } from "./support.ts";

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

const api = (more: Record<string, string> = {}) =>
  start("node.ts", { REDIS_URL: server.url, PORT: "0", ROLLCALL_TOKENS: TOKEN, ...more });
const worker = (more: Record<string, string> = {}) =>
  start("projector.ts", { REDIS_URL: server.url, ROLLCALL_HEALTH_PORT: "0", ...more });

async function addressOf(entry: Entry, what: "listening" | "probes" | "health"): Promise<string> {
  const [, url = ""] = await entry.prints(new RegExp(`${what} on (http://\\S+)`));
  return url;
}

const status = async (url: string) => (await fetch(url)).status;

/** A request over a connection that is kept. */
function get(url: string, agent: Agent, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { agent, headers }, resolve).on("error", reject).end();
  });
}

describe("the API", () => {
  it("has /ready and /metrics closed, open, or on a port of their own", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice"] });
    await using closed = api({ ROLLCALL_PREFIX: prefix });
    await using open = api({ ROLLCALL_PREFIX: prefix, ROLLCALL_PROBES: "open" });
    await using apart = api({ ROLLCALL_PREFIX: prefix, ROLLCALL_HEALTH_PORT: "0" });
    const statuses = async (url: string) =>
      Promise.all(["/health", "/serving", "/ready", "/metrics", "/v1/users", "/v1/counts"].map((path) => status(url + path)));
    expect(await statuses(await addressOf(closed, "listening"))).toEqual([200, 200, 401, 401, 401, 200]);
    expect(await statuses(await addressOf(open, "listening"))).toEqual([200, 200, 200, 200, 401, 200]);
    expect(await statuses(await addressOf(apart, "listening"))).toEqual([200, 200, 401, 401, 401, 200]);
    const probes = await addressOf(apart, "probes");
    expect(await statuses(probes)).toEqual([200, 200, 200, 200, 404, 404]);
    expect(await (await fetch(`${probes}/metrics`)).text()).toContain("rollcall_users 1");
  }); // prettier-ignore

  it("ends when the port of the probes is taken", async () => {
    await using first = api();
    const { port } = new URL(await addressOf(first, "listening"));
    await using second = api({ ROLLCALL_HEALTH_PORT: port });
    expect(await second.ended).toBe(1);
    expect(second.output()).toMatch(/PORT \d+ of HOST 127\.0\.0\.1 cannot be used \(EADDRINUSE\)/);
  });

  it("is not /serving before Redis has answered once, and stays so while Redis is away", async () => {
    const gone = await startRedis();
    await gone.stop();
    await using entry = api({ REDIS_URL: gone.url, ROLLCALL_PROBES: "open" });
    const url = await addressOf(entry, "listening");
    expect(await problemIn(await fetch(`${url}/serving`))).toMatchObject({ status: 503, code: "REDIS_UNAVAILABLE" });
    expect(await status(`${url}/health`)).toBe(200);
    const back = await startRedis({ port: gone.port });
    await untilEqual(() => status(`${url}/serving`), 200);
    await back.stop();
    await untilEqual(() => status(`${url}/ready`), 503);
    expect(await status(`${url}/serving`)).toBe(200);
    expect(await status(`${url}/health`)).toBe(200);
  }); // prettier-ignore

  it("serves on for its drain time after SIGTERM, says so, and then ends streams and connections", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice"] });
    await using entry = api({ ROLLCALL_PREFIX: prefix, ROLLCALL_PROBES: "open", ROLLCALL_DRAIN: "2000", ROLLCALL_HEALTH_PORT: "" });
    const url = await addressOf(entry, "listening");
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const before = await get(`${url}/health`, agent);
    expect([before.headers.connection, before.headers["keep-alive"]]).toEqual(["keep-alive", "timeout=65"]);
    before.resume();
    const stream = await fetch(`${url}/v1/counts`, { headers: { accept: "text/event-stream" } });
    let isStreaming = true;
    const text = stream.text().finally(() => (isStreaming = false));

    entry.child.kill("SIGTERM");
    await untilEqual(() => status(`${url}/serving`), 503);
    expect(await problemIn(await fetch(`${url}/ready`))).toMatchObject({ code: "SHUTTING_DOWN" });
    // Balancers do not know yet: their requests are answered, each with the wish for another connection.
    const meanwhile = await get(`${url}/v1/counts`, agent);
    expect([meanwhile.statusCode, meanwhile.headers.connection, isStreaming]).toEqual([200, "close", true]);
    meanwhile.resume();
    expect(await status(`${url}/health`)).toBe(200);

    expect(await text).toContain("event: counts");
    expect(await entry.ended).toBe(0);
    agent.destroy();
    expect(entry.output()).not.toMatch(/SHUTTING_DOWN|alice/);
  }); // prettier-ignore

  it("takes the time-outs of its connections from the environment", async () => {
    await using entry = api({ ROLLCALL_KEEP_ALIVE_TIMEOUT: "120000" });
    const url = await addressOf(entry, "listening");
    const agent = new Agent({ keepAlive: true });
    const response = await get(`${url}/health`, agent);
    expect(response.headers["keep-alive"]).toBe("timeout=120");
    response.resume();
    agent.destroy();
  });
});

describe("a worker", () => {
  /** A metric by its name. */
  const metricsOf = async (url: string) => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Object.fromEntries(
      [...text.matchAll(/^rollcall_worker_(\S+) (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]),
    ) as Record<string, number>;
  };

  it("tells how it is over 3 shards, through an outage, to its end", async () => {
    const shards = 3;
    const own = await startRedis();
    const prefix = newPrefix();
    await using entry = worker({ REDIS_URL: own.url, ROLLCALL_PREFIX: prefix, ROLLCALL_SHARDS: String(shards) });
    const url = await addressOf(entry, "health");
    await untilEqual(() => status(`${url}/ready`), 200);
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: "ok" });
    const admin = new Redis(own.url);
    await append(admin, { prefix, shards, users: ["alice", "bob", "carol"] });
    await until("they are folded", async () => (await metricsOf(url))["operations_total"] === 3);
    admin.disconnect();
    expect(await metricsOf(url)).toMatchObject({ changes_total: 3, left_records: 0, failing_shards: 0, reaped_total: 0 });

    await own.stop();
    await untilEqual(() => status(`${url}/ready`), 503, { every: 100 });
    // Nothing is stuck: it waits.
    expect(await status(`${url}/health`)).toBe(200);
    await using _back = await startRedis({ port: own.port });
    await untilEqual(() => status(`${url}/ready`), 200, { every: 100 });

    expect(await status(`${url}/v1/users`)).toBe(404);
    expect(await status(`${url}/`)).toBe(404);
    entry.child.kill("SIGTERM");
    expect(await entry.ended).toBe(0);
    expect(await (await fetch(url).catch(() => new Response("refused"))).text()).toBe("refused");
    expect(entry.output()).not.toMatch(/alice|redis:\/\//);
  }); // prettier-ignore

  it("counts failures by their code, and is not ready while one lasts", async () => {
    const prefix = newPrefix();
    await using entry = worker({ ROLLCALL_PREFIX: prefix });
    const url = await addressOf(entry, "health");
    await untilEqual(() => status(`${url}/ready`), 200);
    await redis.set(`{${prefix}}:users`, "of somebody else");
    await redis.xadd(`{${prefix}}:records`, "*", "a", "b");
    await until("it fails", async () => ((await metricsOf(url))['errors_total{code="REDIS_TYPE"}'] ?? 0) > 0);
    const response = await fetch(`${url}/ready`);
    expect(await problemIn(response)).toMatchObject({ status: 503, detail: "shard 0 cannot project: REDIS_TYPE" });
    expect(await (await fetch(`${url}/metrics`)).text()).not.toMatch(/somebody|redis:/);
    expect(await metricsOf(url)).toMatchObject({ failing_shards: 1 });
    expect(await status(`${url}/health`)).toBe(200);
  }); // prettier-ignore

  it("ends with code 1 when it can never project, and when its port is taken", async () => {
    await using first = worker({ ROLLCALL_PREFIX: newPrefix() });
    const { port } = new URL(await addressOf(first, "health"));
    await using second = worker({ ROLLCALL_PREFIX: newPrefix(), ROLLCALL_HEALTH_PORT: port });
    expect(await second.ended).toBe(1);
    expect(second.output()).toMatch(/EADDRINUSE/);
    const prefix = newPrefix();
    await redis.hset(`{${prefix}}:totals`, { protocol: "99", shards: "1" });
    await using third = worker({ ROLLCALL_PREFIX: prefix });
    expect(await third.ended).toBe(1);
    expect(third.output()).toMatch(/VERSION_MISMATCH/);
  });
});
