import { setTimeout as delay } from "node:timers/promises";

/**
 * Polls until `probe` returns something truthy, and returns it. Fails after `timeout` ms with what was seen last,
 * so that a test waits for a condition and never for an amount of time.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  { timeout = 10_000, every = 10 }: { timeout?: number; every?: number } = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + timeout;
  for (;;) {
    const seen = await probe();
    if (seen) return seen;
    if (performance.now() > end) throw new Error(`not within ${timeout} ms: ${what}`);
    await delay(every);
  }
}

/** Polls until `probe` returns something equal (as JSON) to `expected`; the failure shows both. */
export async function untilEqual(
  probe: () => unknown,
  expected: unknown,
  options?: { timeout?: number; every?: number },
): Promise<void> {
  let seen: unknown;
  try {
    await until(
      "",
      async () => {
        seen = await probe();
        return JSON.stringify(seen) === JSON.stringify(expected);
      },
      options,
    );
  } catch {
    throw new Error(`expected ${JSON.stringify(expected)}, last seen ${JSON.stringify(seen)}`);
  }
}
