/**
 * A real browser without a screen, for the tests of what pages do. It is the system's Chromium or Chrome: nothing is downloaded,
 * so a machine without one skips these tests and says so.
 */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import type { TestContext } from "vitest";

/** The variable that names the browser when it is not in PATH. */
const VARIABLE = "ROLLCALL_TEST_CHROMIUM";
const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** What a test needs of the browser and nothing else: no start page, no updates, no requests of its own. */
const ARGUMENTS = [
  // The tests may run as root, in a container.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The path of the browser, or why there is none. */
export type Found = { readonly path: string } | { readonly reason: string };

/** ROLLCALL_TEST_CHROMIUM, otherwise the first of Chromium's and Chrome's names in PATH. */
export function findChromium(environment: NodeJS.ProcessEnv = process.env): Found {
  const given = environment[VARIABLE] ?? "";
  if (given !== "") {
    return isExecutable(given) ? { path: given } : { reason: `${VARIABLE} names no program: ${given}` };
  }
  for (const directory of (environment["PATH"] ?? "").split(delimiter))
    for (const name of NAMES) {
      const path = join(directory, name);
      if (directory !== "" && isExecutable(path)) return { path };
    }
  return {
    reason: `no Chromium: install it (apt-get install chromium), or name one in ${VARIABLE}`,
  };
}

let isTold = false;

/** Skips the test when there is no browser. The first one of a file prints why: the report of a skipped test does not. */
export function browserOnly(context: TestContext): void {
  const found = findChromium();
  if (!("reason" in found)) return;
  if (!isTold) process.stderr.write(`skipped: ${found.reason}\n`);
  isTold = true;
  context.skip(found.reason);
}

/** A browser with a profile of its own, which goes with it. Rejects when there is none or it does not start. */
export async function startChromium(): Promise<Browser> {
  const found = findChromium();
  if ("reason" in found) throw new Error(found.reason);
  return chromium.launch({ executablePath: found.path, args: ARGUMENTS, headless: true });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
