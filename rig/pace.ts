/** Waiting with a limit, for a condition or for a time. Both end at once when a signal fires. */
import { setTimeout as delay } from "node:timers/promises";

const POLL_MS = 25;

export interface UntilOptions {
  /** ms */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/** Polls until `probe` is true, then resolves true; resolves false after the timeout. Rejects with the signal's reason. */
export async function until(
  probe: () => boolean | Promise<boolean>,
  { timeout, signal }: UntilOptions,
): Promise<boolean> {
  const end = performance.now() + timeout;
  for (;;) {
    signal.throwIfAborted();
    if (await probe()) return true;
    if (performance.now() > end) return false;
    await pause(POLL_MS, signal);
  }
}

/** Rejects with the signal's reason when it fires. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch {
    throw signal.reason;
  }
}

export interface Bound {
  /** ms */
  readonly timeout: number;
  /** The error after the timeout. */
  readonly late: () => Error;
}

/** The promise's outcome; rejects with the signal's reason, or with `late()` after the timeout, whichever comes first. */
export async function orAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  { timeout, late }: Bound,
): Promise<T> {
  signal.throwIfAborted();
  const { promise: over, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => reject(late()), timeout);
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
