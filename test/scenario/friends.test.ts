/**
 * Goal: a page with a token for three friends sees them come and go, across the ends of its tokens, and learns nothing of anybody else.
 * Method: Chromium, live() of the client, signToken() of the application's server, serve() of another origin, a real Socket.IO server that
 * strangers come to and leave all the time; every byte that the page gets is kept and searched.
 */
import type { Browser } from "playwright-core";
import type { Socket as ClientSocket } from "socket.io-client";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../packages/local-redis/src/index.ts";
import { browserOnly, findChromium, startChromium } from "../../rig/chromium.ts";
import { connect, startNode } from "../../rig/node.ts";
import { until, untilEqual } from "../../rig/until.ts";
import { signToken } from "../../src/index.ts";
import { createReader } from "../../src/reader/create.ts";
import { newPrefix } from "../unit/http/support.ts";
import { openTab, type Site, startApi, startSite } from "./browser/world.ts";

const FRIENDS = ["ann", "bea", "cy"];
const SECRET = "a-secret-of-this-test-with-32-bytes";
const [issuer, audience] = ["app.example", "presence"];
/** Short, so that the page lives through several tokens. */
const EXPIRES_MS = 3_000;

let browser: Browser;
let site: Site;
let redis: RedisServer;
beforeEach(browserOnly);
beforeAll(async () => {
  if ("reason" in findChromium()) return;
  [browser, site, redis] = await Promise.all([startChromium(), startSite("friends-page.ts"), startRedis()]);
});
afterAll(async () => {
  await browser?.close();
  await Promise.all([site?.[Symbol.asyncDispose](), redis?.stop()]);
});

it("a page with a token for three friends sees them come and go, and nothing else", async () => {
  const prefix = newPrefix();
  const node = await startNode({ redis: redis.url, prefix });
  const reader = createReader({ redis: redis.url, prefix });
  await using api = await startApi({
    reader,
    origins: [site.origin],
    counts: "closed",
    browserTokens: { issuer, audience, secrets: [SECRET] },
  });
  await using tab = await openTab(browser, site);
  let signed = 0;
  await tab.page.exposeFunction("signIn", () => {
    signed++;
    const grants = { actions: ["lookup", "changes", "users"] as const, users: FRIENDS };
    return signToken({ secret: SECRET, issuer, audience, subject: "me", grants, expiresIn: EXPIRES_MS });
  });
  const clients = new Map<string, ClientSocket>();
  const come = async (user: string) => clients.set(user, await connect(node.url, user));
  const go = (user: string) => void clients.get(user)!.disconnect();
  const shown = () => tab.page.locator("li").allTextContents();
  const shows = (...online: string[]) =>
    untilEqual(
      shown,
      FRIENDS.map((id) => `${id} ${online.includes(id) ? "online" : "offline"}`),
    );
  let strangers = 0;
  /** One comes, and an earlier one goes. */
  const bustle = async () => {
    await come(`stranger-${strangers++}`);
    if (strangers > 3) go(`stranger-${strangers - 3}`);
  };

  for (let i = 0; i < 5; i++) await bustle();
  await come("ann");
  await until("ann is there", () => node.heard.some((line) => line.startsWith("+ann")));
  await tab.page.evaluate(([url, ids]) => window.friends(url, ids), [api.url, FRIENDS] as const);
  await shows("ann");
  await bustle();
  await come("bea");
  await shows("ann", "bea");
  go("ann");
  await bustle();
  await shows("bea");
  // Over the ends of two tokens.
  await until("the page has had three tokens", async () => {
    await bustle();
    return signed >= 3;
  }, { every: 250 }); // prettier-ignore
  await come("cy");
  await shows("bea", "cy");
  expect(tab.errors).toEqual([]);

  const bytes = await tab.page.evaluate(() => window.bytes);
  expect(bytes).toContain("cy");
  expect(bytes).not.toContain("stranger");
  // What the positions of everybody's changes would be: ids of the stream.
  expect(bytes).not.toMatch(/\d{13}-\d/);

  const ask = (path: string, body?: unknown) =>
    tab.page.evaluate(([p, b]) => window.ask(p, b), [path, body] as const);
  const refused = { status: 403, text: expect.not.stringContaining("stranger") as string };
  expect(await ask("/v1/users/lookup", { ids: ["stranger-6"] })).toMatchObject(refused);
  for (const path of [
    "/v1/counts",
    "/v1/users/ann",
    "/v1/changes?user=stranger-6",
    "/v1/processes",
    "/metrics",
  ])
    expect(await ask(path), path).toMatchObject({ status: 403 });
  const { users } = JSON.parse((await ask("/v1/users")).text) as { users: { id: string }[] };
  expect(users.map(({ id }) => id).sort()).toEqual(["bea", "cy"]);
  reader.close();
  await node.close();
});
