/** When a delivery that failed is tried again. Pure. */
import { RETRY_JITTER, RETRY_MS_MAX } from "./limits.ts";

/** The wait before the next attempt, ms; null: there is none. `attempt` is the one that failed, from 1 on; `random` at least 0, less than 1. */
export function retryAfter(
  waits: readonly number[],
  attempt: number,
  random: number,
  asked = 0,
): number | null {
  const wait = waits[attempt - 1];
  if (wait === undefined) return null;
  const ms = Math.max(wait * (1 + RETRY_JITTER * random), asked);
  return Math.round(Math.min(ms, RETRY_MS_MAX * (1 + RETRY_JITTER)));
}
