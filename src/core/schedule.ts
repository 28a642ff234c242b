/**
 * When to call the projector next, for one shard. Pure: no clock, no I/O; time and random numbers are arguments. The
 * recorder, the projector's loop and the simulation all use it, each with its own clock.
 *
 * All times are ms of the caller's own clock, except those from a result or from Redis, which are on Redis's clock. The
 * schedule keeps the offset between the two.
 */
import { TIMER_MS_MAX } from "./limits.ts";

/** Of the deadlines that nobody else seems to serve: one in eight is looked at first, so that one of two who serve finds out. */
const ALONG = 7 / 8;

/** A time in ms, or one of two that no clock shows. */
export type Moment = "now" | "never" | number;

export function earlier(a: Moment, b: Moment): Moment {
  if (a === "now" || b === "never") return a;
  if (b === "now" || a === "never") return b;
  return Math.min(a, b);
}

export function hasCome(moment: Moment, now: number): boolean {
  return moment === "now" || (moment !== "never" && moment <= now);
}

/** How long until then, ms; 0 if it has passed. Never more than a timer can wait. */
export function waitUntil(moment: Moment, now: number): number {
  if (moment === "never") return TIMER_MS_MAX;
  return moment === "now" ? 0 : Math.max(0, Math.min(moment - now, TIMER_MS_MAX));
}

/** What the reply of the projector says about the next call. */
export interface Answer {
  /** Redis's clock, ms. */
  readonly now: number;
  /** The earliest deadline on that clock, ms; null: only a record can bring work. */
  readonly due: number | null;
  /** Deadlines that have passed and were left alone, because reaping was held. */
  readonly held: number;
  /** Somebody else called since we last did. */
  readonly shared?: boolean;
}

/** What a look at the totals of a shard says instead of a call. */
export interface Sight {
  /** As Answer.due; null also when it is not known. */
  readonly due: number | null;
  /** When a projector last ran, on Redis's clock, ms; null: never. */
  readonly ran: number | null;
}

export interface ScheduleOptions {
  /** How long nothing is reaped after Redis was lost, ms: others lost it too and must renew their leases first. */
  readonly hold: number;
  /** The shortest time from one call to the next call for a deadline, ms. */
  readonly soonest: number;
  /** Several callers wait for the same deadline: they spread out over this, ms. */
  readonly spread: number;
}

export class Schedule {
  readonly #options: ScheduleOptions;
  #next: Moment = "now";
  #along: Moment = "never";
  /** The clock of Redis minus ours, ms; undefined before the first answer. */
  #ahead: number | undefined;
  /** When Redis was last lost, or came back; undefined: never. */
  #lostAt: number | undefined;

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /** When to call next, unless something happens before. */
  get next(): Moment {
    return this.#next;
  }

  /**
   * From when on a call for the deadline may go along with what is sent anyway, without a look: nobody else seems to serve any.
   */
  get along(): Moment {
    return this.#along;
  }

  /** Whether a look may serve instead of a call: the call is for a deadline, and the clock of Redis is known. */
  get mayLook(): boolean {
    return this.#next !== "now" && this.#ahead !== undefined;
  }

  /** Something happened that only a call can evaluate. */
  callNow(): void {
    this.#next = "now";
  }

  /** Call no later than at this moment. */
  callBy(at: number): void {
    this.#next = earlier(this.#next, at);
  }

  /** Redis was lost, or came back, at this moment; undefined: never. The latest one counts. */
  lost(at: number | undefined): void {
    if (at !== undefined && (this.#lostAt === undefined || at > this.#lostAt)) this.#lostAt = at;
  }

  /** A call failed: not again before `again`. */
  failed(now: number, again: number): void {
    this.lost(now);
    this.#next = again;
    this.#along = "never";
  }

  /** Whether a call made now may reap. */
  mayReap(now: number): boolean {
    return this.#holdLeft(now) === 0;
  }

  /** A call was answered, just now. */
  answered({ now: theirs, due, held, shared = false }: Answer, now: number, random: number): void {
    this.#ahead = theirs - now;
    this.#await(due, held > 0 ? this.#holdLeft(now) : 0, now, random);
    if (due !== null && !shared && random < ALONG)
      this.#along = Number(this.#next) - random * this.#options.spread;
  }

  /**
   * A look was taken instead of a call. True: no deadline has passed, because another process served the one waited for.
   * False: call, because there is work or it is unknown. After a call that ran out of budget, and whose caller may have died,
   * no deadline is known.
   */
  seen({ due, ran }: Sight, now: number, random: number): boolean {
    // Redis's clock may have jumped since our last call: it is at least at the time of the last call by any process.
    const heard = ran === null ? undefined : ran - now;
    if (this.#ahead === undefined || (heard !== undefined && heard > this.#ahead)) this.#ahead = heard;
    if (due === null || this.#ahead === undefined) return false;
    if (due - this.#ahead <= now) return false;
    this.#await(due, 0, now, random);
    return true;
  }

  #holdLeft(now: number): number {
    return this.#lostAt === undefined ? 0 : Math.max(0, this.#lostAt + this.#options.hold - now);
  }

  #await(due: number | null, least: number, now: number, random: number): void {
    const { soonest, spread } = this.#options;
    this.#along = "never";
    if (due === null) this.#next = "never";
    else this.#next = now + Math.max(due - this.#ahead! - now, least, soonest) + random * spread;
  }
}
