/**
 * Goal: every failure, of a request or behind the API, is answered with a problem document that says what to do and quotes
 * neither the request nor stored data. The log quotes neither.
 * Method: every kind of invalid request; and a Redis that hangs, is gone, or has a key of another type.
 */
import { Redis } from "ioredis";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createReader } from "../../../src/reader/create.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { readerOver, type Reader } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import {
  append,
  appOver,
  newPrefix,
  populate,
  problemIn,
  project,
  TOKEN,
  useRedis,
  type TestApp,
} from "./support.ts";

const test = useRedis();
/** In every bad request, so that no answer and no log line may contain it. */
const SECRET = "s3cr3t";

let prefix: string;
let api: TestApp;
beforeAll(async () => {
  prefix = newPrefix();
  await populate(test.redis, { prefix, users: [`${SECRET}-alice`] });
  api = appOver(test.redis, { prefix });
});

async function problem(response: Response) {
  const text = await response.clone().text();
  expect(text).not.toContain(SECRET);
  expect(text).not.toContain(TOKEN);
  return problemIn(response);
}

describe("400, the query", () => {
  it.each([
    "limit=0",
    "limit=-1",
    "limit=1001",
    "limit=10000",
    "limit=1.5",
    "limit=1e2",
    "limit=0x10",
    "limit=007",
    "limit=",
    "limit= 5",
    "limit=%2B5",
    "limit=Infinity",
    `limit=${SECRET}`,
    "limit=5&limit=5",
    "cursor=p0.0&cursor=p0.0",
    `${SECRET}=1`,
    "Limit=5",
    "offset=5",
    "limit[]=5",
    "__proto__=1",
    "__proto__[limit]=5",
    "constructor=1",
    "=",
  ])("GET /v1/users?%s", async (query) => {
    const response = await api.request(`/v1/users?${query}`);
    expect(await problem(response)).toMatchObject({ status: 400, code: "QUERY_INVALID" });
  });

  it.each([
    "",
    "0",
    "p",
    "p0",
    "p0.",
    "p0.-1",
    "p1.0",
    "p-1.0",
    "p0.18446744073709551616",
    "p0.99999999999999999999999",
    "P0.0",
    " p0.0",
    "p0.0%0a",
    "%00",
    "p0.0'",
    SECRET,
    "0-0",
  ])("GET /v1/users?cursor=%s", async (cursor) => {
    expect(await problem(await api.request(`/v1/users?cursor=${cursor}`))).toMatchObject({
      status: 400,
      code: "CURSOR_INVALID",
    });
  });

  it.each(["/v1/counts", "/v1/users/alice", "/v1/processes"])(
    "GET %s accepts no parameters",
    async (path) => {
      for (const query of ["cursor=p0.0", `${SECRET}=`, "__proto__=1"]) {
        expect(await problem(await api.request(`${path}?${query}`))).toMatchObject({
          status: 400,
          code: "QUERY_INVALID",
        });
      }
    },
  );

  it("an empty pair is ignored", async () => {
    expect((await api.request("/v1/users?&limit=5&")).status).toBe(200);
    expect((await api.request("/v1/counts?")).status).toBe(200);
  });

  it("/health and its like accept any parameter", async () => {
    for (const path of ["/health", "/ready"]) expect((await api.request(`${path}?t=1`)).status).toBe(200);
  });
});

describe("400, user ids", () => {
  it.each([
    ["too long", "x".repeat(257)],
    ["too long in bytes", encodeURIComponent("é".repeat(129))],
    ["no UTF-8", "%ff"],
    ["an encoded surrogate", "%ED%A0%80"],
    ["an overlong slash", "%C0%AF"],
    ["half a character", `${SECRET}%E2%82`],
    ["a stray percent sign", `${SECRET}%`],
    ["percent and no hex", "%zz"],
  ])("in the path: %s", async (_, id) => {
    expect(await problem(await api.request(`/v1/users/${id}`))).toMatchObject({
      status: 400,
      code: "USER_INVALID",
    });
  });

  it.each([
    ["empty", ""],
    ["too long", SECRET.repeat(100)],
    ["a lone surrogate", `${SECRET}\ud800`],
    ["a number", 42],
    ["null", null],
    ["a list", [SECRET]],
    ["an object", { id: SECRET }],
    ["a boolean", true],
  ])("in a body, with its place: %s", async (_, id) => {
    const found = await problem(await api.lookup({ ids: ["alice", "bob", id] }));
    expect(found).toMatchObject({ status: 400, code: "USER_INVALID" });
    expect(found.detail).toMatch(/^ids\[2\]: a user id must /);
  });
});

