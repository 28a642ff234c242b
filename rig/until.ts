import { setTimeout as delay } from "node:timers/promises";

/**
 * The default time limit for a condition, ms: what takes milliseconds on an idle machine takes seconds on a busy one. It is less
 * than a test's time limit (vitest.config.ts), so that a failure names the condition.
 */
export const UNTIL_MS = 25_000;

/** Real time, even if a test has replaced the process's clock. */
const now = performance.now.bind(performance);

export interface UntilOptions {
  /** ms; default UNTIL_MS. */
  readonly timeout?: number;
  /** How long to wait between probes, ms; default 10. */
  readonly every?: number;
}

/**
 * Polls until `probe` returns a truthy value, and returns it. Fails after `timeout` ms with the last value, so that a test waits
 * for a condition and never for a fixed time. Rejects at once when `probe` throws.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  { timeout = UNTIL_MS, every = 10 }: UntilOptions = {},
): Promise<NonNullable<T>> {
  const end = now() + timeout;
  for (;;) {
    const seen = await probe();
    if (seen) return seen;
    if (now() > end) throw new Error(`not within ${timeout} ms: ${what}; last seen ${JSON.stringify(seen)}`);
    await delay(every);
  }
}

/**
 * Polls until `probe` returns a value equal (as JSON) to `expected`. A failure shows both. Rejects at once when `probe` throws.
 */
export async function untilEqual(
  probe: () => unknown,
  expected: unknown,
  { timeout = UNTIL_MS, every = 10 }: UntilOptions = {},
): Promise<void> {
  const wanted = JSON.stringify(expected);
  const end = now() + timeout;
  for (;;) {
    const seen = JSON.stringify(await probe());
    if (seen === wanted) return;
    if (now() > end) throw new Error(`not within ${timeout} ms: expected ${wanted}, last seen ${seen}`);
    await delay(every);
  }
}
