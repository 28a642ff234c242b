/**
 * Goal: the Worker serves the API with credentials that cannot write and has no others at hand (INV-8), and its cron
 * projects: it folds appended records and reaps dead processes.
 * Method: the Worker as wrangler bundles it, in workerd, over REST to a real Redis; a tap in front of the bridge logs every
 * command with its credentials.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { deriveRecordKeys } from "../../../src/projector/record-keys.ts";
import { signed } from "../../../src/recorder/sign.ts";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import type { Counts, ProcessesAnswer, UsersAnswer, UsersPage } from "../../../src/reader/reader.ts";
import { append, HOSTILE_IDS, newPrefix, populate, problemIn, project } from "../../unit/http/support.ts";
import { absent, userOf } from "../../../rig/answers.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { startWorkerd, type StartedWorker, type WorkerOptions } from "../../../rig/workerd.ts";
import { READ_ONLY_TOKEN, startTappedBridge, TOKEN, WRITE_TOKEN, type Tap } from "./support.ts";

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

interface TestWorker extends StartedWorker {
  /** With the token, unless `init` says otherwise. */
  readonly get: (path: string, init?: RequestInit) => Promise<Response>;
}

async function startWorker(variables: Record<string, string>, options?: WorkerOptions): Promise<TestWorker> {
  const worker = await startWorkerd(variables, options);
  const headers = { authorization: `Bearer ${TOKEN}` };
  return { ...worker, get: (path, init = {}) => fetch(worker.url + path, { headers, ...init }) };
}

/** SWEEP_INTERVAL for one sweep a minute. */
const ONCE = "60000";

/** Everything fetch needs and no more: in particular nothing that could write. */
const reading = (prefix: string, shards = 1) => ({
  UPSTASH_REDIS_REST_URL: tap.url,
  UPSTASH_REDIS_REST_READONLY_TOKEN: READ_ONLY_TOKEN,
  ROLLCALL_TOKENS: `${TOKEN}, another-token-0123456789`,
  ROLLCALL_PREFIX: prefix,
  ROLLCALL_SHARDS: String(shards),
});

