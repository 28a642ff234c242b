import { PresenceError } from "../core/errors.ts";

/**
 * The promise's outcome, or PresenceError REDIS_UNAVAILABLE after `ms`. The promise itself is not cancelled: a read that
 * arrives late does no harm, and one that fails late is not an unhandled rejection.
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
