/** The sweeps of one invocation of a scheduled function. */
import { PresenceError } from "../core/errors.ts";
import type { Logger } from "../core/options.ts";
import type { Projector } from "../projector/projector.ts";

/** The time from one invocation to the next. */
const MINUTE_MS = 60_000;
/** The requests of a sweep per shard when there is work: a look and a step. */
const REQUESTS_A_SHARD = 2;

export interface Sweeping {
  readonly projector: Projector;
  /** The time from the start of one sweep to the start of the next, ms. */
  readonly interval: number;
  /** Most requests of the whole invocation. */
  readonly requests: number;
}

/**
 * Sweeps at once and then every interval until the next invocation begins; logs what each sweep did and what it left. When
 * `prepare` throws or a sweep fails, it logs why and rejects. The next invocation continues where this one ended, even if this
 * one was killed or is still running.
 */
export async function sweepMinute(prepare: () => Sweeping, logger: Logger): Promise<void> {
  const began = Date.now();
  const passed = () => Date.now() - began;
  try {
    const { projector, interval, requests } = prepare();
    let left = requests;
    for (let at = 0; at < MINUTE_MS && passed() < MINUTE_MS; at += interval) {
      // Waiting costs no CPU time. If a sweep took longer than the interval, the next one follows at once.
      const wait = at - passed();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const later = Math.ceil((MINUTE_MS - at) / interval) - 1;
      if (left < 1) {
        logger.warn(
          `sweep: all ${requests} requests are used, so ${later + 1} more sweeps of this minute are skipped`,
        );
        return;
      }
      // A backlog must not use up what later sweeps need to detect crashed processes; but it may use half of what is left.
      const kept = Math.min(later * REQUESTS_A_SHARD * projector.shards, Math.floor(left / 2));
      const summary = await projector.sweep({
        budget: { requests: left - kept, ms: Math.max(0, MINUTE_MS - passed()) },
      });
      logger.info(`sweep: ${JSON.stringify(summary)}`);
      left -= summary.requests;
    }
  } catch (error) {
    // Platforms report that a scheduled function failed, but not all of them report why.
    const reason = error instanceof PresenceError ? `${error.code}: ${error.message}` : "INTERNAL";
    logger.error(`cannot sweep: ${reason}`);
    throw error;
  }
}
