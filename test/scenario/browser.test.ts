/**
 * Goal: a page of another origin works with the API as the guide says: EventSource on the counts, the client with a token on
 * users and changes. No outage ends either for good, and no restart of the API loses or repeats a change.
 * Method: Chromium, pages from one port, serve() on another, createPresence and Socket.IO, a real Redis that is stopped and started.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { startRedis, type RedisServer } from "../../packages/local-redis/src/index.ts";
import { browserOnly, findChromium, startChromium } from "../../rig/chromium.ts";
import { connect, startNode } from "../../rig/node.ts";
import { until, untilEqual } from "../../rig/until.ts";
import type { AppOptions } from "../../src/http/app.ts";
import { createReader } from "../../src/reader/create.ts";
import { newPrefix } from "../unit/http/support.ts";
import type { Seen } from "./browser/page.ts";
import { type Api, openTab, type Site, startApi, startSite, type Tab } from "./browser/world.ts";

const TOKEN = "a-token-for-pages-in-a-browser";
/** Sooner than a place that nobody releases is given away, 15 s. */
const SOON = { timeout: 12_000 };
let browser: Browser;
let site: Site;
let redis: RedisServer;
beforeEach(browserOnly);
beforeAll(async () => {
  if ("reason" in findChromium()) return;
  [browser, site, redis] = await Promise.all([startChromium(), startSite(), startRedis()]);
});
afterAll(async () => {
  await browser?.close();
  await Promise.all([site?.[Symbol.asyncDispose](), redis?.stop()]);
});

/** A server with presence, and the API beside it; `restart` ends the API and starts it on the same port. */
async function start({ server = redis, ...options }: Partial<AppOptions> & { server?: RedisServer } = {}) {
  const prefix = newPrefix();
  const node = await startNode({ redis: server.url, prefix });
  const open = (port?: number) => {
    const reader = createReader({ redis: server.url, prefix });
    return startApi({ reader, tokens: [TOKEN], origins: [site.origin], timeout: 1_000, ...options }, port);
  };
  let api: Api | undefined = await open();
  const { url } = api;
  return {
    url,
    node,
    get got() {
      return api!.got;
    },
    async end() {
      await api?.[Symbol.asyncDispose]();
      api = undefined;
    },
    async begin() {
      api = await open(Number(new URL(url).port));
    },
    async [Symbol.asyncDispose]() {
      await api?.[Symbol.asyncDispose]();
      await node.close();
    },
  };
}

const seeCounts = ({ page }: Tab, url: string) =>
  page.evaluate((api) => void (window.seen = window.page.counts(api)), url);
const seen = ({ page }: Tab) => page.evaluate(() => window.seen);
const named = (all: readonly Seen[], name: string) => all.filter(({ event }) => event === name);
const users = async (tab: Tab) =>
  (named(await seen(tab), "counts").at(-1)?.data as { users: number } | undefined)?.users;
const followFrom = ({ page }: Tab, url: string) =>
  page.evaluate(async ([api, token]) => void (window.following = await window.page.follow(api, token)), [
    url,
    TOKEN,
  ] as const);
const following = ({ page }: Tab) => page.evaluate(() => window.following);
/** What this server's own listeners heard, in the page's words. */
const heard = ({ heard: all }: { readonly heard: readonly string[] }) =>
  all.map((line) => line.split(" ")[0]);