describe.each([1, 4])("fetch, over %i shard(s)", (shards) => {
  let worker: TestWorker;
  const users = [...HOSTILE_IDS, ...Array.from({ length: 1_500 }, (_, i) => `user-${i}`)];
  beforeAll(async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, shards, users });
    worker = await startWorker(reading(prefix, shards));
  });
  afterAll(() => worker[Symbol.asyncDispose]());

  it("answers every route with the read-only credentials, and sends nothing but reads", async () => {
    const json = async <T>(path: string) => {
      const response = await worker.get(path);
      expect([path, response.status]).toEqual([path, 200]);
      return (await response.json()) as T;
    };
    expect(await json("/health")).toEqual({ status: "ok" });
    // As it is kept: a Worker would compress what is compressed already.
    for (const encoding of ["gzip", "identity"]) {
      const page = await worker.get("/", { headers: { "accept-encoding": encoding } });
      expect(page.headers.get("content-encoding")).toBe(encoding === "gzip" ? "gzip" : null);
      expect(await page.text()).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    }
    expect((await worker.get("/", { method: "HEAD", headers: {} })).headers.get("content-type")).toMatch(
      "text/html",
    );
    expect(tap.sent).toEqual([]);

    const counts = await json<Counts>("/v1/counts");
    expect(counts).toMatchObject({ users: users.length, sockets: users.length, asOf: { stale: false } });
    expect(await json("/ready")).toMatchObject({ status: "ready" });
    expect((await json<ProcessesAnswer>("/v1/processes")).processes).toMatchObject([
      { id: "web-1", state: "live" },
    ]);
    for (const id of HOSTILE_IDS) {
      const answer = await json(`/v1/users/${encodeURIComponent(id)}`);
      expect(answer).toMatchObject({ id, online: true, sockets: 1 });
    }
    const found: string[] = [];
    for (let next: string | null = ""; next !== null;) {
      const page: UsersPage = await json<UsersPage>(
        `/v1/users?limit=500${next === "" ? "" : `&cursor=${next}`}`,
      );
      found.push(...page.users.map(({ id }) => id));
      next = page.next;
    }
    expect(found.sort()).toEqual([...users].sort());
    const lookup = await worker.get("/v1/users/lookup", {
      method: "POST",
      body: JSON.stringify({ ids: [...HOSTILE_IDS, "nobody"] }),
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    });
    const expected = [...HOSTILE_IDS.map((id) => userOf({ id })), absent("nobody")];
    expect(((await lookup.json()) as UsersAnswer).users).toEqual(expected);

    expect((await json<{ gap: boolean }>("/v1/changes")).gap).toBe(false);
    await json(`/v1/changes?after=${counts.asOf.cursor}`);
    expect(await (await worker.get("/metrics")).text()).toContain(`rollcall_users ${users.length}\n`);
    await json("/openapi.json");

    // Whatever is asked of it: these commands and no others, with the token that can only read.
    const allowed = ["GET", "HMGET", "HSCAN", "PTTL", "XLEN", "XRANGE", "ZCOUNT", "ZRANGE"];
    expect([...new Set(tap.sent.flatMap(({ commands }) => commands))].sort()).toEqual(allowed);
    expect(new Set(tap.sent.map(({ token }) => token))).toEqual(new Set([READ_ONLY_TOKEN]));
    for (const name of new Set(tap.sent.flatMap(({ commands }) => commands))) {
      const [[, , flags]] = (await redis.call("COMMAND", "INFO", name)) as [[string, number, string[]]];
      expect([name, flags.includes("write")]).toEqual([name, false]);
    }
    expect(worker.logged).toEqual([]);
  });

  it("keeps the API's rules: tokens, problems, security headers", async () => {
    const anonymous = { headers: {} };
    expect((await worker.get("/v1/counts", anonymous)).status).toBe(200);
    expect(await problemIn(await worker.get("/v1/counts?room=a", anonymous))).toMatchObject({
      code: "TOKEN_MISSING",
    });
    expect(await problemIn(await worker.get("/v1/users", anonymous))).toMatchObject({
      code: "TOKEN_MISSING",
    });
    const wrong = { headers: { authorization: `Bearer ${TOKEN}x` } };
    expect(await problemIn(await worker.get("/v1/users", wrong))).toMatchObject({ code: "TOKEN_INVALID" });
    const rotated = { headers: { authorization: "Bearer another-token-0123456789" } };
    expect((await worker.get("/v1/users", rotated)).status).toBe(200);
    expect(await problemIn(await worker.get("/v1/users?limit=0"))).toMatchObject({ code: "QUERY_INVALID" });
    expect(await problemIn(await worker.get("/v1/users?cursor=x"))).toMatchObject({ code: "CURSOR_INVALID" });
    expect(await problemIn(await worker.get("/v1/users/%ff"))).toMatchObject({ code: "USER_INVALID" });
    expect(await problemIn(await worker.get("/v1/counts?room=a"))).toMatchObject({ code: "SCOPE_UNTRACKED" });
    expect(await (await worker.get("/v1/scopes")).json()).toMatchObject({ scopes: [], next: null });
    expect(await problemIn(await worker.get("/nothing"))).toMatchObject({ code: "NOT_FOUND" });
    const { headers } = await worker.get("/v1/users", {
      method: "HEAD",
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cache-control")).toBe("private, max-age=1");
  });
});

describe("fetch, while Redis is slow", () => {
  it("a caller that goes away does not spoil later answers", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice"] });
    await using worker = await startWorker(reading(prefix));
    tap.hold();
    const leaving = new AbortController();
    const gone = worker.get("/v1/counts", { signal: leaving.signal }).catch(() => "gone");
    await until("the first request is under way", () => tap.sent.length > 0);
    leaving.abort();
    expect(await gone).toBe("gone");
    tap.resume();
    const answers = await Promise.all([1, 2, 3].map(() => worker.get("/v1/counts")));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(worker.logged).toEqual([]);
  });

  it("a request that was answered before Redis replied does not spoil later ones: workerd cancels its reads", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice"] });
    await using worker = await startWorker(reading(prefix), {
      entrypoint: "test/scenario/functions/impatient.ts",
    });
    tap.hold();
    expect((await worker.get("/v1/counts")).status).toBe(503);
    tap.resume();
    await untilEqual(async () => (await worker.get("/v1/counts")).status, 200);
  });

  it("concurrent requests are each answered", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice"] });
    await using worker = await startWorker(reading(prefix));
    tap.hold();
    const pending = Array.from({ length: 20 }, () => worker.get("/v1/users/alice"));
    await until("one of them is under way", () => tap.sent.length > 0);
    tap.resume();
    expect((await Promise.all(pending)).map(({ status }) => status)).toEqual(pending.map(() => 200));
    expect(worker.logged).toEqual([]);
  });
});