describe("the body of a lookup", () => {
  it.each([
    ["nothing", ""],
    ["no JSON", `{"ids": ["${SECRET}"`],
    ["two values", "{} {}"],
    ["a trailing comma", '{"ids": ["a",]}'],
    ["a number", "1"],
    ["null", "null"],
    ["a list", '["a"]'],
    ["a string", `"${SECRET}"`],
    ["no ids", "{}"],
    ["another name", `{"${SECRET}": ["a"]}`],
    ["ids that are no list", `{"ids": "${SECRET}"}`],
    ["ids as an object", '{"ids": {"length": 1, "0": "a"}}'],
    ["ids and more", `{"ids": ["a"], "${SECRET}": 1}`],
    ["a prototype", '{"ids": ["a"], "__proto__": {"x": 1}}'],
    ["a prototype alone", '{"__proto__": {"ids": ["a"]}}'],
    ["1,001 ids", JSON.stringify({ ids: Array.from({ length: 1001 }, (_, i) => `u${i}`) })],
    ["50,000 ids", JSON.stringify({ ids: Array.from({ length: 50_000 }, () => "u") })],
    ["deep nesting", "[".repeat(100_000)],
  ])("400: %s", async (_, body) => {
    expect(await problem(await api.lookup(body))).toMatchObject({ status: 400, code: "BODY_INVALID" });
  });

  it("400: invalid UTF-8, which would become another user's id", async () => {
    const body = new Uint8Array([
      ...new TextEncoder().encode('{"ids": ["a'),
      0xff,
      ...new TextEncoder().encode('"]}'),
    ]);
    const response = await api.request("/v1/users/lookup", {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
    });
    expect(await problem(response)).toMatchObject({ status: 400, code: "BODY_INVALID" });
  });

  it("1,000 ids of the greatest length fit, however they are encoded", async () => {
    const ids = Array.from({ length: 1000 }, (_, i) => "\u0001".repeat(252) + String(i).padStart(4, "0"));
    const response = await api.lookup({ ids });
    expect(response.status).toBe(200);
    expect(((await response.json()) as { users: unknown[] }).users).toHaveLength(1000);
  });

  it("413: a longer body, with or without Content-Length", async () => {
    const body = " ".repeat(1_600_000);
    expect(await problem(await api.lookup(body))).toMatchObject({ status: 413, code: "BODY_TOO_LARGE" });
    const announced = await api.lookup("{}", { "content-length": String(10 ** 9) });
    expect(await problem(announced)).toMatchObject({ status: 413, code: "BODY_TOO_LARGE" });
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(0x20)),
    });
    const endless = await api.request("/v1/users/lookup", {
      method: "POST",
      body: stream,
      duplex: "half",
      headers: { "content-type": "application/json" },
    } as RequestInit);
    expect(await problem(endless)).toMatchObject({ status: 413, code: "BODY_TOO_LARGE" });
  });

  it.each(["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "text/json", SECRET])(
    "415: the type %j",
    async (type) => {
      const response = await api.lookup({ ids: ["a"] }, { "content-type": type });
      expect(await problem(response)).toMatchObject({ status: 415, code: "MEDIA_TYPE_UNSUPPORTED" });
    },
  );

  it("415: a compressed body", async () => {
    const response = await api.lookup({ ids: ["a"] }, { "content-encoding": "gzip" });
    expect(await problem(response)).toMatchObject({ status: 415, code: "MEDIA_TYPE_UNSUPPORTED" });
  });

  it.each([
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON;charset=UTF-8",
    "application/json ;x",
  ])("the type %j is accepted", async (type) => {
    expect((await api.lookup({ ids: ["a"] }, { "content-type": type })).status).toBe(200);
  });
});

describe("404 and 405", () => {
  it.each([
    "/v1",
    "/v1/",
    "/v1/users/",
    "/v1/users/a/b",
    "/v1/count",
    "/V1/counts",
    `/${SECRET}`,
    "/v1/counts/",
    "//",
  ])("404: %s", async (path) => {
    expect(await problem(await api.request(path))).toMatchObject({ status: 404, code: "NOT_FOUND" });
  });

  it.each([
    ["/health", "GET, HEAD"],
    ["/ready", "GET, HEAD"],
    ["/v1/counts", "GET, HEAD"],
    ["/v1/users", "GET, HEAD"],
    [`/v1/users/${SECRET}`, "GET, HEAD"],
    ["/v1/processes", "GET, HEAD"],
    ["/v1/users/lookup", "GET, HEAD, POST"],
  ])("405: %s takes %s", async (path, allow) => {
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"]) {
      if (allow.includes(method)) continue;
      const response = await api.request(path, { method });
      expect(await problem(response)).toMatchObject({ status: 405, code: "METHOD_NOT_ALLOWED" });
      expect(response.headers.get("allow")).toBe(allow);
    }
  });
});

