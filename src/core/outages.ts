/**
 * The states of failure of one process, pure: what has begun to fail, since when and why, and what is over. One outage is seen by
 * many at once, by each shard that appends, by the projector, by whoever follows changes. It is one state here.
 *
 * What a failure says about others: an answer of Redis, even a refusal, ends a state in which it did not answer. That Redis does not
 * answer says nothing about a permission that was missing before.
 */
import type { PresenceError } from "./errors.ts";

/** A state is over once nothing has failed for this long, ms: what comes and goes is one state. */
export const QUIET_MS = 1_000;
/** How long to wait for a better reason than that a connection was lost, ms. Not above QUIET_MS. */
export const PATIENCE_MS = 1_000;
/** States kept at once. More are one state for each code. */
export const OUTAGES_MAX = 64;

/** Reasons that all mean: no Redis that can be used is found now. What follows in a failover is one of them after the other. */
const AWAY: ReadonlySet<string> = new Set([
  "LOST", "ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ENOENT", "EHOSTUNREACH", "ETIMEDOUT", "SENTINELS",
  "READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "UNBLOCKED", "TRYAGAIN", "MOVED", "ASK",
]); // prettier-ignore

/** Who fails and works again: a name of its own, and words for the log. */
export interface Reporter {
  readonly name: string;
  /** "cannot append". */
  readonly cannot: string;
  /** "appending again". */
  readonly again: string;
  /** What goes on all the same: "records are still appended". */
  readonly still?: string | undefined;
  /** Undefined: it is about no shard, or about all of them. */
  readonly shard?: number | undefined;
  /** It fails in telling errors, so its own are only logged. */
  readonly isLoggedOnly?: boolean | undefined;
}

/** A state that has begun. */
export interface Outage {
  readonly key: string;
  /** Of those who report it, the one whose failure is told. */
  readonly reporter: Reporter;
  /** The first failure that says why. */
  readonly failure: PresenceError;
  /** Failures reported since it began. */
  readonly attempts: number;
}

/** What is to be told: that a state has begun, or that it is over after `ms`. */
export type Told =
  | { readonly is: "begun"; readonly outage: Outage }
  | { readonly is: "over"; readonly outage: Outage; readonly ms: number };

interface State {
  readonly key: string;
  readonly since: number;
  readonly quiet: number;
  readonly failing: Set<string>;
  reporter: Reporter;
  failure: PresenceError;
  attempts: number;
  isTold: boolean;
  /** Since when nobody fails; undefined: somebody does. */
  endedAt: number | undefined;
  /** Whether it ended because it works, not because something else fails instead or the reporter is gone. */
  works: boolean;
}

/** Whether a failure only says that Redis could not be used. */
export function isAway({ code, details }: PresenceError): boolean {
  if (code !== "REDIS_UNAVAILABLE") return false;
  return details.reason === undefined || AWAY.has(details.reason);
}

/** Failures with the same key are one state. */
export function outageKeyOf(failure: PresenceError): string {
  if (isAway(failure)) return failure.code;
  if (failure.code === "REDIS_UNAVAILABLE") return `${failure.code} ${failure.details.reason}`;
  return failure.code === "INTERNAL" ? failure.code : `${failure.code} ${failure.message}`;
}

export class Outages {
  readonly #states = new Map<string, State>();

  /** `reporter` failed at `now`, ms. */
  failed(reporter: Reporter, failure: PresenceError, now: number): Told[] {
    const key = outageKeyOf(failure);
    if (!isAway(failure) && failure.code !== "INTERNAL") {
      // Redis has answered, and differently from before.
      for (const state of this.#states.values())
        if (state.key !== key) this.#leave(state, reporter, now, state.key === "REDIS_UNAVAILABLE");
    }
    const state = this.#at(key, reporter, failure, now, QUIET_MS);
    state.failing.add(reporter.name);
    state.endedAt = undefined;
    return this.#told(state, reporter, failure);
  }

  /** Something failed that nobody will report as working: it is over when it has not failed again for `quiet` ms. */
  occurred(key: string, reporter: Reporter, failure: PresenceError, now: number, quiet: number): Told[] {
    const state = this.#at(key, reporter, failure, now, quiet);
    if (state.failing.size > 0) return [];
    state.endedAt = now;
    state.works = true;
    return this.#told(state, reporter, failure);
  }

  /** `reporter` works, whatever it failed with before. */
  worked(reporter: Reporter, now: number): void {
    for (const state of this.#states.values()) this.#leave(state, reporter, now, true);
  }

  /** `reporter` will report no more, and does not know whether it would work. */
  gone(reporter: Reporter, now: number): void {
    for (const state of this.#states.values()) this.#leave(state, reporter, now, false);
  }

  /** To be called at `next`. */
  tick(now: number): Told[] {
    const told: Told[] = [];
    for (const state of this.#states.values()) {
      const isOver = state.endedAt !== undefined && now >= state.endedAt + state.quiet;
      if (!state.isTold && (isOver || now >= state.since + PATIENCE_MS)) {
        state.isTold = true;
        told.push({ is: "begun", outage: { ...state } });
      }
      if (!isOver) continue;
      this.#states.delete(state.key);
      if (state.works) told.push({ is: "over", outage: { ...state }, ms: state.endedAt! - state.since });
    }
    return told;
  }

  /** When to call tick(), ms on the same clock; undefined: not before something else happens. */
  get next(): number | undefined {
    let next: number | undefined;
    for (const { isTold, since, endedAt, quiet } of this.#states.values()) {
      const over = endedAt === undefined ? Infinity : endedAt + quiet;
      const at = Math.min(over, isTold ? Infinity : since + PATIENCE_MS);
      if (at !== Infinity) next = Math.min(next ?? Infinity, at);
    }
    return next;
  }

  /** The failures that last now, the oldest first. */
  get failures(): PresenceError[] {
    return [...this.#states.values()].filter(({ failing }) => failing.size > 0).map(({ failure }) => failure);
  }

  get isEmpty(): boolean {
    return this.#states.size === 0;
  }

  #at(wanted: string, reporter: Reporter, failure: PresenceError, now: number, quiet: number): State {
    const isFull = this.#states.size >= OUTAGES_MAX && !this.#states.has(wanted);
    const key = isFull ? failure.code : wanted;
    const known = this.#states.get(key);
    if (known !== undefined) {
      known.attempts++;
      return known;
    }
    const state: State = {
      key, since: now, quiet, failing: new Set(), reporter, failure,
      attempts: 1, isTold: false, endedAt: undefined, works: false,
    }; // prettier-ignore
    this.#states.set(key, state);
    return state;
  }

  #told(state: State, reporter: Reporter, failure: PresenceError): Told[] {
    if (state.isTold || failure.details.reason === "LOST") return [];
    Object.assign(state, { isTold: true, reporter, failure });
    return [{ is: "begun", outage: { ...state } }];
  }

  #leave(state: State, { name }: Reporter, now: number, works: boolean): void {
    if (!state.failing.delete(name) || state.failing.size > 0) return;
    state.endedAt = now;
    state.works = works;
  }
}
