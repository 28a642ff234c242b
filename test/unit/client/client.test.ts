/**
 * Goal: the typed client calls every route, turns a problem into an error with its code, and follows changes through ended
 * streams, outages and gaps without losing or repeating one. It also works in a browser, without Node modules.
 * Method: the app behind a real HTTP server, over a real Redis; the client as a bundle for browsers, with only browser globals.
 */
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { createClient, type News, ProblemError } from "../../../src/client/client.ts";
import { keysOf } from "../../../src/core/keys.ts";
import type { AppOptions } from "../../../src/http/app.ts";
import { until } from "../../../rig/until.ts";
import { serve } from "../http/serve.ts";
import { appOver, HOSTILE_IDS, newPrefix, populate, TOKEN, useRedis } from "../http/support.ts";

const test = useRedis();
let processes = 0;
const come = (prefix: string, users: readonly string[]) =>
  populate(test.redis, { prefix, users, process: `p${++processes}` });

async function start(options: Partial<AppOptions> = {}) {
  const prefix = newPrefix();
  const served = await serve(appOver(test.redis, { prefix }, options).app);
  return { ...served, prefix, client: createClient(served.url, { token: TOKEN }) };
}

describe("options", () => {
  const url = "http://127.0.0.1:1";
  it("a secret that fetch would quote is refused without it", async () => {
    const refused = { code: "OPTIONS_INVALID", message: expect.not.stringContaining("s3cret") as string };
    expect(() => createClient("https://me:s3cret@api.example")).toThrow(expect.objectContaining(refused));
    for (const token of ["s3cret\nof two lines", "s3cret token", "s3cret\u2019"])
      await expect(createClient(url, { token }).counts()).rejects.toMatchObject(refused);
    await expect(createClient(url, { token: () => "s3cret\r" }).counts()).rejects.toMatchObject(refused);
  });

  it("an unknown option is refused by name, with the nearest known one", async () => {
    const client = createClient(url);
    // As JavaScript passes them: through a variable, the compiler checks no names.
    const [slip, cursors, places, following] = [
      { tokn: TOKEN },
      { curser: "0-0" },
      { afer: "0-0" },
      { user: ["a"] },
    ];
    expect(() => createClient(url, slip as object)).toThrow(
      "unknown option tokn of createClient: did you mean token?",
    );
    await expect(client.page(cursors as object)).rejects.toThrow("curser of page(): did you mean cursor?");
    await expect(client.changes(places as object)).rejects.toThrow("afer of changes(): did you mean after?");
    await expect(client.follow(following as object).next()).rejects.toMatchObject({
      code: "OPTIONS_INVALID",
      message: "unknown option user of follow(): did you mean users?",
    });
  });

  it("an invalid timeout is refused", () => {
    expect(() => createClient(url, { timeout: Number.NaN })).toThrow(
      "timeout must be a whole number from 1 to 2147483647",
    );
  });
});

describe("questions", () => {
  it("every method returns the answer of its route, for every user id", async () => {
    await using api = await start();
    await come(api.prefix, ["alice", ...HOSTILE_IDS]);
    const { client } = api;
    expect(await client.counts()).toMatchObject({ users: HOSTILE_IDS.length + 1 });
    for (const id of HOSTILE_IDS) expect(await client.user(id)).toMatchObject({ id, online: true });
    const ids = [...HOSTILE_IDS, "nobody"];
    expect((await client.lookup(ids)).users.map(({ id, online }) => [id, online])).toEqual(
      ids.map((id) => [id, id !== "nobody"]),
    );
    expect((await client.processes()).processes).toMatchObject([{ state: "live" }]);
    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof client.page>> = await client.page({
        limit: 10,
        ...(cursor !== null && { cursor }),
      });
      found.push(...page.users.map(({ id }) => id));
      cursor = page.next;
    } while (cursor !== null);
    expect(found.sort()).toEqual(["alice", ...HOSTILE_IDS].sort());
    const all: string[] = [];
    for await (const { id } of client.users()) all.push(id);
    expect(all.sort()).toEqual(found);
    const { next } = await client.changes();
    await come(api.prefix, ["bob", "carol"]);
    expect((await client.changes({ after: next, users: ["bob"] })).changes).toMatchObject([{ user: "bob" }]);
    expect((await client.fetch("/health")).status).toBe(200);
    // With the token: nobody else is given this one.
    expect((await client.fetch("/metrics", { method: "HEAD" })).status).toBe(200);
    expect((await client.fetch("/v1/elsewhere")).status).toBe(404);
  });

  it("a problem becomes an error with its code", async () => {
    await using api = await start();
    const wrong = createClient(`${api.url}/`, { token: async () => "a-token-of-somebody-else" });
    await expect(wrong.page()).rejects.toMatchObject({ status: 401, code: "TOKEN_INVALID" });
    await expect(createClient(api.url).processes()).rejects.toBeInstanceOf(ProblemError);
    await expect(api.client.page({ limit: 0 })).rejects.toMatchObject({ code: "QUERY_INVALID" });
    await expect(api.client.user("")).rejects.toMatchObject({ code: "USER_INVALID" });
    for (const id of [".", ".."]) expect(await api.client.user(id)).toMatchObject({ id, online: false });
    await expect(createClient(`${api.url}/elsewhere`, { token: TOKEN }).counts()).rejects.toMatchObject({
      status: 404,
      code: "NOT_FOUND",
    });
  });

  it("a request without an answer fails after `timeout`", async () => {
    const never: typeof fetch = (_input, init) =>
      new Promise((_, reject) =>
        init!.signal!.addEventListener("abort", () => reject(init!.signal!.reason as Error)),
      );
    const client = createClient("http://api.example", { fetch: never, timeout: 50 });
    await expect(client.counts()).rejects.toThrow("no answer within 50 ms");
  });
});