describe("503", () => {
  const READS = ["/v1/counts", "/v1/users", `/v1/users/${SECRET}`, "/v1/processes", "/ready"];

  it("when Redis hangs, after the timeout", async () => {
    await using server = await startRedis();
    const client = new Redis(server.url);
    onTestFinished(() => client.disconnect());
    const { request, lookup, logged } = appOver(client, { prefix }, { timeout: 100 });
    await client.ping();
    process.kill(server.pid, "SIGSTOP");
    // Redis goes on only after all of them were answered.
    const answers = await Promise.all([...READS.map((path) => request(path)), lookup({ ids: [SECRET] })]);
    for (const response of answers) {
      expect(await problem(response)).toMatchObject({ status: 503, code: "REDIS_UNAVAILABLE" });
      expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    }
    expect((await request("/health")).status).toBe(200);
    expect(logged.sort()).toEqual(
      [
        "GET /ready",
        "GET /v1/counts",
        "GET /v1/processes",
        "GET /v1/users",
        "GET /v1/users/:id",
        "POST /v1/users/lookup",
      ]
        .map((route) => `${route}: 503 REDIS_UNAVAILABLE: Redis did not answer within 100 ms`)
        .sort(),
    );
    process.kill(server.pid, "SIGCONT");
    await expect.poll(async () => (await request("/v1/counts")).status).toBe(200);
  });

  it("when Redis is gone, and 200 again once it is back", async () => {
    const first = await startRedis();
    const reader = createReader({ redis: first.url, prefix });
    onTestFinished(() => reader.close());
    const { request, logged } = appOver(test.redis, { prefix }, { reader });
    expect((await request("/v1/counts")).status).toBe(200);
    await first.stop();
    for (const path of READS) {
      const response = await request(path);
      expect(await problem(response)).toMatchObject({ status: 503, code: "REDIS_UNAVAILABLE" });
    }
    expect((await request("/health")).status).toBe(200);
    expect(logged).toHaveLength(READS.length);
    expect(logged.join()).not.toContain(SECRET);

    await using again = await startRedis({ port: first.port });
    await expect.poll(async () => (await request("/v1/counts")).status, { timeout: 25_000 }).toBe(200);
    expect(again.port).toBe(first.port);
  });

  it("when Redis refuses the credentials", async () => {
    await test.redis.call(
      "ACL",
      "SETUSER",
      "nobody",
      "on",
      `>${SECRET}`,
      "+auth",
      "+multi",
      "+exec",
      "+time",
      "~*",
    );
    const client = new Redis(test.server.url, {
      username: "nobody",
      password: SECRET,
      enableReadyCheck: false,
    });
    client.on("error", () => {});
    onTestFinished(() => client.disconnect());
    const { request, logged } = appOver(client, { prefix });
    expect(await problem(await request("/v1/counts"))).toMatchObject({ status: 500, code: "PERMISSION" });
    expect(logged.join()).toMatch(/^GET \/v1\/counts: 500 PERMISSION: .*may not run [A-Z]+: allow it/);
    expect(logged.join()).not.toContain(SECRET);
  });

  it("from /ready when the projector is overdue, with how old the answers are", async () => {
    const own = newPrefix();
    const late = { prefix: own, now: () => Date.now() - 3_600_000 };
    await append(test.redis, { prefix: own, users: ["alice"], ttl: 1_000 });
    await project(test.redis, late);
    const { request } = appOver(test.redis, { prefix: own });
    const response = await request("/ready");
    expect(await response.clone().json()).toMatchObject({
      asOf: { stale: true, lag: { records: 0, ms: 0 } },
    });
    expect(await problem(response)).toMatchObject({
      status: 503,
      code: "PROJECTOR_STALE",
      detail: "the projector is overdue",
    });
    expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect((await request("/v1/counts")).status).toBe(200);
    await project(test.redis, { prefix: own });
    expect((await request("/ready")).status).toBe(200);
  });
});

describe("500", () => {
  it("when a key holds another type: the log names the key, the answer does not", async () => {
    const own = newPrefix();
    await test.redis.set(keysOf(own, 0, 1).users, SECRET);
    const { request, logged } = appOver(test.redis, { prefix: own });
    expect(await problem(await request(`/v1/users/${SECRET}`))).toMatchObject({
      status: 500,
      code: "REDIS_TYPE",
    });
    expect(logged).toEqual([expect.stringMatching(/^GET \/v1\/users\/:id: 500 REDIS_TYPE: .*another type/)]);
    expect(logged.join()).not.toContain(SECRET);
  });

  it("when the prefix has another number of shards", async () => {
    const own = newPrefix();
    await populate(test.redis, { prefix: own, shards: 4, users: ["alice"] });
    const { request, logged } = appOver(test.redis, { prefix: own, shards: 2 });
    expect(await problem(await request("/v1/counts"))).toMatchObject({
      status: 500,
      code: "SHARDS_MISMATCH",
    });
    expect(logged).toEqual([
      expect.stringMatching(/^GET \/v1\/counts: 500 SHARDS_MISMATCH: .*4 shard.*not 2/),
    ]);
  });

  it("for a bug: the log has its kind and place, and its message appears nowhere", async () => {
    const bug = Object.assign(new TypeError(`cannot read ${SECRET}\n    at ${SECRET} (file.ts:1:2)`), {
      code: `${SECRET} not a code`,
    });
    const reader: Reader = {
      ...readerOver(ioredisPort(test.redis), { prefix }),
      counts: () => Promise.reject(bug),
    };
    const { request, logged } = appOver(test.redis, { prefix }, { reader });
    expect(await problem(await request("/v1/counts"))).toMatchObject({ status: 500, code: "INTERNAL" });
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatch(/^GET \/v1\/counts: 500 INTERNAL \(TypeError\)\n\s+at /);
    expect(logged[0]).not.toContain(SECRET);
  });
});

it("no part of an invalid request is logged", () => {
  expect(api.logged).toEqual([]);
});
