/**
 * The feeds of an app: one of the whole, and one for each namespace or room that somebody follows. A stream holds its feed, so their number
 * is bounded by the places of streams. Those of callers who poll are kept for a while, and only so many.
 */
import { FEEDS_POLLED_MAX } from "../core/limits.ts";
import type { Coalescer } from "./coalescer.ts";
import { Feed, FEED_IDLE_MS } from "./feed.ts";
import { Freshness } from "./staleness.ts";
import type { Where } from "./where.ts";

/** What the streams of one scope share. */
export interface Followed {
  readonly feed: Feed;
  readonly freshness: Freshness;
}

/** For as long as a stream needs it. */
export interface Held extends Followed {
  /** Call it once. */
  readonly release: () => void;
}

interface Scoped extends Followed {
  streams: number;
  usedAt: number;
}

export class Feeds {
  readonly #whole: Followed;
  /** By scope, the least recently used first. */
  readonly #scoped = new Map<string, Scoped>();
  readonly #make: (where: Where) => Followed;
  readonly #now: () => number;
  #made = 0;

  /** `whole` and `scoped`: what the feeds of either read through. */
  constructor(
    shards: number,
    { whole, scoped }: { readonly whole: Coalescer; readonly scoped: Coalescer },
    now: () => number = () => performance.now(),
  ) {
    this.#now = now;
    this.#whole = { feed: new Feed(shards, whole, now), freshness: new Freshness() };
    // All of them together keep what the feed of the whole keeps.
    const share = () => Math.max(1, this.#scoped.size);
    this.#make = (where) => ({
      feed: new Feed(shards, scoped, now, { where, n: ++this.#made, share }),
      freshness: new Freshness(),
    });
  }

  /** Feeds of namespaces and rooms, for tests of the bound. */
  get size(): number {
    return this.#scoped.size;
  }

  /** The feed for one question. */
  of(where: Where): Feed {
    return where === undefined ? this.#whole.feed : this.#use(where).feed;
  }

  /** The feed for a stream. */
  hold(where: Where): Held {
    if (where === undefined) return { ...this.#whole, release() {} };
    const own = this.#use(where);
    own.streams++;
    return {
      feed: own.feed,
      freshness: own.freshness,
      release: () => {
        own.streams--;
        this.#bound();
      },
    };
  }

  #use(where: string): Scoped {
    const own = this.#scoped.get(where) ?? { ...this.#make(where), streams: 0, usedAt: 0 };
    own.usedAt = this.#now();
    this.#scoped.delete(where);
    this.#scoped.set(where, own);
    this.#bound(where);
    return own;
  }

  /** Drops those without a stream: too many of them, and those whose feed has nothing left for its next caller. */
  #bound(used?: string): void {
    const idle = [...this.#scoped].filter(([where, { streams }]) => streams === 0 && where !== used);
    const before = this.#now() - FEED_IDLE_MS;
    for (const [i, [where, { usedAt }]] of idle.entries())
      if (idle.length - i > FEEDS_POLLED_MAX || usedAt < before) this.#scoped.delete(where);
  }
}
