/**
 * The places for event streams: a pool for each scope, one for browser tokens and one without a token, so that no number of streams without a token takes a place from one with
 * a token, and in each pool a cap for one client or one token.
 *
 * A place that is not renewed for a while counts as free: in a Worker, a request whose client is gone may end without running
 * any of its code.
 */
import type { Scope } from "./auth.ts";

export interface PlaceLimits {
  /** Places of each pool. */
  readonly most: number;
  /** Places of the pool without a token. */
  readonly anonymous: number;
  /** Places of one client without a token. */
  readonly perClient: number;
  /** Places of one token. */
  readonly perToken: number;
  /** Places of one subject of browser tokens. */
  readonly perSubject: number;
}

/** Who asks for a place. */
export interface Visitor {
  /** The scope of its token, or that it is a browser's; undefined: it has none. */
  readonly scope: Scope | "browsers" | undefined;
  /** Its token's name or its address; undefined: not known, so there is no cap of its own. */
  readonly holder: string | undefined;
}

/** The limit that is reached. */
export type Cap = keyof PlaceLimits;

/** A place of one stream. */
export interface Place {
  /** The stream is alive. */
  readonly renew: () => void;
  /** Idempotent. */
  readonly release: () => void;
}

interface Pool {
  readonly taken: Set<Taken>;
  readonly byHolder: Map<string, number>;
}

interface Taken extends Place {
  at: number;
}

type PoolName = Scope | "browsers" | "anonymous";

export class Places {
  readonly #limits: PlaceLimits;
  readonly #expiry: number;
  readonly #now: () => number;
  readonly #pools: Readonly<Record<PoolName, Pool>> = {
    anonymous: { taken: new Set(), byHolder: new Map() },
    browsers: { taken: new Set(), byHolder: new Map() },
    counts: { taken: new Set(), byHolder: new Map() },
    users: { taken: new Set(), byHolder: new Map() },
  };

  /** `expiry`, ms: a place that is not renewed for so long counts as free. */
  constructor(limits: PlaceLimits, expiry: number, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#expiry = expiry;
    this.#now = now;
  }

  /** Places taken now, in all pools. */
  get taken(): number {
    return Object.values(this.#pools).reduce((sum, { taken }) => sum + taken.size, 0);
  }

  /** A place, or the limit that is reached. `onEnd` is called once, when it is released or has expired. */
  take({ scope, holder }: Visitor, onEnd: () => void = () => {}): Place | Cap {
    const pool = this.#pools[scope ?? "anonymous"];
    const cap = this.#reached(pool, scope, holder);
    if (cap !== undefined) {
      this.#expire(pool);
      if (this.#reached(pool, scope, holder) !== undefined) return cap;
    }
    const place: Taken = {
      at: this.#now(),
      renew: () => {
        place.at = this.#now();
      },
      release: () => {
        if (!pool.taken.delete(place)) return;
        if (holder !== undefined) {
          const left = pool.byHolder.get(holder)! - 1;
          if (left === 0) pool.byHolder.delete(holder);
          else pool.byHolder.set(holder, left);
        }
        onEnd();
      },
    };
    pool.taken.add(place);
    if (holder !== undefined) pool.byHolder.set(holder, (pool.byHolder.get(holder) ?? 0) + 1);
    return place;
  }

  #reached(pool: Pool, scope: Visitor["scope"], holder: string | undefined): Cap | undefined {
    const { most, anonymous, perClient, perToken, perSubject } = this.#limits;
    if (pool.taken.size >= (scope === undefined ? anonymous : most)) {
      return scope === undefined ? "anonymous" : "most";
    }
    const held = holder === undefined ? 0 : (pool.byHolder.get(holder) ?? 0);
    if (scope === "browsers") return held >= perSubject ? "perSubject" : undefined;
    if (held >= (scope === undefined ? perClient : perToken)) {
      return scope === undefined ? "perClient" : "perToken";
    }
    return undefined;
  }

  #expire(pool: Pool): void {
    const before = this.#now() - this.#expiry;
    for (const place of pool.taken) if (place.at < before) place.release();
  }
}
