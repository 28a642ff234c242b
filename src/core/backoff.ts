import { isLasting, type PresenceError } from "./errors.ts";
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, LASTING_MS_MAX } from "./limits.ts";

/** Jittered exponential back-off: all processes lose Redis at the same moment and must not return at the same moment. */
export function backoff(attempt: number, random = Math.random): number {
  const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling * (0.5 + random() / 2));
}

/** The pause after this many failures of one kind in a row, ms. A failure that lasts is retried less and less often. */
export function pauseAfter(failure: PresenceError, failures: number, random = Math.random): number {
  if (!isLasting(failure)) return backoff(failures, random);
  const ceiling = Math.min(LASTING_MS_MAX, BACKOFF_MS_MAX * 2 ** Math.min(failures - 1, 10));
  return Math.round(ceiling * (0.5 + random() / 2));
}
