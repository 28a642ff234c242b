import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from "./limits.ts";

/** Jittered exponential back-off: all processes lose Redis at the same moment and must not return at the same moment. */
export function backoff(attempt: number, random = Math.random): number {
  const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling * (0.5 + random() / 2));
}
