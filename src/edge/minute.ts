/** The sweeps of one invocation of a scheduled function, and what it delivers. */
import { PresenceError } from "../core/errors.ts";
import type { Logger } from "../core/options.ts";
import type { Projector } from "../projector/projector.ts";
import type { Deliver } from "./deliveries.ts";

/** The time from one invocation to the next. */
const MINUTE_MS = 60_000;
/** The requests of a sweep per shard when there is work: a look and a step. */
const REQUESTS_A_SHARD = 2;
/** Those of a delivery per shard when there is one: take, post, note, look again, give the turn back; and one in reserve. */
const DELIVERY_REQUESTS_A_SHARD = 6;
/** Fewest with which deliver() begins. */
const DELIVERY_REQUESTS_MIN = 4;

export interface Sweeping {
  readonly projector: Projector;
  /** The time from the start of one sweep to the start of the next, ms. */
  readonly interval: number;
  /** Most requests of the whole invocation. */
  readonly requests: number;
  /** Called after each sweep, unless it is still at work: a receiver that hangs holds up no sweep. */
  readonly deliver?: Deliver | undefined;
}

/**
 * Sweeps at once and then every interval until the next invocation begins; delivers after each sweep, if there is something that does; logs
 * what each sweep did and what it left. When `prepare` throws or a sweep fails, it logs why and rejects; when a delivery could not be begun or
 * noted, it logs why and rejects at the end. The next invocation continues where this one ended, even if this one was killed or is still
 * running.
 */
export async function sweepMinute(prepare: () => Sweeping, logger: Logger): Promise<void> {
  const began = Date.now();
  const passed = () => Date.now() - began;
  let delivering: Promise<void> | undefined;
  const failures: unknown[] = [];
  const ending = new AbortController();
  try {
    const { projector, interval, requests, deliver } = prepare();
    let left = requests;
    const { shards } = projector;
    const forDelivery = deliver === undefined ? 0 : DELIVERY_REQUESTS_A_SHARD * shards;
    // A backlog must not use up what later sweeps need to detect crashed processes; but it may use half of what is left.
    const kept = (sweeps: number, deliveries: number) =>
      Math.min(sweeps * REQUESTS_A_SHARD * shards + deliveries * forDelivery, Math.floor(left / 2));

    function begin(call: Deliver, later: number): void {
      const share = left - kept(later, later);
      if (share < DELIVERY_REQUESTS_MIN) return;
      left -= share;
      const ms = Math.max(0, MINUTE_MS - passed());
      delivering = call({ requests: share, ms, signal: ending.signal })
        .then(({ requests: made, ...delivered }) => {
          left += share - made;
          const { handled, idle } = delivered;
          if (handled > 0 || !idle)
            logger.info(`webhook: ${JSON.stringify({ ...delivered, requests: made })}`);
        })
        .catch((error: unknown) => {
          logger.error(`cannot deliver: ${reasonOf(error)}`);
          failures.push(error);
        })
        .finally(() => (delivering = undefined));
    }

    for (let at = 0; at < MINUTE_MS && passed() < MINUTE_MS; at += interval) {
      // Waiting costs no CPU time. If a sweep took longer than the interval, the next one follows at once.
      const wait = at - passed();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const later = Math.ceil((MINUTE_MS - at) / interval) - 1;
      if (left < 1) {
        logger.warn(
          `sweep: all ${requests} requests are used, so ${later + 1} more sweeps of this minute are skipped`,
        );
        break;
      }
      const summary = await projector.sweep({
        budget: {
          requests: left - kept(later, later + 1),
          ms: Math.max(0, MINUTE_MS - passed()),
        },
      });
      logger.info(`sweep: ${JSON.stringify(summary)}`);
      left -= summary.requests;
      if (deliver !== undefined && delivering === undefined) begin(deliver, later);
    }
  } catch (error) {
    // Platforms report that a scheduled function failed, but not all of them report why.
    logger.error(`cannot sweep: ${reasonOf(error)}`);
    throw error;
  } finally {
    // The next invocation delivers what this one does not get done in its minute.
    const rest = setTimeout(() => ending.abort(), Math.max(0, MINUTE_MS - passed()));
    await delivering;
    clearTimeout(rest);
  }
  if (failures.length > 0) throw failures[0];
}

function reasonOf(error: unknown): string {
  return error instanceof PresenceError ? `${error.code}: ${error.message}` : "INTERNAL";
}