describe("fetch, misconfigured", () => {
  it.each([
    ["UPSTASH_REDIS_REST_URL", ""],
    ["UPSTASH_REDIS_REST_READONLY_TOKEN", ""],
    ["UPSTASH_REDIS_REST_URL", "redis://127.0.0.1"],
    ["ROLLCALL_TOKENS", "a-token-that-is-long-enough,sh0rt"],
    ["ROLLCALL_SHARDS", "many"],
  ])("says that it is %s (%j), and shows no value", async (name, value) => {
    await using worker = await startWorker({
      ...reading(newPrefix()),
      // Not taken instead of the read-only token, whatever is missing.
      UPSTASH_REDIS_REST_TOKEN: WRITE_TOKEN,
      [name]: value,
    });
    const response = await worker.get("/v1/counts");
    const text = await response.clone().text();
    expect(await problemIn(response)).toMatchObject({ status: 500, code: "OPTIONS_INVALID" });
    expect(text).toContain(name);
    for (const secret of ["sh0rt", WRITE_TOKEN, READ_ONLY_TOKEN, TOKEN])
      expect(text + worker.logged.join()).not.toContain(secret);
    expect(worker.logged).toEqual([expect.stringContaining(name)]);
    expect(tap.sent).toEqual([]);
  });

  it("without tokens everything but health and counts is closed", async () => {
    await using worker = await startWorker({ ...reading(newPrefix()), ROLLCALL_TOKENS: "" });
    expect((await worker.get("/health")).status).toBe(200);
    expect((await worker.get("/v1/counts")).status).toBe(200);
    expect(await problemIn(await worker.get("/v1/users"))).toMatchObject({
      status: 403,
      code: "TOKENS_NOT_SET",
    });
  });

  it("a Redis that refuses the credentials, or is not there, is a 503", async () => {
    await using refused = await startWorker({
      ...reading(newPrefix()),
      UPSTASH_REDIS_REST_READONLY_TOKEN: "wrong-credentials",
    });
    expect(await problemIn(await refused.get("/v1/counts"))).toMatchObject({
      status: 503,
      code: "REDIS_UNAVAILABLE",
    });
    expect(refused.logged).toEqual([expect.stringMatching(/^GET \/v1\/counts: 503 REDIS_UNAVAILABLE/)]);
    expect(refused.logged.join()).not.toContain("wrong-credentials");
    await using absent = await startWorker({
      ...reading(newPrefix()),
      UPSTASH_REDIS_REST_URL: "http://127.0.0.1:1",
    });
    const response = await absent.get("/v1/users/somebody");
    expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(await problemIn(response)).toMatchObject({ status: 503, code: "REDIS_UNAVAILABLE" });
    expect(absent.logged.join()).not.toContain("somebody");
  });
});

