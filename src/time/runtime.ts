import { TIMER_MS_MAX } from "../core/limits.ts";

/** What a recorder has of the world around it: time and chance. The simulation brings its own. */
export interface Runtime {
  /** A clock that never goes back, ms. */
  now(): number;
  /** At least 0, less than 1. */
  random(): number;
  /** Calls `then` after `ms`, unless what it returns is called before. */
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
