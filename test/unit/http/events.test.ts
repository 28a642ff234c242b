/**
 * Goal: an event stream sends what the same route answers, as it happens. It ends after a bounded life, and a client that
 * reconnects loses nothing and gets nothing twice. Many subscribers cost Redis no more than one.
 * Method: the app behind a real HTTP server, over a real Redis; clients that read streams as browsers do.
 */
import { Redis } from "ioredis";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { createReader } from "../../../src/reader/create.ts";
import type { AppOptions } from "../../../src/http/app.ts";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { until } from "../../../rig/until.ts";
import { readEvents, serve, type EventReader, type Served } from "./serve.ts";
import { appOver, newPrefix, populate, problemIn, project, TOKEN, useRedis } from "./support.ts";

const test = useRedis();
let processes = 0;
const come = (prefix: string, users: readonly string[]) =>
  populate(test.redis, { prefix, users, process: `p${++processes}` });

interface Setup extends Served {
  readonly prefix: string;
  readonly asked: () => number;
}

async function start(options: Partial<AppOptions> = {}): Promise<Setup> {
  const prefix = newPrefix();
  // A projector has run, so the streams are not stale.
  await project(test.redis, { prefix });
  const own = ioredisPort(test.redis);
  let requests = 0;
  const reader = readerOver({ read: (commands) => (requests++, own.read(commands)) }, { prefix });
  const { app } = appOver(test.redis, { prefix }, { reader, reuse: 1_000, ...options });
  return { ...(await serve(app)), prefix, asked: () => requests };
}

type Changes = { changes: { user: string; type: string }[]; next: string };

/** The words of the next event, which has to be of changes. */
async function changesOf(events: EventReader): Promise<string[]> {
  const { event, json } = (await events.next())!;
  expect(event).toBe("changes");
  return (json as unknown as Changes).changes.map(({ user, type }) => `${type} ${user}`);
}

