/**
 * What time it is in Redis. TIME is no command for a reader, so it reads the key `clock` of each shard: a time, at which the
 * key expires. The difference to this machine's clock is kept, so another machine's wrong clock changes no answer.
 */
import { CLOCK_MISSING_MS, CLOCK_READ_MS } from "../core/limits.ts";
import { integer, integerOrNull } from "../redis/decode.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";

/** The clock of the Redis of one shard. */
export class RedisClock {
  readonly #key: string;
  /** This machine's, ms: one that never jumps, and one that tells the time. */
  readonly #steady: () => number;
  readonly #wall: () => number;
  #measuredAt = -Infinity;
  /** Redis's clock minus the steady one, ms; undefined: no projector has told it. */
  #ahead: number | undefined;

  constructor(key: string, now?: () => number) {
    this.#key = key;
    this.#steady = now ?? (() => performance.now());
    this.#wall = now ?? Date.now;
  }

  /** ms since 1970, to within half a round trip; before anybody has projected, by this machine's clock. */
  now(): number {
    return this.#ahead === undefined ? this.#wall() : Math.round(this.#steady() + this.#ahead);
  }

  /** What to ask Redis along with a question: nothing, unless it was not asked of late. */
  commands(): readonly ReadCommand[] {
    const since = this.#steady() - this.#measuredAt;
    if (since >= 0 && since < (this.#ahead === undefined ? CLOCK_MISSING_MS : CLOCK_READ_MS)) return [];
    return [
      ["GET", this.#key],
      ["PTTL", this.#key],
    ];
  }

  /** Takes the replies to commands(), asked at `sentAt` on this machine's clock. Returns by how much that moved now(), ms. */
  heard([end = null, left]: readonly Reply[], sentAt: number): number {
    const before = this.now();
    const expires = integerOrNull(end, "GET of the clock");
    const ms = integer(left, "PTTL of the clock");
    this.#measuredAt = this.#steady();
    this.#ahead = expires === null || ms < 0 ? undefined : expires - ms - (sentAt + this.#measuredAt) / 2;
    return this.now() - before;
  }

  /** This machine's clock, ms, for heard(). */
  steady(): number {
    return this.#steady();
  }
}