describe("a page of another origin", () => {
  it("sees counts by EventSource, and users and changes with a token, as they change", async () => {
    await using world = await start();
    await using tab = await openTab(browser, site);
    await connect(world.node.url, "alice");
    await until("alice is there", () => world.node.heard.length === 1);
    await seeCounts(tab, world.url);
    await followFrom(tab, world.url);
    const bob = await connect(world.node.url, "bob");
    await untilEqual(() => users(tab), 2);
    await untilEqual(async () => (await following(tab)).present, ["alice", "bob"]);
    bob.disconnect();
    await untilEqual(() => users(tab), 1);
    await untilEqual(async () => (await following(tab)).changes, ["+bob", "-bob"]);
    expect(await following(tab)).toMatchObject({ present: ["alice"], gaps: 0, ages: [] });
    expect(named(await seen(tab), "error")).toEqual([]);
    expect(tab.errors).toEqual([]);
  });

  it("asks before it sends a token, once for all requests of a kind", async () => {
    await using world = await start();
    await using tab = await openTab(browser, site);
    const asked = await tab.page.evaluate(
      async ([api, token]) => {
        const ask = async (path: string, init: RequestInit, more: Record<string, string>) => {
          const headers = { authorization: `Bearer ${token}`, ...more };
          const { status } = await fetch(api + path, { ...init, headers });
          return status;
        };
        const json = { "content-type": "application/json" };
        const body = JSON.stringify({ ids: ["alice"] });
        return [
          await ask("/v1/users/lookup", { method: "POST", body }, json),
          await ask("/v1/users/lookup", { method: "POST", body }, json),
          await ask("/v1/changes", {}, { "last-event-id": "0-0" }),
          await ask("/v1/users", { method: "HEAD" }, { "if-none-match": '"a"' }),
        ];
      },
      [world.url, TOKEN] as const,
    );
    expect(asked).toEqual([200, 200, 200, 200]);
    const preflights = world.got.filter(({ method }) => method === "OPTIONS");
    expect(preflights.map(({ path }) => path)).toEqual(["/v1/users/lookup", "/v1/changes", "/v1/users"]);
    expect(tab.errors).toEqual([]);
  });

  it("reads why it is refused, and what to do, as far as its origin is listed", async () => {
    await using world = await start({ streams: { perClient: 1 } });
    await using tab = await openTab(browser, site);
    const refused = (token: string) =>
      tab.page.evaluate(([api, one]) => window.page.refusal(api, one), [world.url, token] as const);
    expect(await refused("a-token-that-is-not-one")).toEqual({ status: 401, code: "TOKEN_INVALID" });
    expect(await refused(TOKEN)).toEqual({ status: 200, code: "" });
    await seeCounts(tab, world.url);
    await until("the stream is open", async () => named(await seen(tab), "open").length === 1);
    const limited = await tab.page.evaluate(async (api) => {
      const response = await fetch(`${api}/v1/counts`, { headers: { accept: "text/event-stream" } });
      const { code } = (await response.json()) as { code: string };
      return { status: response.status, code, after: Number(response.headers.get("retry-after")) };
    }, world.url);
    expect(limited).toEqual({ status: 429, code: "STREAMS_LIMITED", after: expect.any(Number) as number });
    expect(limited.after).toBeGreaterThan(0);
    expect(tab.errors).toEqual([expect.stringContaining("401"), expect.stringContaining("429")]);
    await using strangers = await startSite();
    await using stranger = await openTab(browser, strangers);
    const kept = await stranger.page.evaluate(
      async ([api, token]) => [
        await window.page.refusal(api, token),
        await fetch(`${api}/v1/counts`).then(({ status }) => status, String),
      ],
      [world.url, TOKEN] as const,
    );
    expect(kept).toEqual([{ status: 0, code: "TypeError: Failed to fetch" }, "TypeError: Failed to fetch"]);
  });

  it("has its answers from its own cache, and asks with their tag when it wants to be sure", async () => {
    await using world = await start({ reuse: 60_000 });
    await using tab = await openTab(browser, site);
    const ask = (cache: RequestCache) =>
      tab.page.evaluate(
        async ([api, mode]) => {
          const response = await fetch(`${api}/v1/counts`, { cache: mode });
          return { status: response.status, text: await response.text() };
        },
        [world.url, cache] as const,
      );
    const first = await ask("default");
    expect(first).toMatchObject({ status: 200, text: expect.stringContaining('"users":0') as string });
    expect(await ask("default")).toEqual(first);
    expect(world.got.map(({ status }) => status)).toEqual([200]);
    expect(await ask("no-cache")).toEqual(first);
    await untilEqual(() => world.got.map(({ status }) => status), [200, 304]);
    // EventSource never looks into the cache; fetch does, and must not take the answer there for a stream.
    const type = await tab.page.evaluate(async (api) => {
      const leaving = new AbortController();
      const init = { headers: { accept: "text/event-stream" }, signal: leaving.signal };
      const { headers } = await fetch(`${api}/v1/counts`, init);
      leaving.abort();
      return headers.get("content-type");
    }, world.url);
    expect(type).toBe("text/event-stream");
    expect(tab.errors).toEqual([]);
  });

  it("gives its place back when it is closed, and when it goes elsewhere", async () => {
    await using world = await start({ streams: { perClient: 1 } });
    await using later = await openTab(browser, site);
    const isOpen = async (tab: Tab) => named(await seen(tab), "open").length > 0;
    for (const leave of ["close", "elsewhere"] as const) {
      await using tab = await openTab(browser, site);
      await until(
        "it gets the place",
        async () => {
          await seeCounts(tab, world.url);
          await until("an answer", async () => (await seen(tab)).length > 0);
          return isOpen(tab);
        },
        SOON,
      );
      await seeCounts(later, world.url);
      // For EventSource, a refusal is final.
      await untilEqual(async () => named(await seen(later), "error").at(-1)?.data, 2);
      if (leave === "close") await tab.page.close();
      else await tab.page.goto("about:blank");
    }
    await until(
      "the place is free",
      async () => {
        await seeCounts(later, world.url);
        await until("an answer", async () => (await seen(later)).length > 0);
        return isOpen(later);
      },
      SOON,
    );
  });
});

