/** How often a stream reads, and when its client has to reconnect. */
import { REUSE_MS } from "../core/limits.ts";
import type { Ask } from "./feed.ts";
import type { ResolvedAppOptions } from "./options.ts";

/**
 * How often a stream looks for news, ms: at most one event in this time. A little longer than an answer is reused by default: a look that
 * came a moment too early would get the answer of the one before, and be a second late (docs/benchmarks.md, "The dashboard").
 */
const EVERY_MS = REUSE_MS + 10;
/** A client is slow long before it is cut off: this many times. */
const STALLS = 6;

/** How often a stream reads, how often it sends a keep-alive, and when it has to end. */
export interface Pace {
  /** How often a stream looks for news, ms. */
  readonly every: number;
  /** How long without an event until a keep-alive is sent, ms. */
  readonly heartbeat: number;
  /** A subscriber that takes longer for what one read brought, ms, is slow: it may get a gap. */
  readonly slow: number;
  /** Whether this stream has used up its requests. */
  readonly isSpent: () => boolean;
}

interface CountedPace extends Pace {
  /** Counts each request to Redis that this stream makes. */
  readonly counting: (ask: Ask) => Ask;
}

/** The pace of one stream. */
export function paceOf({ streams }: ResolvedAppOptions): CountedPace {
  let requests = 0;
  return {
    every: EVERY_MS,
    heartbeat: streams.heartbeat,
    slow: streams.stall / STALLS,
    isSpent: () => requests >= streams.requests,
    counting: (ask) => (question) => (requests++, ask(question)),
  };
}
