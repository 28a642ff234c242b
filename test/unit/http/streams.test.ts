/**
 * Goal: streams without a token never take a place from those with one, and a refusal says which limit is reached; a stream stays
 * open and says that it is stale while Redis is away, because for a browser a refusal is final; nothing is left of a stream that ended.
 * Method: the app in process or behind a real HTTP server, over a real Redis that is stopped and started; `eventsource`, which
 * gives up where a browser does.
 */
import { EventSource } from "eventsource";
import { Redis } from "ioredis";
import { afterEach, describe, expect, it, vi } from "vitest";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { until } from "../../../rig/until.ts";
import { Places } from "../../../src/http/places.ts";
import { createReader } from "../../../src/reader/create.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { readEvents, serve } from "./serve.ts";
import { append, appOver, newPrefix, populate, problemIn, project, TOKEN, useRedis } from "./support.ts";

const test = useRedis();
afterEach(() => {
  vi.useRealTimers();
});

const COUNTS_TOKEN = "a-token-that-opens-the-counts-only";

async function setup(streams: object) {
  const prefix = newPrefix();
  await project(test.redis, { prefix });
  const leaving = new AbortController();
  const made = appOver(
    test.redis,
    { prefix },
    { streams, countsTokens: [COUNTS_TOKEN], signal: leaving.signal, reuse: 1_000 },
  );
  const open = (path: string, authorization: string, forwarded = "") =>
    made.request(path, {
      headers: { accept: "text/event-stream", authorization, "x-forwarded-for": forwarded },
    });
  return { ...made, open, prefix, leave: () => leaving.abort() };
}

const bearer = (token: string) => `Bearer ${token}`;

describe("places", () => {
  it("1,200 streams without a token leave every place of those with one", async () => {
    const { open, leave } = await setup({ proxies: 1 });
    const statuses: number[] = [];
    for (let i = 0; i < 1_200; i++) {
      const response = await open("/v1/counts", "", `198.51.${i >> 8}.${i & 255}`);
      statuses.push(response.status);
      if (i < 1_199) continue;
      expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
      expect(await problemIn(response)).toMatchObject({
        status: 503,
        code: "STREAMS_EXHAUSTED",
        limit: "streams.anonymous",
      });
    }
    expect(statuses.filter((status) => status === 200).length).toBe(1_000);
    expect((await open("/v1/counts", bearer(TOKEN))).status).toBe(200);
    expect((await open("/v1/counts", bearer(COUNTS_TOKEN))).status).toBe(200);
    expect((await open("/v1/changes", bearer(TOKEN))).status).toBe(200);
    leave();
  });

  it("one client has its share of the streams without a token, an IPv6 network counts as one", async () => {
    const { open, leave } = await setup({ proxies: 1, perClient: 2 });
    const refused = async (address: string) => (await open("/v1/counts", "", address)).status;
    // What a client writes itself stands to the left.
    expect(await refused("203.0.113.9, 198.51.100.1")).toBe(200);
    expect(await refused("203.0.113.8, 198.51.100.1:4711")).toBe(200);
    const response = await open("/v1/counts", "", "203.0.113.7, ::ffff:198.51.100.1");
    expect(await problemIn(response)).toMatchObject({
      status: 429,
      code: "STREAMS_LIMITED",
      limit: "streams.perClient",
    });
    expect(await refused("2001:db8:0:1::1")).toBe(200);
    expect(await refused("2001:db8::1:ffff:0:0:1")).toBe(200);
    expect(await refused("[2001:0db8:0:1:2:3:4:5]:443")).toBe(429);
    expect(await refused("2001:db8:0:2::1")).toBe(200);
    leave();
  });

  it("the connection's address counts when no proxy is trusted, whatever a header says", async () => {
    const { app, logged, leave } = await setup({ perClient: 1 });
    await using api = await serve(app);
    await using events = await readEvents(`${api.url}/v1/counts`, { headers: { authorization: "" } });
    expect(events.response.status).toBe(200);
    const second = await fetch(`${api.url}/v1/counts`, {
      headers: {
        accept: "text/event-stream",
        "x-forwarded-for": "198.51.100.1",
        "cf-connecting-ip": "198.51.100.2",
      },
    });
    expect(await problemIn(second)).toMatchObject({ status: 429 });
    expect(logged).toEqual([expect.stringContaining("set streams.proxies")]);
    leave();
  });

  it("one token has its share of its scope's streams", async () => {
    const { open, leave } = await setup({ perToken: 1 });
    expect((await open("/v1/changes", bearer(TOKEN))).status).toBe(200);
    const refused = await problemIn(await open("/v1/counts", bearer(TOKEN)));
    expect(refused).toMatchObject({ status: 429, limit: "streams.perToken" });
    expect((await open("/v1/counts", bearer(COUNTS_TOKEN))).status).toBe(200);
    leave();
  });

  it("a place that is not renewed is given away, and its stream's end is told once", () => {
    let now = 0;
    const limits = { most: 1, anonymous: 1, perClient: 1, perToken: 1, perSubject: 1 };
    const places = new Places(limits, 1_000, () => now);
    let ended = 0;
    const visitor = { scope: undefined, holder: "198.51.100.1" };
    const first = places.take(visitor, () => ended++);
    now = 900;
    expect(places.take(visitor)).toBe("anonymous");
    if (typeof first === "object") first.renew();
    now = 1_800;
    expect(places.take(visitor)).toBe("anonymous");
    now = 2_000;
    expect(places.take(visitor)).toBeTypeOf("object");
    if (typeof first === "object") first.release();
    expect([ended, places.taken]).toEqual([1, 1]);
  });
});

