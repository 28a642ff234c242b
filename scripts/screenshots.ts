/**
 * Takes the pictures of the dashboard for the README: `node scripts/screenshots.ts [--quick] [--seconds 240] [--folder docs/images] [--all]`.
 *
 * The scene is the demo's: three Socket.IO servers with 200 users, a Redis, the API in workerd. Users come and go, one server is
 * killed, its users go offline when its lease ends, the server starts again and they come back. In the pictures that is two thirds along
 * the chart, and all three servers are live. `--quick` is a preview: 90 s, into a temporary folder. `--all` takes every width in both
 * themes, for looking at.
 */
import { mkdir, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
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
    quick: { type: "boolean", default: false },
    seconds: { type: "string" },
    folder: { type: "string" },
    all: { type: "boolean", default: false },
  },
});
const SECONDS = Number(values.seconds ?? (values.quick ? 90 : 240));
const FOLDER =
  values.folder ??
  (values.quick ? join(tmpdir(), "rollcall-dashboard") : join(import.meta.dirname, "../docs/images"));
/** Most bytes of a picture in the repository. */
const BYTES_MAX = 250_000;
/** How long before the pictures a server is killed, ms: a third of the chart's five minutes, if there is that much. */
const KILLED_MS = Math.min(100_000, SECONDS * 450);
/** For how long it is gone, ms. */
const GONE_MS = 14_000;
const SCALE = 1.15;

const stop = new AbortController();
const fail = (error: unknown) => stop.abort(error);

async function play(world: World): Promise<void> {
  const { population, cluster } = world;
  const isCalm = { now: false };
  await population.open(population.tabs, stop.signal);
  const churning = churn(population, isCalm, stop.signal);
  churning.catch(() => {});
  await delay(SECONDS * 1000 - KILLED_MS);
  const killed = await killNode(world, cluster.nodes[1]!);
  await delay(GONE_MS);
  await restartNode(world, killed.node.name, killed.away, stop.signal);
  await delay(KILLED_MS - GONE_MS);
}

async function take(page: Page, name: string): Promise<void> {
  const path = join(FOLDER, `${name}.png`);
  await page.mouse.move(0, 0);
  await page.screenshot({ path, fullPage: true, animations: "disabled" });
  const { size } = await stat(path);
  console.info(`${path}: ${(size / 1000).toFixed(0)} kB`);
  if (!values.all && size > BYTES_MAX) throw new Error(`${name} has more than ${BYTES_MAX} bytes`);
}

await mkdir(FOLDER, { recursive: true });
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
