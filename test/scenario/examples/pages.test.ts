/**
 * Goal: the recipes for pages do what their pages say: a friend who comes or goes is seen, a reload is not, and nobody else is.
 * Method: each as a process over a real Redis, two tabs of a real browser, and strangers by Socket.IO.
 */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { browserOnly, findChromium, startChromium } from "../../../rig/chromium.ts";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { untilEqual } from "../../../rig/until.ts";
import { PATIENT, startExample, tab } from "./support.ts";

let browser: Browser;
beforeEach(browserOnly);
beforeAll(async () => {
  if ("reason" in findChromium()) return;
  browser = await startChromium();
});
afterAll(() => browser?.close());

async function redisFor(): Promise<RedisServer> {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  return redis;
}

async function open(url: string, user: string, errors: string[]): Promise<Page> {
  const page = await browser.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(`${url}/?user=${user}`);
  return page;
}

const lines = (page: Page) => page.locator("li").allTextContents();

it.each(["page", "react"])("%s: friends are seen to come and go, and nobody else", PATIENT, async (name) => {
  const redis = await redisFor();
  const { url, stop } = await startExample(`${name}/server.ts`, redis.url);
  const errors: string[] = [];
  const alice = await open(url, "alice", errors);
  await untilEqual(() => lines(alice), ["○ bob", "○ carol"]);
  await tab(url, "stranger");
  const bob = await open(url, "bob", errors);
  await untilEqual(() => lines(bob), ["● alice"]);
  await untilEqual(() => lines(alice), ["● bob", "○ carol"]);
  if (name === "react") await untilEqual(() => alice.locator("p").textContent(), "3 online");
  await bob.reload();
  await untilEqual(() => lines(bob), ["● alice"]);
  await bob.close();
  await untilEqual(() => lines(alice), ["○ bob", "○ carol"]);
  expect(await alice.content()).not.toContain("stranger");
  expect(errors).toEqual([]);
  expect(await stop()).toBe(0);
  await alice.close();
});
