/**
 * The dashboard in Chromium with many users and much coming and going: whether it stays smooth, how soon a figure is on the page, and
 * whether its memory grows.
 *
 *   node bench/dashboard.ts [--users 100000] [--rate 2000] [--seconds 20] [--connects 20] [--long 120]
 *
 * A real Redis is filled with `users`; then `rate` users a second come and go, half of each, for `seconds`. Counted in the page: frames a
 * second, tasks of more than 50 ms, the heap after a garbage collection and the elements. Then, with those users present and nobody else
 * coming, `connects` sockets connect to a Socket.IO server, and a MutationObserver says when the figure under "Users" was the new one.
 * Then churn again for `long` seconds, with a look at the heap every tenth of it. Redis, the API and Chromium share the machine.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { CDPSession, Page } from "playwright-core";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { startChromium } from "../rig/chromium.ts";
import { connect as connectSocket, startNode } from "../rig/node.ts";
import { until } from "../rig/until.ts";
import { createApp } from "../src/http/app.ts";
import { serve } from "../src/node/server.ts";
import { createReader } from "../src/reader/create.ts";
import { resolveRecorderOptions } from "../src/recorder/options.ts";
import { Recorder } from "../src/recorder/recorder.ts";
import { connect } from "../src/redis/connect.ts";
import { median, percentile } from "./support.ts";

const { values } = parseArgs({
  options: {
    users: { type: "string", default: "100000" },
    rate: { type: "string", default: "2000" },
    seconds: { type: "string", default: "20" },
    connects: { type: "string", default: "20" },
    long: { type: "string", default: "120" },
  },
});
const users = Number(values.users);
const rate = Number(values.rate);
const PREFIX = "bench";
const TOKEN = "a-token-for-the-benchmark";
/** How often some come and some go, ms. */
const TICK_MS = 50;
/** Users of the churn who are present at once. */
const GUESTS = 500;
const MB = 1_000_000;

/** `rate` changes a second for so long, half of them connects. Resolves with how many there were. */
async function churn(recorder: Recorder, seconds: number): Promise<number> {
  const guests: string[] = [];
  const began = performance.now();
  let changes = 0;
  for (let i = 0; performance.now() - began < seconds * 1000;) {
    const due = ((performance.now() - began) / 1000) * rate;
    while (changes < due) {
      const guest = `guest-${i++}`;
      guests.push(guest);
      recorder.connect(guest);
      changes++;
      if (guests.length <= GUESTS) continue;
      recorder.disconnect(guests.shift()!, "leave");
      changes++;
    }
    await delay(TICK_MS);
  }
  for (const guest of guests) recorder.disconnect(guest, "leave");
  return changes;
}

interface Look {
  readonly frames: number;
  readonly tasks: readonly number[];
}

/** Counts frames and long tasks from now on. */
async function watch(page: Page): Promise<() => Promise<Look>> {
  await page.evaluate(() => {
    const look = { frames: 0, tasks: [] as number[], isOver: false };
    Object.assign(window, { look });
    const frame = () => {
      look.frames++;
      if (!look.isOver) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) look.tasks.push(duration);
    }).observe({ type: "longtask" });
  });
  return () =>
    page.evaluate(() => {
      const { look } = window as unknown as { look: Look & { isOver: boolean } };
      look.isOver = true;
      return { frames: look.frames, tasks: look.tasks };
    });
}

async function heapOf(session: CDPSession) {
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  const of = (name: string) => metrics.find((one) => one.name === name)!.value;
  return {
    heap: of("JSHeapUsedSize"),
    nodes: of("Nodes"),
    script: of("ScriptDuration"),
    layout: of("LayoutDuration") + of("RecalcStyleDuration"),
    task: of("TaskDuration"),
  };
}

const usersOf = (page: Page) => page.locator(".number .value").first().textContent();
const shown = (page: Page, count: number) =>
  until(`${count} is shown`, async () => (await usersOf(page)) === count.toLocaleString("en-US"), {
    timeout: 60_000,
  });

