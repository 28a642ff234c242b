/**
 * Goal: React components show who is online, how many, and who of some users, as it changes; a page has one stream for each question
 * however many components ask, also under StrictMode, and none when they are gone.
 * Method: Chromium with React's development build, Socket.IO with presence, the API, a real Redis.
 */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { Browser } from "playwright-core";
import { startRedis, type RedisServer } from "../../packages/local-redis/src/index.ts";
import { browserOnly, findChromium, startChromium } from "../../rig/chromium.ts";
import { connect, startNode } from "../../rig/node.ts";
import { until, untilEqual } from "../../rig/until.ts";
import { createReader } from "../../src/reader/create.ts";
import { readEvents } from "../unit/http/serve.ts";
import { newPrefix, TOKEN } from "../unit/http/support.ts";
import type { Shown } from "./browser/react-page.ts";
import { openTab, type Site, startApi, startSite } from "./browser/world.ts";

let browser: Browser;
let site: Site;
let redis: RedisServer;
beforeEach(browserOnly);
beforeAll(async () => {
  if ("reason" in findChromium()) return;
  [browser, site, redis] = await Promise.all([startChromium(), startSite("react-page.ts"), startRedis()]);
});
afterAll(async () => {
  await browser?.close();
  await Promise.all([site?.[Symbol.asyncDispose](), redis?.stop()]);
});

async function start() {
  const prefix = newPrefix();
  const node = await startNode({ redis: redis.url, prefix });
  const reader = createReader({ redis: redis.url, prefix });
  const api = await startApi({
    reader,
    tokens: [TOKEN],
    origins: [site.origin],
    reuse: 100,
    streams: { most: 3 },
  });
  const { page, errors, ...tab } = await openTab(browser, site);
  return {
    node,
    errors,
    api,
    show: (shown: Shown) =>
      page.evaluate(([url, token, what]) => window.react.show(url, token, what), [
        api.url,
        TOKEN,
        shown,
      ] as const),
    unmount: () => page.evaluate(() => window.react.unmount()),
    lines: () => page.evaluate(() => window.react.lines()),
    renders: () => page.evaluate(() => ({ ...window.react.renders })),
    /** How often each route was asked. */
    asked(path: string): number {
      return api.got.filter((one) => one.method !== "OPTIONS" && one.path.split("?")[0] === path).length;
    },
    async [Symbol.asyncDispose]() {
      await tab[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
      await node.close();
    },
  };
}

it("components show what is true as it changes, over one stream for each question", async () => {
  await using world = await start();
  const alice = await connect(world.node.url, "alice");
  await until("alice is there", () => world.node.heard.length === 1);
  const friends = [["alice", "bob"], ["bob", "alice"], ["carol"], ["nobody", ""]];
  await world.show({ users: true, counts: true, friends });
  await untilEqual(world.lines, [
    "users live 1 alice",
    "counts live 1 1",
    "friends live alice:true,bob:false",
    "friends live bob:false,alice:true",
    "friends live carol:false",
    "friends live nobody:false,:false",
  ]);
  const asked = () =>
    ["/v1/users", "/v1/users/lookup", "/v1/counts", "/v1/changes"].map((path) => world.asked(path));
  // Two streams of changes: of everybody, and of the friends.
  await untilEqual(asked, [1, 1, 1, 2]);
  const before = await world.renders();
  await connect(world.node.url, "bob");
  alice.disconnect();
  await untilEqual(world.lines, [
    "users live 1 bob",
    "counts live 1 1",
    "friends live alice:false,bob:true",
    "friends live bob:true,alice:false",
    "friends live carol:false",
    "friends live nobody:false,:false",
  ]);
  const after = await world.renders();
  expect(after["alice,bob"]).toBeGreaterThan(before["alice,bob"]!);
  expect(after["carol"]).toBe(before["carol"]);
  expect(asked()).toEqual([1, 1, 1, 2]);
  expect(world.errors).toEqual([]);
});

it("components that come later are looked up together, and those that go cost nothing", async () => {
  await using world = await start();
  for (const user of ["alice", "dave"]) await connect(world.node.url, user);
  await until("they are there", () => world.node.heard.length === 2);
  await world.show({ friends: [["alice"]] });
  await untilEqual(world.lines, ["friends live alice:true"]);
  expect(world.asked("/v1/users/lookup")).toBe(1);
  await world.show({ friends: [["alice"], ["dave"], ["erin"], ["frank"]] });
  await untilEqual(
    world.lines,
    ["alice:true", "dave:true", "erin:false", "frank:false"].map((one) => `friends live ${one}`),
  );
  expect(world.asked("/v1/users/lookup")).toBe(2);
  const erin = await connect(world.node.url, "erin");
  await untilEqual(
    world.lines,
    ["alice:true", "dave:true", "erin:true", "frank:false"].map((one) => `friends live ${one}`),
  );
  await world.show({ friends: [["dave"]] });
  await world.show({ friends: [["dave"], ["erin"]] });
  await untilEqual(world.lines, ["friends live dave:true", "friends live erin:true"]);
  erin.disconnect();
  await untilEqual(world.lines, ["friends live dave:true", "friends live erin:false"]);
  expect(world.asked("/v1/users/lookup")).toBe(2);
  expect(world.errors).toEqual([]);
});

it("a page without components has no stream, a moment later", async () => {
  await using world = await start();
  const everything = { users: true, counts: true, friends: [["alice"]] };
  await world.show(everything);
  await untilEqual(world.lines, ["users live 0 ", "counts live 0 0", "friends live alice:false"]);
  // All three places are taken.
  const open = () => readEvents(`${world.api.url}/v1/changes`).catch(() => undefined);
  await untilEqual(() => world.asked("/v1/changes") + world.asked("/v1/counts"), 3);
  expect(await open()).toBeUndefined();
  const asked = world.api.got.length;
  // Mounted again at once, it finds them open.
  await world.unmount();
  await world.show(everything);
  await untilEqual(world.lines, ["users live 0 ", "counts live 0 0", "friends live alice:false"]);
  expect(
    world.api.got
      .slice(asked)
      .map(({ path }) => path)
      .filter((path) => !path.startsWith("/v1/changes")),
  ).toEqual([]);
  await world.unmount();
  await using one = await until("a place is free", open);
  await using two = await until("a second one", open);
  await using three = await until("and the third", open);
  expect([one, two, three].map(({ response }) => response.status)).toEqual([200, 200, 200]);
  expect(world.errors).toEqual([]);
});
