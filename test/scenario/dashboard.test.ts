/**
 * Goal: the dashboard tells what happens within a second, and says so when it cannot know: a crash, an API or a Redis that is away, a
 * token that is wrong. Nothing that a user's id contains changes the page, and nobody needs a mouse, a wide screen or a reload.
 * Method: Chromium on the page that serve() serves, Socket.IO servers with presence, one of them a process that is killed, a real Redis.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it, type TestContext } from "vitest";
import { Redis } from "ioredis";
import { startRedis, type RedisServer } from "../../packages/local-redis/src/index.ts";
import { browserOnly, findChromium, startChromium } from "../../rig/chromium.ts";
import { connect, startNode } from "../../rig/node.ts";
import { until, untilEqual } from "../../rig/until.ts";
import type { AppOptions } from "../../src/http/app.ts";
import { signToken } from "../../src/tokens/sign.ts";
import { createReader } from "../../src/reader/create.ts";
import { append, newPrefix, populate } from "../unit/http/support.ts";
import { type Api, startApi } from "./browser/world.ts";

const TOKEN = "a-token-for-the-dashboard";
const COUNTS_TOKEN = "a-token-for-the-counts-only";
const SOON = { timeout: 12_000 };
let browser: Browser;
let server: RedisServer;
let redis: Redis;
beforeEach(browserOnly);
beforeAll(async () => {
  if ("reason" in findChromium()) return;
  [browser, server] = await Promise.all([startChromium(), startRedis()]);
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis?.disconnect();
  await browser?.close();
  await server?.stop();
});

interface Opened extends AsyncDisposable {
  readonly page: Page;
  /** Errors of its console, of its code and of its policy. */
  readonly errors: string[];
  /** Origins it asked. */
  readonly origins: Set<string>;
}

async function openPage(url: string, options: Parameters<Browser["newContext"]>[0] = {}): Promise<Opened> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const errors: string[] = [];
  const origins = new Set<string>();
  page.on("console", (message) => {
    // There is no other way to learn that no history is kept, and a browser reports every 404.
    if (message.text().includes("404") && message.location().url.includes("/v1/history")) return;
    if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith("data:")) origins.add(new URL(request.url()).origin);
  });
  await page.goto(url);
  return { page, errors, origins, [Symbol.asyncDispose]: () => context.close() };
}

/** The API over one prefix; `end` and `begin` restart it on the same port. */
async function serveApi(
  prefix: string,
  { dashboard = { token: TOKEN }, ...options }: Partial<AppOptions> = {},
) {
  const open = (port?: number) => {
    const reader = createReader({ redis: server.url, prefix });
    const tokens = { tokens: [TOKEN], countsTokens: [COUNTS_TOKEN], dashboard };
    // Of a Redis that is slow beside a load nothing is to be seen here; one that is away has a shorter one.
    return startApi({ reader, timeout: 20_000, ...tokens, ...options }, port);
  };
  let api: Api | undefined = await open();
  const { url } = api;
  return {
    url,
    async end() {
      await api?.[Symbol.asyncDispose]();
      api = undefined;
    },
    async begin() {
      api = await open(Number(new URL(url).port));
    },
    async [Symbol.asyncDispose]() {
      await api?.[Symbol.asyncDispose]();
    },
  };
}

/** The number under this name at the top. */
const numberOf = (page: Page, name: string) =>
  page
    .locator(".number", { has: page.locator(`dt:text-is("${name}")`) })
    .locator(".value")
    .textContent();
const pill = (page: Page) => page.locator(".pill").textContent();
const feed = (page: Page) => page.locator("[aria-label='Changes, newest first'] li");
const enter = async (page: Page, token: string) => {
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Open" }).click();
};

