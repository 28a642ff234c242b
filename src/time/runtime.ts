import { TIMER_MS_MAX } from "../core/limits.ts";

/** The time and randomness that a recorder uses. The simulation replaces both. */
export interface Runtime {
  /** A monotonic clock, ms. */
  now(): number;
  /** At least 0, less than 1. */
  random(): number;
  /** Calls `then` after `ms`. Returns a function that cancels it. */
  after(ms: number, then: () => void): () => void;
}

export const processRuntime: Runtime = {
  now: () => performance.now(),
  random: Math.random,
  after(ms, then) {
    const timer = setTimeout(then, Math.max(0, Math.min(ms, TIMER_MS_MAX)));
    return () => clearTimeout(timer);
  },
};
