/**
 * When a tail waits after a delivery, so that entries arrive together and Redis wakes it less often. At a low rate it never waits:
 * there is nothing to gather, and an entry that comes just then would only be late. Pure: time is an argument.
 */
import { COALESCE_BURST, COALESCE_UNDER_MS } from "../core/limits.ts";

export class Coalescing {
  readonly #wait: number;
  /** Each delivery uses up COALESCE_UNDER_MS: up to which time they have, ms. */
  #used = -Infinity;

  /** `wait`: from a delivery to the next read at a high rate, ms. */
  constructor(wait: number) {
    this.#wait = wait;
  }

  /** There was a delivery at `now`. Returns how long to wait before the next read, ms. */
  delivered(now: number): number {
    const ahead = COALESCE_BURST * COALESCE_UNDER_MS;
    this.#used = Math.max(this.#used, now - ahead) + COALESCE_UNDER_MS;
    // Not further ahead than the wait: after a busy time it is soon at once again.
    this.#used = Math.min(this.#used, now + COALESCE_UNDER_MS);
    return this.#used > now ? this.#wait : 0;
  }
}
