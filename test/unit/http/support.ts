/** What the tests of the API share: a real Redis a file, presence projected into it, and an app over it. */
import { randomUUID } from "node:crypto";
import type { Hono } from "hono";
import { Redis } from "ioredis";
import { afterAll, beforeAll } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { createApp, type AppOptions } from "../../../src/http/app.ts";
import type { ReaderOptions } from "../../../src/reader/options.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";

export const TOKEN = "a-token-for-the-tests-of-the-api";

export interface TestRedis {
  readonly server: RedisServer;
  readonly redis: Redis;
}

/** Starts a Redis before the tests of a file and ends it after; the object is filled by then. */
export function useRedis(): TestRedis {
  const test = {} as { -readonly [Name in keyof TestRedis]: TestRedis[Name] };
  beforeAll(async () => {
    test.server = await startRedis();
    test.redis = new Redis(test.server.url);
  });
  afterAll(async () => {
    test.redis.disconnect();
    await test.server.stop();
  });
  return test;
}

export function newPrefix(): string {
  return `test-${randomUUID()}`;
}

export interface Populate extends ReaderOptions {
  readonly prefix: string;
  readonly process?: string;
  /** Each entry opens one socket; the same id twice is two sockets. */
  readonly users: readonly string[];
  /** The lease, ms. */
  readonly ttl?: number;
  /** How long its users stay present after a dropped transport, ms. */
  readonly grace?: number;
}

/** Appends the records of one new process, in every shard. Projects nothing. */
export async function append(
  redis: Redis,
  { prefix, shards = 1, process = "web-1", users, ttl = 600_000, grace = 0 }: Populate,
): Promise<void> {
  const byShard = Array.from({ length: shards }, (): string[] => []);
  for (const user of users) byShard[shardOf(user, shards)]!.push(user);
  for (const [shard, ids] of byShard.entries()) {
    const pipeline = redis.pipeline();
    for (let seq = 1, sockets = 0; seq === 1 || sockets < ids.length; seq++) {
      // A list has at most 32,768 bytes: the longest ids of the tests fit as well.
      const connect = ids.slice(sockets, sockets + 100);
      sockets += connect.length;
      const record = encodeRecord({
        process,
        seq,
        ttl,
        connect,
        sockets,
        ...(seq === 1 && { about: { host: "host.example", pid: 42, version: "1.2.3", grace } }),
        ...(shard === 0 && { connections: users.length + 1 }),
      });
      pipeline.call("XADD", keysOf(prefix, shard, shards).records, "*", ...record);
    }
    for (const [error] of (await pipeline.exec())!) if (error !== null) throw error;
  }
}

/** Folds whatever there is. `now`, ms, stands in for the clock of Redis. */
export async function project(
  redis: Redis,
  { prefix, shards, now }: { prefix: string; shards?: number | undefined; now?: () => number },
): Promise<void> {
  const summary = await projectorOver(ioredisPort(redis), { prefix, shards }, { now }).sweep();
  if (!summary.idle || summary.rejected > 0 || summary.fenced > 0) throw new Error(JSON.stringify(summary));
}

/** Both: users who are present from now on. */
export async function populate(redis: Redis, options: Populate): Promise<void> {
  await append(redis, options);
  await project(redis, options);
}

export interface TestApp {
  readonly app: Hono;
  /** What the logger was told. */
  readonly logged: string[];
  /** A request with the token, unless `init` brings an Authorization of its own; `authorization: ""` sends none. */
  readonly request: (path: string, init?: RequestInit) => Promise<Response>;
  /** The body of a 200. Fails on any other status. */
  readonly get: <T = unknown>(path: string) => Promise<T>;
  readonly lookup: (body: unknown, headers?: Record<string, string>) => Promise<Response>;
}

export function appOver(redis: Redis, keys: ReaderOptions, options: Partial<AppOptions> = {}): TestApp {
  const logged: string[] = [];
  const log = (message: string) => void logged.push(message);
  const app = createApp({
    reader: readerOver(ioredisPort(redis), keys),
    tokens: [TOKEN],
    // Tests change what is there and ask again at once; sharing has tests of its own.
    reuse: 0,
    logger: { info: log, warn: log, error: log },
    ...options,
  });
  const request: TestApp["request"] = async (path, init = {}) => {
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", `Bearer ${TOKEN}`);
    if (headers.get("authorization") === "") headers.delete("authorization");
    return app.request(`http://api.example${path}`, { ...init, headers });
  };
  return {
    app,
    logged,
    request,
    async get<T>(path: string) {
      const response = await request(path);
      if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
    lookup: (body, headers = {}) =>
      request("/v1/users/lookup", {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        headers: { "content-type": "application/json", ...headers },
      }),
  };
}

export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
}

/** The problem of an answer, held to RFC 9457 and to the status it came with. */
export async function problemIn(response: Response): Promise<ProblemBody> {
  const body = (await response.json()) as ProblemBody;
  const type = response.headers.get("content-type");
  const sound =
    type === "application/problem+json" &&
    body.type === "about:blank" &&
    body.status === response.status &&
    [body.title, body.detail, body.code].every((text) => typeof text === "string" && text !== "") &&
    response.headers.get("cache-control") === "no-store";
  if (!sound) throw new Error(`no problem document: ${response.status} ${type} ${JSON.stringify(body)}`);
  return body;
}

/** Ids that something on the way would change, confuse or refuse, if it could. */
export const HOSTILE_IDS = [
  "__proto__",
  "constructor",
  "toString",
  "1e5",
  "0x10",
  "42",
  "-0",
  "007",
  "12345678901234567890",
  "true",
  "null",
  "undefined",
  "{}",
  "[1,2]",
  '{"a":1}',
  '"quoted"',
  "lookup",
  "🙂🧑🏽‍🚀",
  "名前",
  "e\u0301 and \u00e9",
  "a/b",
  "/",
  "%",
  "%2F",
  "100%25",
  "%ff",
  "line\nbreak",
  "carriage\rreturn",
  "tab\tnul\u0000bell\u0007",
  " ",
  " padded ",
  "a+b",
  "a&b=c?d#e",
  "..x",
  "\\",
  "\ufeffbom",
  "\u2028",
  "\ufffd",
  ":id",
  "*",
  "x".repeat(256),
  "é".repeat(128),
] as const;
