import { PresenceError } from "../core/errors.ts";

const unanswered = (ms: number) =>
  new PresenceError("REDIS_UNAVAILABLE", `Redis did not answer within ${ms} ms`);

/**
 * The promise's outcome, or after `ms` the error `late`, by default PresenceError REDIS_UNAVAILABLE. The promise itself is not cancelled: a read that
 * arrives late does no harm, and one that fails late is not an unhandled rejection.
 */
export async function within<T>(
  ms: number,
  promise: Promise<T>,
  late: (ms: number) => PresenceError = unanswered,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late(ms)), ms);
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}
