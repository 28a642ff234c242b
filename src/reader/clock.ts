/**
 * Redis's clock. A read-only user may not run TIME, so a reader reads each shard's key `clock`, whose value is the time at
 * which it expires. The offset to this machine's clock is kept, so a wrong clock here changes no answer.
 */
import { CLOCK_MISSING_MS, CLOCK_READ_MS } from "../core/limits.ts";
import { integer, integerOrNull } from "../redis/decode.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";

/** The clock of the Redis that holds one shard. */
export class RedisClock {
  readonly #key: string;
  /** This machine's clocks, ms: a monotonic one, and the time of day. */
  readonly #steady: () => number;
  readonly #wall: () => number;
  #measuredAt = -Infinity;
  /** Redis's clock minus the monotonic one, ms; undefined: no projector has run yet. */
  #ahead: number | undefined;

  constructor(key: string, now?: () => number) {
    this.#key = key;
    this.#steady = now ?? (() => performance.now());
    this.#wall = now ?? Date.now;
  }

  /** ms since 1970, to within half a round trip; until a projector has run, this machine's clock. */
  now(): number {
    return this.#ahead === undefined ? this.#wall() : Math.round(this.#steady() + this.#ahead);
  }

  /** Commands to add to the next request; none if the clock was read recently. */
  commands(): readonly ReadCommand[] {
    const since = this.#steady() - this.#measuredAt;
    if (since >= 0 && since < (this.#ahead === undefined ? CLOCK_MISSING_MS : CLOCK_READ_MS)) return [];
    return [
      ["GET", this.#key],
      ["PTTL", this.#key],
    ];
  }

  /** Takes the replies to commands(), sent at `sentAt` (steady()). Returns by how much now() moved, ms. */
  heard([end = null, left]: readonly Reply[], sentAt: number): number {
    const before = this.now();
    const expires = integerOrNull(end, "GET of the clock");
    const ms = integer(left, "PTTL of the clock");
    this.#measuredAt = this.#steady();
    this.#ahead = expires === null || ms < 0 ? undefined : expires - ms - (sentAt + this.#measuredAt) / 2;
    return this.now() - before;
  }

  /** This machine's monotonic clock, ms, for heard(). */
  steady(): number {
    return this.#steady();
  }
}
