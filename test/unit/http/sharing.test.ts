/**
 * Goal: identical requests cost Redis one read while the answer is reused; no request depends on another caller's request; what
 * is kept is bounded; and when Redis does not answer, the previous answer is returned, marked stale.
 * Method: Coalescer with the test's timers, then the app over a real Redis with a port that counts requests.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PresenceError } from "../../../src/core/errors.ts";
import { Hono } from "hono";
import { SHARED_BYTES_MAX } from "../../../src/core/limits.ts";
import { Bodies } from "../../../src/http/bodies.ts";
import { CoalescedReader } from "../../../src/http/coalesced-reader.ts";
import { Coalescer } from "../../../src/http/coalescer.ts";
import { keyOf, type Question } from "../../../src/http/key.ts";
import { resolveAppOptions } from "../../../src/http/options.ts";
import { paceOf } from "../../../src/http/pace.ts";
import type { Problem } from "../../../src/http/problem.ts";
import { createReader } from "../../../src/reader/create.ts";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { type Counts, type Reader, readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { appOver, newPrefix, populate, type ProblemBody, TOKEN, useRedis } from "./support.ts";

describe("Coalescer", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Each answer weighs as many bytes as its list has items. */
  const weigh = (value: unknown) => (value as { readonly users?: readonly string[] }).users?.length ?? 0;
  const shared = (options = {}) =>
    new Coalescer({ reuse: 1_000, keep: 60_000, most: 100_000, weigh, ...options });

  /** A question whose answers the test gives. */
  function question() {
    const asked: PromiseWithResolvers<string>[] = [];
    const ask = () => {
      const one = Promise.withResolvers<string>();
      asked.push(one);
      return one.promise;
    };
    return { asked, ask };
  }

  it("simultaneous callers share one request, and so do callers within the next second", async () => {
    const { asked, ask } = question();
    const one = shared();
    const answers = Array.from({ length: 100 }, () => one.get("k", ask));
    await vi.advanceTimersByTimeAsync(300);
    asked[0]!.resolve("yes");
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["yes"]));
    await vi.advanceTimersByTimeAsync(999);
    expect(await one.get("k", ask)).toBe("yes");
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    const later = one.get("k", ask);
    expect(asked).toHaveLength(2);
    asked[1]!.resolve("no");
    expect(await later).toBe("no");
    void one.get("another", ask);
    expect(asked).toHaveLength(3);
  });

  it("a failure reaches all callers, and is not retried within the second", async () => {
    const { asked, ask } = question();
    const one = shared();
    const answers = Array.from({ length: 10 }, () =>
      one.get("k", ask).catch((error: Error) => error.message),
    );
    await vi.advanceTimersByTimeAsync(1);
    asked[0]!.reject(new PresenceError("REDIS_UNAVAILABLE", "away"));
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["away"]));
    await expect(one.get("k", ask)).rejects.toThrow("away");
    expect(asked).toHaveLength(1);
  });

  it("an error of one caller is no other caller's, and nothing is kept of it", async () => {
    const { asked, ask } = question();
    const one = shared();
    const failed = one.get("k", ask).catch((error: PresenceError) => error.code);
    const others = [one.get("k", ask), one.get("k", ask)];
    await vi.advanceTimersByTimeAsync(1);
    asked[0]!.reject(new PresenceError("CURSOR_INVALID", "no"));
    expect(await failed).toBe("CURSOR_INVALID");
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(2);
    asked[1]!.resolve("yes");
    expect(await Promise.all(others)).toEqual(["yes", "yes"]);
    const before = { size: one.size, weight: one.weight };
    for (let i = 0; i < 100; i++) {
      const refused = one.get(`bad ${i}`, () => Promise.reject(new PresenceError("USER_INVALID", "no")));
      await expect(refused).rejects.toThrow("no");
    }
    expect({ size: one.size, weight: one.weight }).toEqual(before);
  });

  it("of a failure only its code and message are kept, not what the client was asked", async () => {
    const one = shared();
    const cause = new Error("connect ECONNREFUSED");
    const whole = new PresenceError("REDIS_UNAVAILABLE", "away", { cause });
    const first = await one.get("k", () => Promise.reject(whole)).catch((error: unknown) => error);
    const second = await one.get("k", () => Promise.reject(whole)).catch((error: unknown) => error);
    expect(first).toBe(whole);
    expect(second).toMatchObject({ code: "REDIS_UNAVAILABLE", message: "away" });
    expect((second as Error).cause).toBeUndefined();
    await one.get("bug", () => Promise.reject(new TypeError("with what was asked"))).catch(() => {});
    const third = await one.get("bug", () => Promise.resolve("")).catch((error: unknown) => error);
    expect(third).toMatchObject({
      code: "INTERNAL",
      message: expect.not.stringContaining("asked") as string,
    });
  });

  it("when the asking request was cancelled, the waiting callers ask instead, one per second", async () => {
    const { asked, ask } = question();
    const one = shared();
    void one.get("k", ask);
    const answers = Array.from({ length: 10 }, () => one.get("k", ask));
    await vi.advanceTimersByTimeAsync(999);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(500);
    expect(asked).toHaveLength(2);
    asked[1]!.resolve("yes");
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["yes"]));
    // The cancelled one comes late after all: it is not told to anybody.
    asked[0]!.resolve("late");
    await vi.advanceTimersByTimeAsync(1);
    expect(await one.get("k", ask)).toBe("yes");
  });

  it("a slow answer reaches all waiting callers, whichever has asked since", async () => {
    const { asked, ask } = question();
    const one = shared();
    const told: string[] = [];
    for (let i = 0; i < 10; i++) void one.get("k", ask).then((answer) => told.push(answer));
    await vi.advanceTimersByTimeAsync(1_500);
    expect(asked).toHaveLength(2);
    asked[0]!.resolve("the first");
    await vi.advanceTimersByTimeAsync(1);
    expect(told).toHaveLength(9);
    asked[1]!.resolve("the second");
    await vi.advanceTimersByTimeAsync(1);
    expect(told).toHaveLength(10);
    expect(await one.get("k", ask)).toBe("the second");
  });

  it("when Redis hangs, all callers fail once the first request fails", async () => {
    const one = shared();
    const givesUp = () =>
      new Promise<string>((_, reject) =>
        setTimeout(() => reject(new PresenceError("REDIS_UNAVAILABLE", "late")), 5_000),
      );
    const failed: string[] = [];
    for (let i = 0; i < 100; i++) one.get("k", givesUp).catch((error: Error) => failed.push(error.message));
    await vi.advanceTimersByTimeAsync(5_001);
    // Those who took over meanwhile wait for what they asked themselves.
    expect(failed.length).toBeGreaterThanOrEqual(95);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(failed).toHaveLength(100);
  });

  it("cancelled requests are dropped too", async () => {
    const one = shared({ most: 20_000 });
    for (let i = 0; i < 100; i++) void one.get(`k${i}`, () => new Promise(() => {}));
    await vi.advanceTimersByTimeAsync(1_000);
    await one.get("another", async () => "yes");
    expect(one.weight).toBeLessThanOrEqual(20_000);
    expect(one.size).toBeLessThanOrEqual(20);
  });

  it("with reuse 0 a later caller asks again, and simultaneous callers still share", async () => {
    const { asked, ask } = question();
    const one = shared({ reuse: 0 });
    const answers = [one.get("k", ask), one.get("k", ask)];
    await vi.advanceTimersByTimeAsync(10);
    asked[0]!.resolve("yes");
    expect(await Promise.all(answers)).toEqual(["yes", "yes"]);
    void one.get("k", ask);
    expect(asked).toHaveLength(2);
  });

  it("keeps a bounded number of bytes, drops the least recently used first, and drops old ones", async () => {
    const one = shared({ most: 10_000 });
    const list = (length: number) => async () => ({ users: Array.from({ length }, () => "u") });
    await one.get("a", list(3_000));
    await one.get("b", list(3_000));
    await one.get("a", list(3_000));
    expect(one.recent("b")).toBeDefined();
    await one.get("c", list(3_000));
    expect([one.recent("a"), one.recent("b"), one.recent("c")].map((answer) => answer !== undefined)).toEqual(
      [true, false, true],
    );
    for (let i = 0; i < 100; i++)
      await one.get(`f${i}`, () => Promise.reject(new Error("no"))).catch(() => {});
    expect(one.weight).toBeLessThanOrEqual(10_000);
    expect(one.size).toBeLessThanOrEqual(10);
    await one.get("c", list(1));
    expect(one.recent("c")).toBeDefined();
    await vi.advanceTimersByTimeAsync(60_001);
    expect(one.recent("c")).toBeUndefined();
  });
});