describe("GET /v1/changes as events", () => {
  it("sends each change as it happens, with a cursor as id", async () => {
    await using api = await start();
    await using events = await readEvents(`${api.url}/v1/changes`);
    expect(events.response.status).toBe(200);
    expect(events.response.headers.get("content-type")).toBe("text/event-stream");
    expect(events.response.headers.get("cache-control")).toBe("no-store");
    expect(events.response.headers.get("x-accel-buffering")).toBe("no");
    await come(api.prefix, ["alice", "line\nbreak"]);
    const first = (await events.next())!;
    expect(first.event).toBe("changes");
    const { changes, next } = first.json as unknown as Changes;
    expect(changes.map(({ user }) => user).sort()).toEqual(["alice", "line\nbreak"]);
    expect(first.id).toBe(next);
    await come(api.prefix, ["bob"]);
    expect(await changesOf(events)).toEqual(["online bob"]);
    expect(events.retry).toBeGreaterThanOrEqual(1_000);
    expect(events.retry).toBeLessThanOrEqual(2_000);
  });

  it("continues after a snapshot's cursor, and after Last-Event-ID, which is newer than the URL", async () => {
    await using api = await start();
    const { cursor } = (await readerOver(ioredisPort(test.redis), { prefix: api.prefix }).counts()).asOf;
    await come(api.prefix, ["alice"]);
    const url = `${api.url}/v1/changes?after=${cursor}`;
    await using first = await readEvents(url);
    const { id, json } = (await first.next())!;
    expect((json as unknown as Changes).changes).toMatchObject([{ user: "alice" }]);
    await come(api.prefix, ["bob"]);
    await using again = await readEvents(url, { headers: { "last-event-id": id! } });
    expect(await changesOf(again)).toEqual(["online bob"]);
  });

  it("sends only changes of the requested users; the id advances without them, so that no gap comes near", async () => {
    await using api = await start({ streams: { heartbeat: 100 } });
    await using events = await readEvents(`${api.url}/v1/changes?user=alice&user=bob`);
    const next = changesOf(events);
    await until("it is told where it stands", () => events.ids.length > 0);
    await come(api.prefix, ["carol", "dave"]);
    const { cursor } = (await readerOver(ioredisPort(test.redis), { prefix: api.prefix }).counts()).asOf;
    await until("the cursor has passed the strangers", () => events.ids.at(-1) === cursor);
    await come(api.prefix, ["eve", "bob"]);
    expect(await next).toEqual(["online bob"]);
  });

  it("reports a gap and continues from now", async () => {
    await using api = await start();
    await come(api.prefix, ["alice"]);
    const { cursor } = (await readerOver(ioredisPort(test.redis), { prefix: api.prefix }).counts()).asOf;
    await come(api.prefix, ["bob"]);
    await come(api.prefix, ["carol"]);
    await test.redis.xtrim(keysOf(api.prefix, 0, 1).changes, "MAXLEN", 1);
    await using events = await readEvents(`${api.url}/v1/changes?after=${cursor}`);
    const gap = (await events.next())!;
    expect(gap.event).toBe("gap");
    expect(gap.json).toEqual({ next: gap.id });
    await come(api.prefix, ["dave"]);
    expect(await changesOf(events)).toEqual(["online dave"]);
  });

  it("sends keep-alives when nothing happens", async () => {
    await using api = await start({ streams: { heartbeat: 100, life: 1_500 } });
    await using events = await readEvents(`${api.url}/v1/changes`);
    expect(await events.next()).toBeUndefined();
    expect(events.ids.length).toBe(1);
    expect(events.comments.length).toBeGreaterThan(0);
  });

  it("INV-11: ends after its life, and a client that reconnects misses nothing and gets nothing twice", async () => {
    await using api = await start({ streams: { life: 1_000 } });
    const expected: string[] = [];
    const found: string[] = [];
    let last: string | undefined;
    let streams = 0;
    const enough = () => streams >= 4;
    const writing = (async () => {
      await until("the first stream is open", () => streams > 0);
      // Each as soon as the one before it has been told, whichever stream told it.
      while (!enough()) {
        expected.push(`u${expected.length}`);
        await come(api.prefix, expected.slice(-1));
        await until("it is told", () => found.length === expected.length);
      }
    })();
    while (!enough() || found.length < expected.length) {
      await using events = await readEvents(`${api.url}/v1/changes`, {
        headers: last === undefined ? {} : { "last-event-id": last },
      });
      streams++;
      for (let event = await events.next(); event !== undefined; event = await events.next())
        found.push(...(event.json as unknown as Changes).changes.map(({ user }) => user));
      last = events.ids.at(-1);
    }
    await writing;
    expect(found).toEqual(expected);
  });

  it("50 subscribers cost Redis no more than one", async () => {
    await using api = await start();
    const all = await Promise.all(Array.from({ length: 50 }, () => readEvents(`${api.url}/v1/changes`)));
    const began = performance.now();
    const before = api.asked();
    const told = Promise.all(
      all.map(async (events) => {
        expect(await changesOf(events)).toEqual(["online alice"]);
        expect(await changesOf(events)).toEqual(["online bob"]);
      }),
    );
    await come(api.prefix, ["alice"]);
    await until("alice was told", () => all.every(({ ids }) => ids.length >= 2));
    await come(api.prefix, ["bob"]);
    await told;
    const seconds = (performance.now() - began) / 1000;
    expect(api.asked() - before).toBeLessThanOrEqual(seconds + 2);
    for (const events of all) await events[Symbol.asyncDispose]();
  });

  it("a subscriber that reads nothing does not block the end of its stream", async () => {
    await using api = await start({ streams: { life: 1_500 } });
    const stalled = await fetch(`${api.url}/v1/changes`, {
      headers: { accept: "text/event-stream", authorization: `Bearer ${TOKEN}` },
    });
    await using events = await readEvents(`${api.url}/v1/changes`);
    const big = Array.from({ length: 3_000 }, (_, i) => `${i}-${"x".repeat(200)}`);
    await come(api.prefix, big);
    const got: string[] = [];
    while (got.length < big.length) got.push(...(await changesOf(events)));
    expect(new Set(got).size).toBe(big.length);
    await stalled.body!.cancel();
  });

  it("continues when Redis is reachable again", async () => {
    const first = await startRedis();
    const prefix = newPrefix();
    const reader = createReader({ redis: first.url, prefix });
    const { app } = appOver(test.redis, { prefix }, { reader, timeout: 2_000 });
    await using api = await serve(app);
    await using events = await readEvents(`${api.url}/v1/changes`);
    await first.stop();
    await until("it says that it is stale", async () => (await events.next())?.event === "stale");
    await using again = await startRedis({ port: first.port });
    const told = (async () => {
      for (;;) {
        const event = (await events.next())!;
        // Another Redis does not have what the first one had.
        if (event.event === "gap" || event.event === "changes") return event;
      }
    })();
    await until(
      "it is told",
      async () => {
        const client = new Redis(again.url);
        await populate(client, { prefix, users: [`u${processes}`], process: `p${++processes}` });
        client.disconnect();
        return Promise.race([told, Promise.resolve(false)]);
      },
      { every: 200 },
    );
    reader.close();
  });

  it("is refused before it opens: with an invalid cursor, without a token, with too many streams", async () => {
    await using api = await start({ streams: { most: 1, anonymous: 0 } });
    const open = (path: string, headers: Record<string, string> = {}) =>
      fetch(`${api.url}${path}`, {
        headers: { accept: "text/event-stream", authorization: `Bearer ${TOKEN}`, ...headers },
      });
    expect(await problemIn(await open("/v1/changes?after=x"))).toMatchObject({ code: "CURSOR_INVALID" });
    expect(await problemIn(await open("/v1/changes", { "last-event-id": "x" }))).toMatchObject({
      status: 400,
    });
    expect(await problemIn(await open("/v1/changes", { authorization: "" }))).toMatchObject({ status: 401 });
    {
      await using events = await readEvents(`${api.url}/v1/changes`);
      expect(events.response.status).toBe(200);
      const refused = await open("/v1/changes");
      expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
      expect(await problemIn(refused)).toMatchObject({
        status: 503,
        code: "STREAMS_EXHAUSTED",
        limit: "streams.most",
      });
      expect(await problemIn(await open("/v1/counts", { authorization: "" }))).toMatchObject({ status: 401 });
      expect((await fetch(`${api.url}/v1/counts`)).status).toBe(200);
    }
    // Who goes away makes room.
    await until("there is room", async () => {
      const response = await open("/v1/counts");
      await response.body!.cancel();
      return response.status === 200;
    });
  });

  it("a bug ends the stream, and the log has its kind and place without its message", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => {});
    onTestFinished(() => printed.mockRestore());
    const prefix = newPrefix();
    await project(test.redis, { prefix });
    const own = readerOver(ioredisPort(test.redis), { prefix });
    let asked = 0;
    const counts: typeof own.counts = () =>
      asked++ === 0 ? own.counts() : Promise.reject(new TypeError("mallory was here"));
    const { app, logged } = appOver(test.redis, { prefix }, { reader: { ...own, counts } });
    await using api = await serve(app);
    await using events = await readEvents(`${api.url}/v1/counts`);
    expect((await events.next())!.event).toBe("counts");
    expect(await events.next()).toBeUndefined();
    expect(logged).toEqual([expect.stringMatching(/^GET \/v1\/counts: 500 INTERNAL \(TypeError\)/)]);
    expect(logged.join()).not.toContain("mallory");
    expect(printed).not.toHaveBeenCalled();
  });

  it("HEAD opens no stream", async () => {
    await using api = await start({ streams: { most: 1 } });
    for (let i = 0; i < 3; i++) {
      const response = await fetch(`${api.url}/v1/changes`, {
        method: "HEAD",
        headers: { accept: "text/event-stream", authorization: `Bearer ${TOKEN}` },
      });
      expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    }
    await using events = await readEvents(`${api.url}/v1/changes`);
    expect(events.response.status).toBe(200);
  });

  it("a server that closes ends all streams", async () => {
    const closing = new AbortController();
    await using api = await start({ signal: closing.signal });
    await using events = await readEvents(`${api.url}/v1/changes`);
    await using counts = await readEvents(`${api.url}/v1/counts`);
    expect((await counts.next())!.event).toBe("counts");
    closing.abort();
    expect([await events.next(), await counts.next()]).toEqual([undefined, undefined]);
    // A browser's EventSource takes a refusal for final, and an ended stream for a reason to reconnect.
    const late = await fetch(`${api.url}/v1/counts`, { headers: { accept: "text/event-stream" } });
    expect([late.status, late.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    expect(await late.text()).toMatch(/^retry: [12]\d{3}\n\n$/);
  });
});

describe("GET /v1/counts as events", () => {
  let api: Setup;
  beforeAll(async () => {
    api = await start();
    return () => api[Symbol.asyncDispose]();
  });

  it("sends the numbers at once, and again when one changes, at most once a second", async () => {
    await using events = await readEvents(`${api.url}/v1/counts`, { headers: { authorization: "" } });
    const first = (await events.next())!;
    expect(first).toMatchObject({ event: "counts", json: { users: 0, sockets: 0 } });
    expect(first.id).toBe((first.json["asOf"] as { cursor: string }).cursor);
    const began = performance.now();
    for (let i = 0; i < 5; i++) await come(api.prefix, [`u${i}`]);
    let seen = 0;
    let users = 0;
    for (; users < 5; seen++) users = (await events.next())!.json["users"] as number;
    expect(users).toBe(5);
    expect(seen).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - began) / 1000));
  });

  it("a stream ends after its limit of requests, and its client reconnects", async () => {
    await using limited = await start({ streams: { requests: 2 } });
    await using events = await readEvents(`${limited.url}/v1/counts`);
    expect((await events.next())!.event).toBe("counts");
    expect(await events.next()).toBeUndefined();
    expect(limited.asked()).toBeLessThanOrEqual(4);
  });
});
