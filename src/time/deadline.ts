import { PresenceError } from "../core/errors.ts";

/** How long a request may wait for Redis, ms. The clients' own time-outs are to be shorter, so that they clean up. */
export const TIMEOUT_MS = 5_000;

/**
 * The promise's outcome, or PresenceError REDIS_UNAVAILABLE after `ms`. What is still on its way is left alone: a read
 * that arrives late does no harm, and one that fails late has been listened to.
 */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const giveUp = () =>
      reject(new PresenceError("REDIS_UNAVAILABLE", `Redis did not answer within ${ms} ms`));
    timer = setTimeout(giveUp, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