const test = useRedis();

function counting(prefix: string) {
  const own = ioredisPort(test.redis);
  const asked: string[] = [];
  const reader = readerOver(
    { read: (commands) => (asked.push(commands.at(-1)![0]), own.read(commands)) },
    { prefix },
  );
  return { reader, asked };
}

it("1,000 pollers of each route cost Redis one request per route", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice", "bob"] });
  const { reader, asked } = counting(prefix);
  const api = appOver(test.redis, { prefix }, { reader, reuse: 60_000 });
  // The first request of all also looks whether the prefix has another number of shards.
  await reader.isOnline("nobody");
  for (const path of ["/v1/counts", "/v1/users", "/v1/users/alice", "/v1/changes", "/ready"]) {
    const before = asked.length;
    const all = await Promise.all(Array.from({ length: 1_000 }, () => api.request(path)));
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
    const tags = new Set(all.map(({ headers }) => headers.get("etag")));
    expect([path, asked.length - before, tags.size]).toEqual([path, path === "/ready" ? 0 : 1, 1]);
  }
  const before = asked.length;
  await Promise.all(Array.from({ length: 100 }, () => api.lookup({ ids: ["alice", "bob"] })));
  expect(asked.length - before).toBe(1);
});

it("pollers cost Redis one request a second", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  const { reader, asked } = counting(prefix);
  const api = appOver(test.redis, { prefix }, { reader, reuse: 1_000 });
  await api.get("/v1/counts");
  const began = performance.now();
  const before = asked.length;
  while (asked.length - before < 2) {
    await Promise.all(Array.from({ length: 20 }, () => api.get("/v1/counts")));
  }
  // However many asked meanwhile, which is a matter of the machine.
  expect(performance.now() - began).toBeGreaterThan(1_000);
});

