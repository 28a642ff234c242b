/**
 * Goal: both Node entries work as processes: they say when they are ready, do their work over a real Redis, refuse a
 * wrong environment in one line, and end with code 0 at SIGTERM and SIGINT, after what is under way.
 * Method: real child processes with an environment of exactly what each test names.
 */
import { Agent, request } from "node:http";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { aclRules } from "../../../src/core/access.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import type { Counts, UsersPage } from "../../../src/reader/reader.ts";
import { versionOf } from "../../unit/access/support.ts";
import { append, newPrefix, populate, problemIn } from "../../unit/http/support.ts";
import { untilEqual } from "../../../rig/until.ts";
import { READ_ONLY_TOKEN, start, startTappedBridge, TOKEN } from "./support.ts";

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

const LISTENING = /listening on (http:\/\/\S+)/;
const authorization = `Bearer ${TOKEN}`;

const serving = (more: Record<string, string> = {}) =>
  start("node.ts", { REDIS_URL: server.url, PORT: "0", ROLLCALL_TOKENS: TOKEN, ...more });

describe("node.ts", () => {
  it("serves the API over REDIS_URL", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, shards: 4, users: ["alice", "bob"] });
    await using entry = serving({ ROLLCALL_PREFIX: prefix, ROLLCALL_SHARDS: "4" });
    const [, url] = await entry.prints(LISTENING);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const [, dashboard] = await entry.prints(/dashboard on (http:\/\/\S+)/);
    expect((await fetch(dashboard!)).headers.get("content-type")).toMatch("text/html");
    const counts = (await (await fetch(`${url}/v1/counts`)).json()) as Counts;
    expect(counts).toMatchObject({ users: 2, sockets: 2, asOf: { stale: false } });
    const page = (await (await fetch(`${url}/v1/users`, { headers: { authorization } })).json()) as UsersPage;
    expect(page.users.length).toBeGreaterThan(0);
    expect(await problemIn(await fetch(`${url}/v1/users`))).toMatchObject({ code: "TOKEN_MISSING" });
    expect((await fetch(`${url}/ready`, { headers: { authorization } })).status).toBe(200);
  });

  it.each([1, 4])(
    "the Redis user of a reader suffices, over %i shard(s), and cannot write",
    async (shards) => {
      const prefix = newPrefix();
      const rules = aclRules({ role: "reader", prefix, shards, redis: await versionOf(redis) });
      await redis.call("ACL", "SETUSER", "reader", ...rules, ">a-password-0123");
      await populate(redis, { prefix, shards, users: ["alice"] });
      const url = server.url.replace("redis://", "redis://reader:a-password-0123@");
      await using entry = serving({
        REDIS_URL: url,
        ROLLCALL_PREFIX: prefix,
        ROLLCALL_SHARDS: String(shards),
      });
      const [, api] = await entry.prints(LISTENING);
      for (const path of ["counts", "users", "users/alice", "processes", "changes"]) {
        const response = await fetch(`${api}/v1/${path}`, { headers: { authorization } });
        expect([path, response.status]).toEqual([path, 200]);
      }
      expect((await fetch(`${api}/metrics`, { headers: { authorization } })).status).toBe(200);
      const reader = new Redis(url);
      await expect(reader.hset(keysOf(prefix, 0, shards).users, "mallory", 1)).rejects.toThrow("NOPERM");
      reader.disconnect();
    },
  );

  it("ends event streams at SIGTERM, so that their clients come back elsewhere", async () => {
    await using tap = await startTappedBridge(server.url);
    await using entry = start("node.ts", {
      UPSTASH_REDIS_REST_URL: tap.url,
      UPSTASH_REDIS_REST_READONLY_TOKEN: READ_ONLY_TOKEN,
      ROLLCALL_PREFIX: newPrefix(),
      PORT: "0",
    });
    const [, url] = await entry.prints(LISTENING);
    const stream = await fetch(`${url}/v1/counts`, { headers: { accept: "text/event-stream" } });
    expect(stream.headers.get("content-type")).toBe("text/event-stream");
    const rest = stream.text();
    entry.child.kill("SIGTERM");
    expect(await rest).toContain("event: counts");
    // Nothing goes on asking for a stream that has ended, once a second until its next sign of life after 15 s: at most what
    // was under way.
    const before = tap.sent.length;
    expect(await entry.ended).toBe(0);
    expect(tap.sent.length - before).toBeLessThanOrEqual(1);
  });

  it("serves it over Upstash's variables with the token that cannot write", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice"] });
    await using tap = await startTappedBridge(server.url);
    await using entry = start("node.ts", {
      UPSTASH_REDIS_REST_URL: tap.url,
      UPSTASH_REDIS_REST_READONLY_TOKEN: READ_ONLY_TOKEN,
      ROLLCALL_TOKENS: TOKEN,
      ROLLCALL_PREFIX: prefix,
      PORT: "0",
    });
    const [, url] = await entry.prints(LISTENING);
    const answer = await fetch(`${url}/v1/users/alice`, { headers: { authorization } });
    expect(await answer.json()).toMatchObject({ id: "alice", online: true });
    expect(new Set(tap.sent.map(({ token }) => token))).toEqual(new Set([READ_ONLY_TOKEN]));
  });

  it("takes a large lookup and refuses one that is too large", async () => {
    await using entry = serving({ ROLLCALL_PREFIX: newPrefix() });
    const [, url] = await entry.prints(LISTENING);
    const post = (body: string) =>
      fetch(`${url}/v1/users/lookup`, {
        method: "POST",
        body,
        headers: { authorization, "content-type": "application/json" },
      });
    const ids = Array.from({ length: 1000 }, (_, i) => `${"é".repeat(120)}${i}`);
    expect((await post(JSON.stringify({ ids }))).status).toBe(200);
    expect(await problemIn(await post(" ".repeat(2_000_000)))).toMatchObject({ status: 413 });
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it.each(["SIGTERM", "SIGINT"] as const)(
    "ends with code 0 at %s, idle connections or not",
    async (signal) => {
      await using entry = serving();
      const [, url] = await entry.prints(LISTENING);
      const agent = new Agent({ keepAlive: true });
      await new Promise<void>((resolve, reject) => {
        request(`${url}/health`, { agent }, (response) => response.resume().on("end", resolve))
          .on("error", reject)
          .end();
      });
      entry.child.kill(signal);
      expect(await entry.ended).toBe(0);
      agent.destroy();
    },
  );

  it("answers at SIGTERM the requests under way, and accepts no new ones", async () => {
    await using own = await startRedis();
    await using entry = serving({ REDIS_URL: own.url });
    const [, url] = await entry.prints(LISTENING);
    expect((await fetch(`${url}/v1/counts`)).status).toBe(200);
    // A Redis that stands still keeps the request under way.
    process.kill(own.pid, "SIGSTOP");
    const pending = fetch(`${url}/v1/counts`);
    // It has been taken once the ones after it, which ask no Redis, are answered.
    await fetch(`${url}/health`);
    await fetch(`${url}/health`);
    entry.child.kill("SIGTERM");
    await untilEqual(
      () =>
        fetch(`${url}/health`).then(
          () => "answered",
          () => "refused",
        ),
      "refused",
    );
    process.kill(own.pid, "SIGCONT");
    expect((await pending).status).toBe(200);
    expect(await entry.ended).toBe(0);
  });

  it("starts without Redis, answers 503, and 200 once Redis is up", async () => {
    const gone = await startRedis();
    await gone.stop();
    await using entry = serving({ REDIS_URL: gone.url });
    const [, url] = await entry.prints(LISTENING);
    const crowd = await Promise.all(Array.from({ length: 50 }, () => fetch(`${url}/v1/counts`)));
    for (const response of crowd)
      expect(await problemIn(response)).toMatchObject({ code: "REDIS_UNAVAILABLE" });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    await using _back = await startRedis({ port: gone.port });
    await untilEqual(async () => (await fetch(`${url}/v1/counts`)).status, 200);
    entry.child.kill("SIGTERM");
    expect(await entry.ended).toBe(0);
    expect(entry.output()).not.toMatch(/Warning|Unhandled|node_modules/);
  });

  it.each([
    ["nothing to read from", { REDIS_URL: "" }, /REDIS_URL and UPSTASH_REDIS_REST_URL are both missing/],
    [
      "two to read from",
      { UPSTASH_REDIS_REST_URL: "http://x" },
      /REDIS_URL and UPSTASH_REDIS_REST_URL are both set/,
    ],
    ["another protocol", { REDIS_URL: "http://user:s3cr3t@host" }, /REDIS_URL: redis must begin with redis:/],
    ["a short token", { ROLLCALL_TOKENS: "s3cr3t" }, /ROLLCALL_TOKENS: tokens\[0\] has 6 characters/],
    ["no shards", { ROLLCALL_SHARDS: "0" }, /ROLLCALL_SHARDS: shards must be a whole number from 1/],
    ["a port that is none", { PORT: "70000" }, /PORT: port must be a whole number from 0 to 65535/],
  ])("refuses %s in one line, with code 1", async (_, more, message) => {
    await using entry = serving(more);
    expect(await entry.ended).toBe(1);
    expect(entry.output()).toMatch(message);
    expect(entry.output().trim().split("\n")).toHaveLength(1);
    expect(entry.output()).not.toContain("s3cr3t");
  });

  it("refuses a port that is taken, and keeps nothing open", async () => {
    await using first = serving();
    const [, url] = await first.prints(LISTENING);
    await using second = serving({ PORT: new URL(url!).port });
    expect(await second.ended).toBe(1);
    expect(second.output()).toMatch(
      /PORT \d+ of HOST 127\.0\.0\.1 cannot be used \(EADDRINUSE\): choose another/,
    );
  });
});

