import { setTimeout as delay } from "node:timers/promises";

/**
 * How long a condition is waited for by default, ms: what takes milliseconds on an idle machine takes seconds on a busy one.
 * Less than a test may take (vitest.config.ts), so that a failure says what was waited for.
 */
export const UNTIL_MS = 25_000;

/** Real time, also where a test has put a clock of its own in place of the process's. */
const now = performance.now.bind(performance);

export interface UntilOptions {
  /** ms; default UNTIL_MS. */
  readonly timeout?: number;
  /** How long to wait from one look to the next, ms; default 10. */
  readonly every?: number;
}

/**
 * Polls until `probe` returns something truthy, and returns it. Fails after `timeout` ms with what was seen last,
 * so that a test waits for a condition and never for an amount of time. Rejects at once with what `probe` throws.
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
 * Polls until `probe` returns something equal (as JSON) to `expected`. The failure shows both. Rejects at once with what
 * `probe` throws.
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