it("different questions get different answers", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["a", "b", "a b", "1 a"] });
  const api = appOver(test.redis, { prefix }, { reuse: 60_000 });
  for (const id of ["a", "b", "a b", "1 a", "nobody"])
    expect(await api.get(`/v1/users/${encodeURIComponent(id)}`)).toMatchObject({
      id,
      online: id !== "nobody",
    });
  for (const ids of [["a", "b"], ["b", "a"], ["a b"], ["a,b"]]) {
    const { users } = (await (await api.lookup({ ids })).json()) as { users: { id: string }[] };
    expect(users.map(({ id }) => id)).toEqual(ids);
  }
});

describe("what strangers send", () => {
  /** The reader of an app, and what is kept of it. */
  function keeping(reader: Reader, reuse = 60_000) {
    return new CoalescedReader(resolveAppOptions({ reader, reuse }));
  }

  it("an invalid cursor is refused before it shares anything, and the first page is everybody's still", async () => {
    const prefix = newPrefix();
    await populate(test.redis, { prefix, users: ["alice"] });
    const own = readerOver(ioredisPort(test.redis), { prefix });
    let pages = 0;
    const reader: Reader = { ...own, page: (options) => (pages++, own.page(options)) };
    const api = appOver(test.redis, { prefix }, { reader, reuse: 60_000 });
    const paths = [
      "/v1/users",
      "/v1/users?cursor=undefined",
      "/v1/users?cursor=null",
      "/v1/users",
      "/v1/users?cursor=",
    ];
    for (const round of [1, 2]) {
      const answers = await Promise.all(paths.map((path) => api.request(path)));
      expect([round, ...answers.map(({ status }) => status)]).toEqual([round, 200, 400, 400, 200, 400]);
      for (const after of ["undefined", "null", "0", ""])
        expect((await api.request(`/v1/changes?after=${after}`)).status).toBe(400);
    }
    // Not even the reader is asked about the others.
    expect(pages).toBe(1);
  });

  it("questions that look alike have keys of their own", async () => {
    const questions: Question[] = [
      ["page"],
      ["page", undefined, 100],
      ["page", "undefined", 100],
      ["page", "null", 100],
      ["page", undefined, "100"],
      ["user", "a"],
      ["lookup", "a"],
      ["lookup", "a", "b"],
      ["lookup", "a,b"],
      ["lookup", 'a","b'],
      ["lookup", ""],
      ["lookup"],
      ["lookup", "x".repeat(400)],
      ["lookup", "x".repeat(401)],
      ["lookup", "x".repeat(200), "x".repeat(200)],
    ];
    const keys = await Promise.all(questions.map(keyOf));
    expect(new Set(keys).size).toBe(questions.length);
    expect(Math.max(...keys.map(({ length }) => length))).toBeLessThanOrEqual(256);
    expect(await keyOf(questions[12]!)).toBe(keys[12]);
  });

  it("nothing is kept of requests that are refused", async () => {
    const prefix = newPrefix();
    await populate(test.redis, { prefix, users: ["alice"] });
    const reader = keeping(readerOver(ioredisPort(test.redis), { prefix }));
    await reader.page({ cursor: undefined, limit: undefined });
    await reader.changes(undefined);
    const before = reader.kept;
    for (let i = 0; i < 2_000; i++) {
      const refused: Promise<unknown>[] = [
        reader.page({ cursor: `p0.0.${i}`, limit: undefined }),
        reader.user(`${i}${"x".repeat(257)}`),
        reader.lookup([`${i}`, "", "x".repeat(10_000)]),
        reader.changesAnswer(`${i}`, []),
      ];
      for (const { status } of await Promise.allSettled(refused)) expect(status).toBe("rejected");
    }
    expect(reader.kept).toEqual(before);
  });

  it("large lookups while Redis is away leave little, and large answers are bounded by their bytes", async () => {
    const away = () => {
      // As a client's error, with the whole command.
      const cause = Object.assign(new Error("closed"), { command: { args: ["x".repeat(100_000)] } });
      return Promise.reject(new PresenceError("REDIS_UNAVAILABLE", "away", { cause }));
    };
    const own = readerOver({ read: away }, { prefix: "away" });
    const reader = keeping(own);
    const ids = (i: number) => Array.from({ length: 1_000 }, (_, j) => `${i}-${j}-${"x".repeat(240)}`);
    for (let i = 0; i < 50; i++) await expect(reader.lookup(ids(i))).rejects.toThrow("away");
    expect(reader.kept.questions).toBe(50);
    expect(reader.kept.bytes).toBeLessThan(100_000);

    const found: Reader = {
      ...own,
      lookup: async (users) => ({
        users: users.map((id) => ({ id, online: false, sockets: 0 })),
        asOf: (await readerOver(ioredisPort(test.redis), { prefix }).counts()).asOf,
      }),
    };
    const prefix = newPrefix();
    await populate(test.redis, { prefix, users: ["alice"] });
    const full = keeping(found);
    for (let i = 0; i < 60; i++) await full.lookup(ids(i));
    expect(full.kept.bytes).toBeGreaterThan(SHARED_BYTES_MAX / 2);
    expect(full.kept.bytes).toBeLessThanOrEqual(SHARED_BYTES_MAX);
  });

  it("the bodies of lookups are bounded together, and every byte is given back", async () => {
    const bodies = new Bodies(1_000);
    const app = new Hono();
    const leave = Promise.withResolvers<void>();
    app.onError((error) => (error as Problem).toResponse());
    app.post("/", (c) =>
      bodies.read(c, async (body) => {
        await leave.promise;
        return c.text(String(body.length));
      }),
    );
    const send = (body: BodyInit, headers: Record<string, string> = {}) =>
      app.request("/", {
        method: "POST",
        body,
        headers: { "content-type": "application/json", ...headers },
        duplex: "half",
      } as RequestInit);
    const chunks = (size: number, count: number) => {
      let left = count;
      return new ReadableStream<Uint8Array>({
        pull: (controller) => (left-- > 0 ? controller.enqueue(new Uint8Array(size)) : controller.close()),
      });
    };
    const first = send("x".repeat(600), { "content-length": "600" });
    const second = send(chunks(50, 4));
    await expect.poll(() => bodies.held).toBe(800);
    for (const more of [
      send("x".repeat(300), { "content-length": "300" }),
      send(chunks(100, 3)),
      send("x".repeat(300)),
    ])
      expect(await (await more).json()).toMatchObject({ status: 503, code: "LOOKUPS_EXHAUSTED" });
    expect(bodies.held).toBe(800);
    leave.resolve();
    expect(await (await first).text()).toBe("600");
    expect(await (await second).text()).toBe("200");
    // A body that fails while it is read.
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("gone")),
    });
    await Promise.resolve(send(broken)).catch(() => {});
    expect(bodies.held).toBe(0);
  });
});

