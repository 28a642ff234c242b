/** What a scheduled function does with its minute. */
import { PresenceError } from "../core/errors.ts";
import type { Logger } from "../core/options.ts";
import type { Projector } from "../projector/projector.ts";

/** From one invocation to the next. */
const MINUTE_MS = 60_000;
/** What a sweep of a shard takes when there is something to do: a look and a step. */
const REQUESTS_A_SHARD = 2;

export interface Sweeping {
  readonly projector: Projector;
  /** From the beginning of a sweep to that of the next, ms. */
  readonly interval: number;
  /** Most requests of the whole invocation. */
  readonly requests: number;
}

/**
 * Sweeps at once, and then every interval, as long as there is one left before the next invocation begins; logs what each
 * sweep did and what it had to leave. Rejects, and says why in the log, when there is nothing to sweep with or a sweep
 * fails: the next invocation takes up where this one ended, also one that was killed, or that runs beside it.
 */
export async function sweepMinute(prepare: () => Sweeping, logger: Logger): Promise<void> {
  const began = Date.now();
  const passed = () => Date.now() - began;
  try {
    const { projector, interval, requests } = prepare();
    let left = requests;
    for (let at = 0; at < MINUTE_MS && passed() < MINUTE_MS; at += interval) {
      // Waiting is no CPU time. A sweep that took longer than an interval is followed by the next one at once.
      const wait = at - passed();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const later = Math.ceil((MINUTE_MS - at) / interval) - 1;
      if (left < 1) {
        logger.warn(
          `sweep: ${requests} requests are used up, ${later + 1} more sweeps of this minute are left out`,
        );
        return;
      }
      // A backlog is not to take what later sweeps need to see who is gone; but half of the rest may go to it.
      const kept = Math.min(later * REQUESTS_A_SHARD * projector.shards, Math.floor(left / 2));
      const summary = await projector.sweep({
        budget: { requests: left - kept, ms: Math.max(0, MINUTE_MS - passed()) },
      });
      logger.info(`sweep: ${JSON.stringify(summary)}`);
      left -= summary.requests;
    }
  } catch (error) {
    // Platforms tell that a scheduled function failed, and not all of them why.
    const reason = error instanceof PresenceError ? `${error.code}: ${error.message}` : "INTERNAL";
    logger.error(`cannot sweep: ${reason}`);
    throw error;
  }
}
