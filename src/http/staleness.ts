/**
 * What a stream says about its age: `stale` when its numbers or changes are no longer current, `fresh` when they are again.
 * A client that hears nothing would otherwise take silence for calm.
 */
import type { AsOf, ScopeCounts } from "../reader/reader.ts";
import { frame } from "./frames.ts";

/** Why: Redis does not answer this server, or no projector runs. */
export const STALE_CAUSES = ["redis", "projector"] as const;
export type StaleCause = (typeof STALE_CAUSES)[number];

/** How often it is checked whether the projector runs, ms; while it does not, with each read. */
const CHECK_MS = 10_000;

/** What is known of the age of answers, once for all streams of an app. Plain data: Workers may share it between requests. */
export class Freshness {
  /** When Redis last answered, on this machine's clock; undefined: never. */
  answeredAt: Date | undefined;
  asOf: AsOf | undefined;
  #checkedAt = -Infinity;

  answered(asOf: AsOf | undefined = this.asOf): void {
    this.answeredAt = new Date();
    this.asOf = asOf;
  }

  /** Redis did not answer: whether a projector runs is not known any more, and the next check reads. */
  failed(): void {
    this.#checkedAt = -Infinity;
  }

  /** Reads the counts if nobody has for a while. Rejects as `read` does. */
  async check(read: () => Promise<ScopeCounts>): Promise<void> {
    const now = performance.now();
    if (this.asOf?.stale !== true && now - this.#checkedAt < CHECK_MS) return;
    this.#checkedAt = now;
    try {
      const { asOf } = await read();
      this.asOf = asOf;
    } catch (error) {
      this.failed();
      throw error;
    }
  }
}

/** What one stream has said. */
export class Voice {
  readonly #freshness: Freshness;
  readonly #heartbeat: number;
  readonly #isBlind: boolean;
  #cause: StaleCause | undefined;
  #since: string | null = null;
  #saidAt = performance.now();

  /** `isBlind`: it does not say what the last answer was as of, which tells of everybody's changes. */
  constructor(freshness: Freshness, heartbeat: number, { isBlind = false }: { isBlind?: boolean } = {}) {
    this.#freshness = freshness;
    this.#heartbeat = heartbeat;
    this.#isBlind = isBlind;
  }

  /** Something was sent. */
  said(): void {
    this.#saidAt = performance.now();
  }

  /** Nothing was sent for a heartbeat. */
  get isQuiet(): boolean {
    return performance.now() - this.#saidAt >= this.#heartbeat;
  }

  /** Redis did not answer: an event for the first time. */
  away(): Uint8Array | undefined {
    this.#freshness.failed();
    const { answeredAt } = this.#freshness;
    return this.#stale("redis", answeredAt?.toISOString() ?? null);
  }

  /** Redis answered: an event if that, or the projector, makes a difference. */
  here(): Uint8Array | undefined {
    const { asOf } = this.#freshness;
    if (asOf?.stale === true) return this.#stale("projector", asOf.projectedAt?.toISOString() ?? null);
    if (this.#cause === undefined) return undefined;
    this.#cause = undefined;
    this.said();
    return frame({ event: "fresh", data: { since: this.#since } });
  }

  #stale(cause: StaleCause, since: string | null): Uint8Array | undefined {
    if (this.#cause === cause) return undefined;
    this.#cause = cause;
    this.#since = since;
    this.said();
    const asOf = this.#isBlind ? null : (this.#freshness.asOf ?? null);
    return frame({ event: "stale", data: { cause, since, asOf } });
  }
}