describe("scheduled", () => {
  it.each([1, 4])("folds what was appended and reaps crashed processes, over %i shard(s)", async (shards) => {
    const prefix = newPrefix();
    // Once upon a time there was a process whose lease has long run out.
    const past = () => Date.now() - 3_600_000;
    await append(redis, { prefix, shards, process: "gone", users: ["alice", "bob"], ttl: 1_000 });
    await project(redis, { prefix, shards, now: past });
    await append(redis, { prefix, shards, process: "new", users: ["carol", "bob", "dave"] });
    await using worker = await startWorker({
      ...reading(prefix, shards),
      UPSTASH_REDIS_REST_TOKEN: WRITE_TOKEN,
      SWEEP_INTERVAL: ONCE,
    });
    const counts = async () => (await (await worker.get("/v1/counts")).json()) as Counts;
    expect(await counts()).toMatchObject({ users: 2, sockets: 2, asOf: { lag: { records: shards } } });
    expect(new Set(tap.sent.map(({ token }) => token))).toEqual(new Set([READ_ONLY_TOKEN]));

    tap.sent.length = 0;
    const response = await worker.schedule();
    expect([response.status, await response.text()]).toEqual([200, "ok"]);
    expect(new Set(tap.sent.map(({ token }) => token))).toEqual(new Set([WRITE_TOKEN]));

    // An answer is reused for a second.
    await expect.poll(counts).toMatchObject({
      users: 3,
      sockets: 3,
      asOf: { stale: false, lag: { records: 0 } },
    });
    expect(await redis.hget(keysOf(prefix, 0, shards).states, "gone")).toMatch(/^ended /);
    expect(worker.logged.join()).toMatch(/sweep/);
    expect(worker.logged.join()).not.toMatch(/alice|bob|carol|dave/);
  });

  it.each(["group", "range", "auto"])(
    "INV-5: the first sweep after its lease reaps a crashed node, read by %s, with nothing else running",
    async (read) => {
      const prefix = newPrefix();
      const { records, changes } = keysOf(prefix, 0, 1);
      const [ttl, interval] = [1_500, 1_000];
      await using worker = await startWorker({
        ...reading(prefix),
        UPSTASH_REDIS_REST_TOKEN: WRITE_TOKEN,
        SWEEP_INTERVAL: String(interval),
        ROLLCALL_READ: read,
      });
      // Its minute goes on while we look; the worker's end is its end.
      const minute = worker.schedule().catch(() => "cut short");
      await until("the first sweep", () => worker.logged.some((line) => line.includes("sweep")));
      await append(redis, { prefix, users: ["alice"], ttl });
      const [[appended]] = (await redis.xrange(records, "-", "+")) as [[string, string[]]];
      const told = async () =>
        (await redis.xrange(changes, "-", "+")).map(([id, fields]) => ({ id, fields }));
      await until("online and offline are told", async () => (await told()).length === 2);
      const [, gone] = await told();
      expect(gone!.fields).toEqual(["reap", '["alice"]']);
      // On the clock of Redis, which is this machine's: not before the lease ran out, and by the first sweep after that. How
      // far sweeps are apart is for unit/edge/minute.test.ts to say, on a clock of its own.
      const [end, at] = [Number.parseInt(appended) + ttl, Number.parseInt(gone!.id)];
      expect(at).toBeGreaterThanOrEqual(end);
      const looks = tap.sent.filter(
        ({ commands, came }) => commands.includes("XLEN") && came > end && came <= at,
      );
      expect(looks.length).toBeLessThanOrEqual(1);
      expect(await redis.exists(keysOf(prefix, 0, 1).users)).toBe(0);
      await worker[Symbol.asyncDispose]();
      await minute;
    },
  );

  it("with ROLLCALL_RECORD_KEYS only signed records count, and a Worker without it is refused", async () => {
    const prefix = newPrefix();
    const keys = keysOf(prefix, 0, 1);
    const key = "k".repeat(32);
    const record = (process: string, user: string) =>
      encodeRecord({ process, seq: 1, ttl: 60_000, connect: [user], sockets: 1 });
    const { signing } = await deriveRecordKeys([key], prefix);
    await redis.xadd(keys.records, "*", ...signed(record("real", "alice"), keys.records, signing!));
    await redis.xadd(keys.records, "*", ...record("forged", "mallory"));
    const environment = { ...reading(prefix), UPSTASH_REDIS_REST_TOKEN: WRITE_TOKEN, SWEEP_INTERVAL: ONCE };
    await using worker = await startWorker({ ...environment, ROLLCALL_RECORD_KEYS: `${key},` });
    expect((await worker.schedule()).status).toBe(200);
    expect(await redis.hkeys(keys.users)).toEqual(["alice"]);
    expect(await redis.hget(keys.totals, "rejected")).toBe("1");
    await using other = await startWorker(environment);
    expect((await other.schedule()).status).toBe(500);
    expect(other.logged.join()).toContain("RECORD_KEYS_MISMATCH");
    for (const line of [...worker.logged, ...other.logged]) expect(line).not.toContain(key);
  });

  it("an idle invocation sends one look per sweep, of two commands", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice"] });
    await using worker = await startWorker({
      ...reading(prefix),
      UPSTASH_REDIS_REST_TOKEN: WRITE_TOKEN,
      SWEEP_INTERVAL: ONCE,
    });
    expect((await worker.schedule()).status).toBe(200);
    expect(tap.sent).toMatchObject([{ token: WRITE_TOKEN, commands: ["HMGET", "XLEN"] }]);
  });

  it("fails, and says why, without the credentials it needs: it does not take the others", async () => {
    await using worker = await startWorker(reading(newPrefix()));
    expect((await worker.schedule()).status).toBe(500);
    expect(worker.logged.join()).toContain("UPSTASH_REDIS_REST_TOKEN is not set");
    expect(tap.sent).toEqual([]);
  });

  it("of two Workers, the one that serves has no write credentials, and the one that projects serves no requests", async () => {
    const prefix = newPrefix();
    await append(redis, { prefix, users: ["alice"] });
    await using sweep = await startWorker(
      {
        UPSTASH_REDIS_REST_URL: tap.url,
        UPSTASH_REDIS_REST_TOKEN: WRITE_TOKEN,
        ROLLCALL_PREFIX: prefix,
        SWEEP_INTERVAL: ONCE,
      },
      { config: "functions/sweep.toml" },
    );
    await using edge = await startWorker(reading(prefix), { config: "functions/edge.toml" });
    expect((await sweep.schedule()).status).toBe(200);
    expect(await (await edge.get("/v1/users/alice")).json()).toMatchObject({ online: true });
    expect(new Set(tap.sent.map(({ token }) => token))).toEqual(new Set([WRITE_TOKEN, READ_ONLY_TOKEN]));
    expect((await sweep.get("/v1/counts")).status).toBe(500);
    expect((await edge.schedule()).status).toBe(500);
  });
});