describe("outages", () => {
  it("of Redis are told to a page that stays, then news come on the same streams", async () => {
    const first = await startRedis();
    await using world = await start({ server: first });
    await using tab = await openTab(browser, site);
    await connect(world.node.url, "alice");
    await until("alice is there", () => world.node.heard.length === 1);
    await seeCounts(tab, world.url);
    await followFrom(tab, world.url);
    await untilEqual(() => users(tab), 1);
    await first.stop();
    await until("the counts are stale", async () => named(await seen(tab), "stale").length === 1);
    await untilEqual(async () => (await following(tab)).ages, ["redis"]);
    await using again = await startRedis({ port: first.port });
    await until("it is back", () => again.pid !== first.pid);
    await until("the counts are fresh", async () => named(await seen(tab), "fresh").length === 1);
    await connect(world.node.url, "bob");
    await untilEqual(() => users(tab), 2);
    await untilEqual(async () => (await following(tab)).present, ["alice", "bob"]);
    // It came back empty, and until the server has registered again no projector has run. It is not fresh before.
    await untilEqual(async () => (await following(tab)).ages.at(-1), "fresh");
    const { ages } = await following(tab);
    expect(ages.filter((age) => age === "fresh").length).toBe(1);
    expect((await seen(tab)).filter(({ event }) => event === "open" || event === "error")).toEqual([
      { event: "open", id: "", data: 1 },
    ]);
    expect(world.got.filter(({ path }) => path === "/v1/counts").length).toBe(1);
    expect(tab.errors).toEqual([]);
  });

  it("of the API cost a page no change, and none comes twice", async () => {
    await using world = await start();
    await using tab = await openTab(browser, site);
    await connect(world.node.url, "alice");
    await until("alice is there", () => world.node.heard.length === 1);
    await seeCounts(tab, world.url);
    await followFrom(tab, world.url);
    for (const round of [1, 2]) {
      const before = await connect(world.node.url, `before-${round}`);
      await until("this server heard it", () => heard(world.node).includes(`+before-${round}`));
      await untilEqual(async () => (await following(tab)).changes, heard(world.node).slice(1));
      await untilEqual(() => users(tab), 2 * round);
      const last = (await seen(tab)).findLast(({ id }) => id !== "")!;
      await world.end();
      await until("the page sees it", async () => named(await seen(tab), "error").length > 0);
      before.disconnect();
      await connect(world.node.url, `meanwhile-${round}`);
      await until("this server heard it", () => heard(world.node).includes(`+meanwhile-${round}`) && heard(world.node).includes(`-before-${round}`)); // prettier-ignore
      await world.begin();
      await connect(world.node.url, `after-${round}`);
      await untilEqual(() => users(tab), 1 + 2 * round);
      await untilEqual(async () => (await following(tab)).changes, heard(world.node).slice(1));
      const reconnected = world.got.filter(({ path, method }) => path === "/v1/counts" && method === "GET");
      expect(reconnected.map(({ headers }) => headers["last-event-id"])).toEqual([last.id]);
    }
    expect((await following(tab)).gaps).toBe(0);
    expect(named(await seen(tab), "open").length).toBe(3);
    // Only what the browser itself says of a server that is not there.
    for (const error of tab.errors) expect(error).toMatch(/net::ERR_/);
  });
});