it("answers are serialised once for all who share them", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  const own = readerOver(ioredisPort(test.redis), { prefix });
  let serialised = 0;
  const spied = <T extends object>(value: T): T =>
    Object.assign(value, { toJSON: () => (serialised++, { ...value, toJSON: undefined }) });
  const reader: Reader = { ...own, page: async (options) => spied(await own.page(options)) };
  const api = appOver(test.redis, { prefix }, { reader, reuse: 60_000 });
  const first = await api.request("/v1/users");
  const tag = first.headers.get("etag")!;
  for (let i = 0; i < 50; i++) {
    const answer = await api.request("/v1/users", i % 2 === 0 ? {} : { headers: { "if-none-match": tag } });
    expect(answer.status).toBe(i % 2 === 0 ? 200 : 304);
  }
  expect(serialised).toBe(1);
  const shared = new CoalescedReader(resolveAppOptions({ reader: own, reuse: 60_000 }));
  const changes = await Promise.all(Array.from({ length: 10 }, () => shared.changesAnswer(undefined, [])));
  const later = await shared.changesAnswer(undefined, []);
  expect(await shared.changesAnswer(undefined, [])).toBe(later);
  expect(new Set(changes.map(({ etag }) => etag))).toEqual(new Set([later.etag]));
});

it("without Redis the answer is 503 with Retry-After and the previous answer, marked stale, for authorised callers only", async () => {
  const server = await startRedis();
  const prefix = newPrefix();
  const reader = createReader({ redis: server.url, prefix });
  const api = appOver(test.redis, { prefix }, { reader, timeout: 2_000 });
  const counts = await api.get<Counts>("/v1/counts");
  await server.stop();
  const response = await api.request("/v1/counts");
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
  expect(response.headers.get("cache-control")).toBe("no-store");
  const body = (await response.json()) as ProblemBody & { last: Counts };
  expect(body).toMatchObject({ code: "REDIS_UNAVAILABLE", status: 503 });
  expect(body.last).toEqual({ ...counts, asOf: { ...counts.asOf, stale: true } });
  // Nobody has asked this before.
  const other = (await (await api.request("/v1/users/alice")).json()) as object;
  expect(other).toMatchObject({ code: "REDIS_UNAVAILABLE" });
  expect(other).not.toHaveProperty("last");
  const anonymous = await api.request("/v1/users/alice", { headers: { authorization: `Bearer ${TOKEN}x` } });
  expect(anonymous.status).toBe(401);
  reader.close();
});

it("other errors do not include the previous answer", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  let fails = false;
  const own = readerOver(ioredisPort(test.redis), { prefix });
  const reader = {
    ...own,
    counts: () =>
      fails ? Promise.reject(new PresenceError("REDIS_TYPE", "x holds another type")) : own.counts(),
  };
  const api = appOver(test.redis, { prefix }, { reader });
  await api.get("/v1/counts");
  fails = true;
  const body = (await (await api.request("/v1/counts")).json()) as object;
  expect(body).toMatchObject({ status: 500, code: "REDIS_TYPE" });
  expect(body).not.toHaveProperty("last");
});

it("each look of a stream gets an answer of its own, since it comes a little later than answers are reused by default", () => {
  const options = resolveAppOptions({ reader: {} as Reader });
  const { every } = paceOf(options);
  expect(every).toBeGreaterThan(options.reuse);
  // No event is later than it has to be.
  expect(every).toBeLessThanOrEqual(options.reuse + 20);
});