describe("projector.ts", () => {
  it.each([
    [1, "SIGTERM"],
    [4, "SIGINT"],
  ] as const)(
    "folds over %i shard(s) what is appended before and after it starts, and ends at %s",
    async (shards, signal) => {
      const prefix = newPrefix();
      await append(redis, { prefix, shards, process: "before", users: ["alice", "bob"] });
      await using entry = start("projector.ts", {
        REDIS_URL: server.url,
        ROLLCALL_PREFIX: prefix,
        ROLLCALL_SHARDS: String(shards),
      });
      await entry.prints(/projecting test-\S+, \d shard\(s\)/);
      const users = async () => {
        const keys = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards).users);
        return (await Promise.all(keys.map((key) => redis.hkeys(key)))).flat().sort();
      };
      await untilEqual(users, ["alice", "bob"]);
      await append(redis, { prefix, shards, process: "after", users: ["carol", "dave"] });
      await untilEqual(users, ["alice", "bob", "carol", "dave"]);
      entry.child.kill(signal);
      expect(await entry.ended).toBe(0);
      expect(entry.output()).not.toMatch(/alice|carol|redis:\/\//);
    },
  );

  it("waits for a Redis that is down, and still ends on a signal", async () => {
    const gone = await startRedis();
    await gone.stop();
    await using entry = start("projector.ts", { REDIS_URL: gone.url });
    await entry.prints(/cannot connect to Redis at 127\.0\.0\.1:\d+: ECONNREFUSED/);
    entry.child.kill("SIGTERM");
    expect(await entry.ended).toBe(0);
  });

  it("needs REDIS_URL, and does not take Upstash's variables instead: REST has no blocking reads", async () => {
    await using entry = start("projector.ts", {
      UPSTASH_REDIS_REST_URL: "http://x",
      UPSTASH_REDIS_REST_TOKEN: TOKEN,
    });
    expect(await entry.ended).toBe(1);
    expect(entry.output().trim()).toBe("OPTIONS_INVALID: REDIS_URL is not set");
  });
});