/** A Socket.IO server that can be killed. */
async function startVictim(
  options: object,
  onTestFinished: TestContext["onTestFinished"],
): Promise<{ readonly url: string; readonly kill: () => void }> {
  const child = spawn(process.execPath, [new URL("../../rig/node-process.ts", import.meta.url).pathname], {
    env: { ...process.env, NODE_OPTIONS_JSON: JSON.stringify(options) },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [{ ready }] = (await once(child, "message")) as [{ ready: string }];
  return { url: ready, kill: () => child.kill("SIGKILL") };
}

const HOSTILE = [
  "<img src=x onerror=window.hacked=1>",
  "\u202egnp.exe\u202c",
  "__proto__",
  "constructor",
  "x".repeat(256),
  "tab\tnul\u0000esc\u001b[2J",
  "</script><script>window.hacked=1</script>",
  "a/b?c=d&e%20f",
  "Z\u0351\u036b\u0343a\u0334\u0320l\u034ego",
];

describe("what happens", () => {
  it("shows within a second, and a crash as one that heals", async ({ onTestFinished }) => {
    const prefix = newPrefix();
    const options = { redis: server.url, prefix, ttl: 1_500, rooms: true, history: true } as const;
    await using node = await startNode(options);
    const victim = await startVictim(options, onTestFinished);
    await using api = await serveApi(prefix);
    await using opened = await openPage(api.url);
    const { page, errors, origins } = opened;
    await untilEqual(() => pill(page), "Live");
    await untilEqual(() => numberOf(page, "Servers"), "2");
    const sent = performance.now();
    await connect(node.url, "alice");
    await untilEqual(() => numberOf(page, "Users"), "1");
    // A look a second, and what the page itself takes on a busy machine.
    expect(performance.now() - sent).toBeLessThan(3_000);
    await untilEqual(
      () =>
        feed(page)
          .allTextContents()
          .then((rows) => rows.length),
      1,
    );

    for (const user of ["bob", "carol", "dave"]) await connect(victim.url, user);
    await untilEqual(() => numberOf(page, "Users"), "4");
    victim.kill();
    await untilEqual(() => numberOf(page, "Users"), "1");
    await until("the crash is told", async () =>
      /crashed: its lease ended, 3 users went offline/.test((await page.locator(".told").textContent().catch(() => "")) ?? ""),
    ); // prettier-ignore
    const causes = await feed(page).locator(".why").allTextContents();
    expect(causes.filter((cause) => cause.includes("lease ended (crash)")).length).toBe(3);
    // For a minute the table says who is gone, and with how many.
    await until("it stays in the table", async () =>
      /gone \(crashed\)\u20133 users went offline at [\d:]+/.test((await page.locator(".gone").textContent()) ?? ""),
    ); // prettier-ignore
    expect(await numberOf(page, "Servers")).toBe("1");
    expect(await page.locator(".servers tbody tr").count()).toBe(2);
    for (const user of ["bob", "carol", "dave"]) await connect(node.url, user);
    await untilEqual(() => numberOf(page, "Users"), "4");
    await page.getByRole("heading", { name: "Largest rooms" }).waitFor();
    expect(await page.title()).toBe("4 online \u00b7 Rollcall");
    expect(errors).toEqual([]);
    expect([...origins]).toEqual([new URL(api.url).origin]);
  });
});

// Concurrent: they wait for retries most of the time.
describe.concurrent("the page", () => {
  it("goes on after the API was away, and Redis, without a reload, and says so meanwhile", async () => {
    const prefix = newPrefix();
    const own = await startRedis();
    const reader = () => createReader({ redis: own.url, prefix });
    await using node = await startNode({ redis: own.url, prefix });
    await using api = await serveApi(prefix, { reader: reader(), reuse: 100, timeout: 1_000 });
    await using opened = await openPage(api.url);
    const { page } = opened;
    await connect(node.url, "alice");
    await untilEqual(() => numberOf(page, "Users"), "1");
    await api.end();
    await untilEqual(() => pill(page), "Unreachable");
    expect(await page.locator(".notice").textContent()).toMatch(
      /The API cannot be reached since [\d:]+ \(\d+ s\)/,
    );
    await connect(node.url, "bob");
    await api.begin();
    await untilEqual(() => pill(page), "Live");
    await untilEqual(() => numberOf(page, "Users"), "2");
    await until("the feed goes on", async () => (await feed(page).first().textContent())?.includes("bob"));
    await own.stop();
    await untilEqual(() => pill(page), "Stale", SOON);
    expect(await page.locator(".notice").textContent()).toMatch(/Redis does not answer the API since/);
    expect(await numberOf(page, "Users")).toBe("2");
    await using again = await startRedis({ port: own.port });
    await until("it is back", () => again.pid !== own.pid);
    await untilEqual(() => pill(page), "Live");
  });

  it("a token that is wrong is refused in words and asked for again; the right one is kept nowhere", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice"] });
    await using api = await serveApi(prefix, { dashboard: true });
    await using opened = await openPage(api.url);
    const { page, errors } = opened;
    // The counts are open.
    await untilEqual(() => numberOf(page, "Users"), "1");
    expect(await page.getByRole("heading", { name: "Changes" }).count()).toBe(0);
    await enter(page, "a-token-that-is-not-one");
    await until("it is refused", async () => /not one of the API's/.test((await page.getByRole("alert").textContent().catch(() => "")) ?? "")); // prettier-ignore
    await enter(page, COUNTS_TOKEN);
    await page.getByRole("heading", { name: "This token opens the numbers only" }).waitFor();
    expect(await page.getByRole("heading", { name: "Servers" }).count()).toBe(0);
    await enter(page, TOKEN);
    await page.getByRole("heading", { name: "Changes" }).waitFor();
    await untilEqual(() => numberOf(page, "Servers"), "1");
    const kept = await page.evaluate(() => [
      localStorage.length, sessionStorage.length, document.cookie, location.href, document.documentElement.outerHTML,
    ]); // prettier-ignore
    expect(kept.slice(0, 3)).toEqual([0, 0, ""]);
    expect(JSON.stringify(kept)).not.toContain(TOKEN);
    await page.getByRole("button", { name: "Forget token" }).click();
    await page.getByLabel("Token", { exact: true }).waitFor();
    expect(await page.getByRole("heading", { name: "Servers" }).count()).toBe(0);
    // What the browser says of the refused requests.
    for (const error of errors) expect(error).toMatch(/status of 40[13]/);
  });

  it("a token of a browser is told what it may see, and shows that and nothing else", async () => {
    const prefix = newPrefix();
    const names = { issuer: "https://app.example", audience: "presence" };
    const secret = "a-secret-of-at-least-32-characters";
    await populate(redis, { prefix, users: ["alice", "bob", "carol", "oscar"] });
    await using api = await serveApi(prefix, {
      dashboard: true,
      browserTokens: { ...names, secrets: [secret] },
    });
    await using opened = await openPage(api.url);
    const { page, errors } = opened;
    await untilEqual(() => numberOf(page, "Users"), "4");
    const sign = (key: string) => {
      const grants = { actions: ["users", "changes"] as const, users: ["bob", "carol", "dave"] };
      return signToken({ ...names, secret: key, subject: "alice", grants });
    };
    await enter(page, await sign(secret.toUpperCase()));
    await until("it is refused", async () => /does not accept it: the token is invalid \(signature\)/.test((await page.getByRole("alert").textContent().catch(() => "")) ?? "")); // prettier-ignore
    await enter(page, await sign(secret));
    await page.getByRole("heading", { name: "A browser token" }).waitFor();
    expect(await page.locator(".gate").textContent()).toMatch(
      /Signed for alice\. It opens who is online and who came and went, of 3 users \(bob, carol, dave\); not .*servers, rooms or subscribers\. It ends at/,
    );
    await untilEqual(
      () => page.locator(".users li .id").allTextContents().then((ids) => ids.toSorted()),
      ["bob", "carol"],
    ); // prettier-ignore
    for (const name of ["Servers", "Largest rooms", "Find a user"])
      expect(await page.getByRole("heading", { name }).count(), name).toBe(0);
    await populate(redis, { prefix, process: "web-2", users: ["mallory", "dave"] });
    await untilEqual(() => feed(page).locator(".who").allTextContents(), ["dave"]);
    expect(await page.locator("#app").textContent()).not.toMatch(/mallory|oscar/);
    // What the browser says of the refused requests.
    for (const error of errors) expect(error).toMatch(/status of 40[13]/);
  });

  it("a token is asked for where the counts are closed too", async () => {
    const prefix = newPrefix();
    await using api = await serveApi(prefix, { dashboard: true, counts: "closed" });
    await using opened = await openPage(api.url);
    await opened.page.getByRole("heading", { name: "A token is needed" }).waitFor();
    expect(await pill(opened.page)).toBe("Locked");
  });

  it("shows hostile ids as what they are, in the list, the feed and the search", async () => {
    const prefix = newPrefix();
    await using api = await serveApi(prefix, { reuse: 0 });
    await using opened = await openPage(api.url, { viewport: { width: 320, height: 700 } });
    const { page, errors } = opened;
    await untilEqual(() => numberOf(page, "Users"), "0");
    await populate(redis, { prefix, users: HOSTILE });
    await untilEqual(() => feed(page).count(), HOSTILE.length);
    await untilEqual(() => page.locator(".users li").count(), 8);
    const text = await feed(page)
      .allTextContents()
      .then((rows) => rows.join("\n"));
    for (const shown of [HOSTILE[0]!, "⟨U+202E⟩gnp.exe⟨U+202C⟩", "tab␉nul␀esc␛[2J", HOSTILE[6]!])
      expect(text).toContain(shown);
    for (const id of ["__proto__", HOSTILE[0]!, HOSTILE[4]!]) {
      await page.getByRole("searchbox").fill(id);
      await page.getByRole("button", { name: "Find", exact: true }).click();
      await until("it is found", async () => (await page.locator(".user .who").textContent().catch(() => ""))?.includes(`online${id}`)); // prettier-ignore
    }
    expect(
      await page.evaluate(() => [document.images.length, document.scripts.length, "hacked" in window]),
    ).toEqual([0, 1, false]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
    expect(errors).toEqual([]);
  });

  it("stays small with thousands of users, who come at once and go at once", async () => {
    const prefix = newPrefix();
    await using api = await serveApi(prefix);
    await using opened = await openPage(api.url);
    const { page } = opened;
    await untilEqual(() => numberOf(page, "Users"), "0");
    const users = Array.from({ length: 3_000 }, (_, i) => `user-${i}`);
    await populate(redis, { prefix, users });
    await untilEqual(() => numberOf(page, "Users"), "3,000");
    await untilEqual(() => feed(page).count(), 200);
    await untilEqual(() => page.locator(".users li").count(), 8);
    expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThan(2_500);
    await page.getByRole("button", { name: "Pause" }).click();
    await append(redis, { prefix, process: "web-2", users: ["zoe"] });
    await populate(redis, { prefix, process: "web-3", users: ["yara"] });
    await page.getByRole("button", { name: "Resume, 2 new" }).click();
    await until("it is shown", async () => /zoe|yara/.test((await feed(page).first().textContent()) ?? ""));
    expect(await feed(page).count()).toBe(200);
  });

  it("is reached by keyboard alone, and passes axe in both themes at every width", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice", "bob"] });
    await using api = await serveApi(prefix);
    const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    for (const [width, colorScheme] of [
      [320, "light"],
      [1440, "dark"],
    ] as const) {
      // axe is not part of the page, so its policy would refuse it.
      await using opened = await openPage(api.url, {
        viewport: { width, height: 900 },
        colorScheme,
        bypassCSP: true,
      });
      const { page } = opened;
      await untilEqual(() => page.locator(".users li").count(), 2);
      await page.locator(".users li button").first().focus();
      await page.keyboard.press("Enter");
      await page.locator(".user .who").waitFor();
      const stops = new Set<string>();
      await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
      for (let i = 0; i < 40; i++) {
        await page.keyboard.press("Tab");
        stops.add(
          await page.evaluate(() => {
            const { tagName, textContent, ariaLabel, id } = document.activeElement!;
            return `${tagName} ${ariaLabel ?? (tagName === "INPUT" ? id : textContent)}`;
          }),
        );
      }
      for (const stop of ["BUTTON Pause", "BUTTON Forget token", "INPUT user", "BUTTON Find"])
        expect([...stops]).toContain(stop);
      await page.evaluate(source);
      const violations = await page.evaluate(async () => {
        const { axe } = window as unknown as {
          axe: {
            run(): Promise<{
              violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
            }>;
          };
        };
        const result = await axe.run();
        return result.violations.map(
          ({ id, nodes }) =>
            `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`,
        );
      });
      expect(violations).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    }
  });
});