describe("follow", () => {
  /** What a follower has been told so far. */
  function gather(news: AsyncIterable<News>) {
    const told: News[] = [];
    const done = (async () => {
      for await (const one of news) told.push(one);
    })();
    done.catch(() => {});
    return { told, users: () => told.flatMap(({ changes }) => changes.map(({ user }) => user)), done };
  }

  it("continues from a snapshot through ended streams, with each change once, until the signal fires", async () => {
    await using api = await start({ streams: { life: 1_000 }, reuse: 100 });
    await come(api.prefix, ["alice"]);
    const { asOf } = await api.client.lookup(["alice"]);
    const leaving = new AbortController();
    const follower = gather(api.client.follow({ after: asOf.cursor, signal: leaving.signal }));
    const expected: string[] = [];
    const began = performance.now();
    while (performance.now() - began < 4_000) {
      expected.push(`u${expected.length}`);
      await come(api.prefix, expected.slice(-1));
      await until("it is told", () => follower.users().length >= expected.length);
    }
    expect(follower.users()).toEqual(expected);
    leaving.abort();
    await follower.done;
  });

  it("continues after an outage of the API", async () => {
    const prefix = newPrefix();
    let up = true;
    const { app } = appOver(test.redis, { prefix });
    const api = await serve(app);
    const flaky: typeof fetch = (...args) => (up ? fetch(...args) : Promise.reject(new TypeError("refused")));
    const client = createClient(api.url, { token: TOKEN, fetch: flaky });
    const leaving = new AbortController();
    const { next } = await client.changes();
    const follower = gather(client.follow({ after: next, signal: leaving.signal }));
    await come(prefix, ["alice"]);
    await until("alice is told", () => follower.users().length === 1);
    up = false;
    api.server.closeAllConnections();
    await come(prefix, ["bob"]);
    up = true;
    await until("bob is told", () => follower.users().length === 2);
    expect(follower.users()).toEqual(["alice", "bob"]);
    leaving.abort();
    await follower.done;
    await api[Symbol.asyncDispose]();
  });

  it("reports a gap and continues", async () => {
    await using api = await start();
    await come(api.prefix, ["alice"]);
    const { next } = await api.client.changes();
    await come(api.prefix, ["bob"]);
    await come(api.prefix, ["carol"]);
    await test.redis.xtrim(keysOf(api.prefix, 0, 1).changes, "MAXLEN", 1);
    const leaving = new AbortController();
    const follower = gather(api.client.follow({ after: next, signal: leaving.signal }));
    await until("the gap is told", () => follower.told.length === 1);
    expect(follower.told[0]).toMatchObject({ gap: true, changes: [] });
    await come(api.prefix, ["dave"]);
    await until("dave is told", () => follower.users().length === 1);
    expect(follower.told.at(-1)).toMatchObject({ gap: false, changes: [{ user: "dave", type: "online" }] });
    leaving.abort();
    await follower.done;
  });

  it("ends with an error that a retry does not fix", async () => {
    await using api = await start();
    const wrong = createClient(api.url, { token: "a-token-of-somebody-else" });
    await expect(gather(wrong.follow()).done).rejects.toMatchObject({ code: "TOKEN_INVALID" });
    await expect(gather(api.client.follow({ after: "x" })).done).rejects.toMatchObject({
      code: "CURSOR_INVALID",
    });
  });

  it("leaving the loop closes the stream", async () => {
    await using api = await start({ streams: { most: 1 } });
    const { next } = await api.client.changes();
    await come(api.prefix, ["alice"]);
    for (let i = 0; i < 3; i++) {
      await until("there is room for the next", async () => {
        for await (const { changes } of api.client.follow({ after: next }))
          return changes[0]?.user === "alice";
        return false;
      });
    }
  });
});

it("the client runs with browser globals only", async () => {
  const { outputFiles } = await build({
    entryPoints: ["src/client/client.ts"],
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    globalName: "rollcall",
    minify: true,
  });
  const { text } = outputFiles[0]!;
  expect(text).not.toMatch(/\bnode:|\brequire\(|\bprocess\.|\bBuffer\b/);
  expect(text.length).toBeLessThan(20_000);
  await using api = await start();
  await come(api.prefix, ["alice"]);
  const { AbortController, AbortSignal, DOMException, Headers, TextDecoder, URL, URLSearchParams } =
    globalThis;
  const context = createContext({
    fetch, setTimeout, clearTimeout, AbortController, AbortSignal, DOMException, Headers, TextDecoder,
    URL, performance, URLSearchParams,
  }); // prettier-ignore
  const { createClient: create } = runInContext(`${text};rollcall`, context) as {
    createClient: typeof createClient;
  };
  const client = create(api.url, { token: TOKEN });
  expect(await client.user("alice")).toMatchObject({ online: true });
  const { next } = await client.changes();
  await come(api.prefix, ["bob"]);
  for await (const { changes } of client.follow({ after: next })) {
    expect(changes).toMatchObject([{ user: "bob" }]);
    break;
  }
});
