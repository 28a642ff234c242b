/** How fast a stream may go, and when its client has to come back. */
import type { Ask } from "./feed.ts";
import type { ResolvedAppOptions } from "./options.ts";

/** How often a stream looks for something new, ms: at most one event in this time. */
const EVERY_MS = 1_000;

/** How often a stream looks, how often it says that it lives, and when it has to end. */
export interface Pace {
  /** How often a stream looks for something new, ms. */
  readonly every: number;
  /** After so long without an event, a sign of life, ms. */
  readonly heartbeat: number;
  /** Whether this stream has used up the requests it may make. */
  readonly isSpent: () => boolean;
}

interface CountedPace extends Pace {
  /** Counts each request to Redis that this stream makes for all. */
  readonly counting: (ask: Ask) => Ask;
}

/** The pace of one stream. */
export function paceOf({ streams }: ResolvedAppOptions): CountedPace {
  let requests = 0;
  return {
    every: EVERY_MS,
    heartbeat: streams.heartbeat,
    isSpent: () => requests >= streams.requests,
    counting: (ask) => (question) => (requests++, ask(question)),
  };
}
