/** How many requests a second each subject makes: a bucket of tokens each, in this process. */
import { BROWSER_BURST_S, BROWSER_SUBJECTS_MAX } from "../core/limits.ts";

interface Bucket {
  left: number;
  at: number;
}

/** Bounded: of more subjects, the one that asked least recently is forgotten, and begins again with a full bucket. */
export class Subjects {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #most: number;
  readonly #buckets = new Map<string, Bucket>();

  /** `now`: ms. */
  constructor(perSecond: number, now: () => number = () => performance.now(), most = BROWSER_SUBJECTS_MAX) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#most = most;
  }

  /** Subjects remembered, for tests of the bound. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one request; false: there is none left. */
  take(subject: string): boolean {
    const full = this.#perSecond * BROWSER_BURST_S;
    const now = this.#now();
    const bucket = this.#buckets.get(subject) ?? { left: full, at: now };
    bucket.left = Math.min(full, bucket.left + ((now - bucket.at) * this.#perSecond) / 1000);
    bucket.at = now;
    this.#buckets.delete(subject);
    this.#buckets.set(subject, bucket);
    if (this.#buckets.size > this.#most) {
      const [oldest] = this.#buckets.keys();
      this.#buckets.delete(oldest!);
    }
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    return true;
  }
}
