/** What a scheduled function does with its minute. */
import { PresenceError } from "../src/core/errors.ts";
import type { Logger } from "../src/options.ts";
import type { Projector } from "../src/projector.ts";

/** Most script calls of one invocation: Cloudflare's free plan allows 50 requests, and a call can take two. */
const CALLS_MAX = 40;
/** No call starts later than this, so that one invocation ends before the next begins. */
const MINUTE_MS = 50_000;

export interface Sweeping {
  readonly projector: Projector;
  /** How often to sweep inside the minute, ms; undefined: once. */
  readonly every: number | undefined;
}

/**
 * Sweeps once, or again and again until the minute or the calls are used up, and logs what each sweep did. Rejects, and
 * says why in the log, when there is nothing to sweep with or a sweep fails: the next invocation takes up where this
 * one ended.
 */
export async function sweepMinute(prepare: () => Sweeping, logger: Logger): Promise<void> {
  try {
    const { projector, every } = prepare();
    const began = Date.now();
    let requests = Math.max(CALLS_MAX, 2 * projector.shards);
    for (;;) {
      const summary = await projector.sweep({ budget: { requests, ms: MINUTE_MS - (Date.now() - began) } });
      logger.info(`sweep: ${JSON.stringify(summary)}`);
      requests -= summary.requests;
      if (every === undefined || requests < projector.shards || Date.now() - began + every >= MINUTE_MS)
        return;
      await new Promise((resolve) => setTimeout(resolve, every));
    }
  } catch (error) {
    // Platforms tell that a scheduled function failed, and not all of them why.
    const reason = error instanceof PresenceError ? `${error.code}: ${error.message}` : "INTERNAL";
    logger.error(`cannot sweep: ${reason}`);
    throw error;
  }
}