await using redis = await startRedis();
const connection = connect(redis.url, { timeout: 5_000, name: "bench" });
const recorder = new Recorder({
  connection,
  options: resolveRecorderOptions({ prefix: PREFIX }),
  connections: () => 0,
  onError: (error) => console.error(error.message),
});
await recorder.ready();
for (let i = 0; i < users; i++) recorder.connect(`user-${i}`);

const leaving = new AbortController();
const { signal } = leaving;
const { promise: listening, resolve: onListen } = Promise.withResolvers<string>();
const app = createApp({
  reader: createReader({ redis: redis.url, prefix: PREFIX }),
  tokens: [TOKEN],
  dashboard: { token: TOKEN },
  signal,
});
const serving = serve(app, { port: 0, signal, onListen });
const browser = await startChromium();
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await page.goto(await listening);
  const session = await page.context().newCDPSession(page);
  // Of the CPU, not of the clock: other work on the machine disturbs it little.
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  await shown(page, users);
  await delay(3_000);

  const idle = await watch(page);
  await delay(5_000);
  const quiet = await idle();
  const before = await heapOf(session);
  const ended = await watch(page);
  const began = performance.now();
  const changes = await churn(recorder, Number(values.seconds));
  const seconds = (performance.now() - began) / 1000;
  const { frames, tasks } = await ended();
  const after = await heapOf(session);
  const elements = await page.evaluate(() => document.querySelectorAll("*").length);
  console.log(
    `${users} users, ${(changes / seconds).toFixed(0)} changes a second for ${seconds.toFixed(0)} s:`,
  );
  console.log(
    `  frames a second: ${(frames / seconds).toFixed(1)} (${(quiet.frames / 5).toFixed(1)} before)`,
  );
  console.log(
    `  tasks over 50 ms: ${tasks.length}, longest ${Math.max(0, ...tasks).toFixed(0)} ms (${quiet.tasks.length} in 5 s before)`,
  );
  const share = (name: "task" | "script" | "layout") =>
    `${((100 * (after[name] - before[name])) / seconds).toFixed(1)} %`;
  console.log(`  CPU of the main thread: ${share("task")}; script ${share("script")}, styles and layout ${share("layout")}`); // prettier-ignore
  console.log(`  heap: ${(before.heap / MB).toFixed(1)} MB before, ${(after.heap / MB).toFixed(1)} MB after`);
  console.log(`  elements: ${elements}; nodes ${before.nodes} before, ${after.nodes} after`);

  await shown(page, users);
  await using node = await startNode({ redis: redis.url, prefix: PREFIX });
  const took: number[] = [];
  for (let i = 0; i < Number(values.connects); i++) {
    const text = (users + i + 1).toLocaleString("en-US");
    const seen = page.evaluate(
      (wanted) =>
        new Promise<number>((resolve) => {
          const value = document.querySelector(".number .value")!;
          const look = () => {
            if (value.textContent !== wanted) return;
            observer.disconnect();
            resolve(Date.now());
          };
          const observer = new MutationObserver(look);
          observer.observe(value, { childList: true, characterData: true, subtree: true });
          look();
        }),
      text,
    );
    // At any moment of the second in which the API looks.
    await delay(1_000 + Math.random() * 1_000);
    const sent = Date.now();
    await connectSocket(node.url, `visitor-${i}`);
    took.push((await seen) - sent);
  }
  console.log(`from connect to the page, ms: median ${median(took).toFixed(0)}, p95 ${percentile(took, 0.95).toFixed(0)}, longest ${Math.max(...took)} of ${took.length}`); // prettier-ignore

  const heaps: string[] = [];
  for (let i = 0; i < 10; i++) {
    await churn(recorder, Number(values.long) / 10);
    heaps.push(((await heapOf(session)).heap / MB).toFixed(1));
  }
  console.log(`heap over ${values.long} s of churn, MB: ${heaps.join(" ")}`);
} finally {
  await browser.close();
  leaving.abort();
  await serving;
  await recorder.close(1_000);
  connection.close();
}
process.exit();
