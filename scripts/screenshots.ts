/**
 * Takes the pictures of the dashboard for the README: `node scripts/screenshots.ts [--seconds 320] [--folder docs/images] [--all]`.
 *
 * The scene is the demo's: three Socket.IO servers with 200 users, a Redis, the API in workerd. Users come and go, one server is
 * killed, its users go offline when its lease ends, the server starts again and they come back; then another is killed. `--all` takes
 * every width in both themes, for looking at.
 */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import { killNode, restartNode } from "../examples/demo/acts.ts";
import { churn } from "../examples/demo/churn.ts";
import { openWorld, type World } from "../examples/demo/world.ts";
import { startChromium } from "../rig/chromium.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "320" },
    folder: { type: "string", default: join(import.meta.dirname, "../docs/images") },
    all: { type: "boolean", default: false },
  },
});
const SECONDS = Number(values.seconds);
/** Most bytes of a picture in the repository. */
const BYTES_MAX = 250_000;
/** When the first server is killed, as a part of the scene's time, for how long it is gone, and how long before its end the second is. */
const KILLED = 0.45;
const GONE_MS = 14_000;
const LAST_MS = 9_000;
const SCALE = 1.15;

const stop = new AbortController();
const fail = (error: unknown) => stop.abort(error);

async function play(world: World): Promise<void> {
  const { population, cluster } = world;
  const isCalm = { now: false };
  await population.open(population.tabs, stop.signal);
  const churning = churn(population, isCalm, stop.signal);
  churning.catch(() => {});
  await delay(SECONDS * 1000 * KILLED);
  const killed = await killNode(world, cluster.nodes[1]!);
  await delay(GONE_MS);
  await restartNode(world, killed.node.name, killed.away, stop.signal);
  await delay(SECONDS * 1000 * (1 - KILLED) - GONE_MS - LAST_MS);
  await killNode(world, cluster.nodes[2]!);
  await delay(LAST_MS);
}

async function take(page: Page, name: string): Promise<void> {
  const path = join(values.folder, `${name}.png`);
  await page.mouse.move(0, 0);
  await page.screenshot({ path, fullPage: true, animations: "disabled" });
  const { size } = await stat(path);
  console.info(`${name}: ${(size / 1000).toFixed(0)} kB`);
  if (!values.all && size > BYTES_MAX) throw new Error(`${name} has more than ${BYTES_MAX} bytes`);
}

await mkdir(values.folder, { recursive: true });
await using world = await openWorld({
  options: { users: 200, ttl: 3_000, once: false },
  signal: stop.signal,
  onChange() {},
  onProgress() {},
  onFailure: fail,
});
const browser = await startChromium();
try {
  const widths = values.all ? [320, 768, 1440] : [1440];
  const pages = await Promise.all(
    widths.flatMap((width) =>
      (["light", "dark"] as const).map(async (colorScheme) => {
        const viewport = { width, height: 900 };
        const context = await browser.newContext({ colorScheme, viewport, deviceScaleFactor: SCALE });
        const page = await context.newPage();
        page.on("console", (message) =>
          console.info(`${message.type()}: ${message.text()} ${message.location().url}`),
        );
        page.on("pageerror", (error) => console.info(String(error)));
        await page.goto(world.edge.url);
        return { page, name: `dashboard-${values.all ? `${width}-` : ""}${colorScheme}` };
      }),
    ),
  );
  await play(world);
  for (const { page } of pages) {
    await page.getByRole("searchbox").fill("alice");
    await page.getByRole("button", { name: "Find", exact: true }).click();
    await page.getByRole("img", { name: /session/ }).waitFor();
  }
  for (const { page, name } of pages) await take(page, name);
} finally {
  stop.abort();
  await browser.close();
}