describe("the end of a stream", () => {
  it("closing leaves no timer", async () => {
    const { open, leave } = await setup({});
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const streams = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        open(i % 2 === 0 ? "/v1/changes?user=alice" : "/v1/counts", bearer(TOKEN)),
      ),
    );
    const texts = Promise.all(streams.map((response) => response.text()));
    await until("they run", () => timers() >= before + 50);
    leave();
    expect((await texts).every((text) => text.startsWith("retry: "))).toBe(true);
    await until("no timer is left", () => timers() <= before);
  });

  it("a client that takes nothing is cut off", async () => {
    const { app, leave, prefix } = await setup({ perToken: 1 });
    await populate(test.redis, { prefix, users: ["alice"] });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    let cut = 0;
    const env = { outgoing: { destroy: () => cut++ } };
    const init = { headers: { accept: "text/event-stream", authorization: bearer(TOKEN) } };
    const ask = () => app.request("/v1/counts", init, env);
    const response = await ask();
    const reader = response.body!.getReader();
    await reader.read();
    await vi.advanceTimersByTimeAsync(29_000);
    expect([cut, (await ask()).status]).toEqual([0, 429]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(cut).toBe(1);
    leave();
  });
});

describe("while Redis is away", () => {
  it("EventSource stays, is told that it is stale, and gets news afterwards; a new one opens too", async () => {
    const first = await startRedis();
    const prefix = newPrefix();
    const filling = new Redis(first.url);
    await populate(filling, { prefix, users: ["alice"] });
    filling.disconnect();
    const reader = createReader({ redis: first.url, prefix });
    await using api = await serve(appOver(test.redis, { prefix }, { reader, timeout: 1_000 }).app);
    const open = () => {
      const source = new EventSource(`${api.url}/v1/counts`);
      const got: { event: string; data: Record<string, unknown> }[] = [];
      for (const event of ["counts", "stale", "fresh"])
        source.addEventListener(event, ({ data }) =>
          got.push({ event, data: JSON.parse(data as string) as Record<string, unknown> }),
        );
      return { source, got, has: (name: string) => got.some(({ event }) => event === name) };
    };
    const running = open();
    await until("the numbers are there", () => running.has("counts"));
    await first.stop();
    await until("it is told that they are stale", () => running.has("stale"));
    const late = open();
    await until("so is a new one", () => late.has("stale"));
    expect(late.got).toMatchObject([
      { event: "counts", data: { users: 1, asOf: { stale: true } } },
      { event: "stale", data: { cause: "redis", since: expect.any(String) as string } },
    ]);
    // A request for one answer is told the truth at once.
    expect((await fetch(`${api.url}/v1/counts`)).status).toBe(503);
    await using again = await startRedis({ port: first.port });
    const client = new Redis(again.url);
    await populate(client, { prefix, users: ["alice", "bob"] });
    client.disconnect();
    for (const { source, got } of [running, late]) {
      await until("it is fresh again, with news", () => {
        const last = got.findLast(({ event }) => event === "counts");
        return last?.data["users"] === 2 && got.at(-1)?.event === "fresh";
      });
      expect(source.readyState).toBe(EventSource.OPEN);
      source.close();
    }
    reader.close();
  });
});

describe("while no projector runs", () => {
  /** A stream of changes whose reader calls an answer stale after a second, and what is appended without being folded. */
  async function follow(prefix: string, url: string) {
    const reader = createReader({ redis: url, prefix, staleAfter: 1_000 });
    const api = await serve(appOver(test.redis, { prefix }, { reader, timeout: 1_000 }).app);
    const events = await readEvents(`${api.url}/v1/changes`);
    return {
      /** The next event's name and cause. */
      async next() {
        const { event, json } = (await events.next())!;
        return { event, cause: json["cause"] };
      },
      async [Symbol.asyncDispose]() {
        await events[Symbol.asyncDispose]();
        await api[Symbol.asyncDispose]();
        reader.close();
      },
    };
  }
  const overdue = async (redis: Redis, prefix: string) => {
    await append(redis, { prefix, users: ["bob"], process: "web-2" });
    const reader = readerOver(ioredisPort(redis), { prefix, staleAfter: 1_000 });
    await until("the projector is overdue", async () => (await reader.counts()).asOf.stale);
  };

  it("a stream says so, and what happened comes when one runs again", async () => {
    const prefix = newPrefix();
    await populate(test.redis, { prefix, users: ["alice"] });
    await overdue(test.redis, prefix);
    await using stream = await follow(prefix, test.server.url);
    expect(await stream.next()).toEqual({ event: "stale", cause: "projector" });
    await project(test.redis, { prefix });
    const after = [await stream.next(), await stream.next()].map(({ event }) => event);
    expect(new Set(after)).toEqual(new Set(["changes", "fresh"]));
  });

  it("a stream is not fresh when Redis answers again: it says what is late now", async () => {
    await using server = await startRedis();
    const redis = new Redis(server.url);
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice"] });
    await using stream = await follow(prefix, server.url);
    await overdue(redis, prefix);
    process.kill(server.pid, "SIGSTOP");
    try {
      expect(await stream.next()).toEqual({ event: "stale", cause: "redis" });
    } finally {
      process.kill(server.pid, "SIGCONT");
    }
    expect(await stream.next()).toEqual({ event: "stale", cause: "projector" });
    redis.disconnect();
  });
});
