/**
 * The pace of one shard under load: who folds for whom, and when records leave. Pure: time is an argument. Nothing depends on it
 * but the number of calls: a record is folded by whoever calls next, and each appender checks that somebody has.
 *
 * While few records come, each is appended and folded at once. From some rate on the script gives one caller the **turn**: for
 * a moment it folds for all. Then everybody else appends at the next **beat**, a multiple of the pace on the clock of Redis, and the
 * holder folds a little later: one warm call for what all processes did, where each would have made a cold one of its own.
 *
 * All times are ms of the caller's own clock, except ids and ends of turns, which are of the clock of Redis.
 */
import { CHECK_FOLDED_MS, FOLD_AFTER_BEAT_MS, TURN_MS } from "./limits.ts";
import { isBefore } from "./stream-id.ts";

/** `alone`: nobody holds the turn, so each folds what it appends. `follows`: another holds it. `holds`: we do. */
export type PaceState = "alone" | "follows" | "holds";

/** What is to go along with a record. */
export type Along = "fold" | "turn" | "nothing";

export class Pace {
  readonly #every: number;
  #state: PaceState = "alone";
  /** The clock of Redis minus ours, by the reply that was fastest of late; undefined: not known. */
  #ahead: number | undefined;
  #trip = Infinity;
  /** While we hold the turn: when to fold for all. */
  #foldAt: number | undefined;
  /** The last record appended that nobody is known to have folded, and when to check that somebody has. */
  #open: { readonly id: string; readonly checkAt: number } | undefined;

  /** `every`: the pace, ms; 0: each folds at once, always. */
  constructor(every: number) {
    this.#every = every;
  }

  get state(): PaceState {
    return this.#state;
  }

  /** How long until what gathers may leave, ms; 0: at once. A full record does not wait. */
  untilAppend(now: number): number {
    return this.#state === "alone" ? 0 : this.#untilBeat(now);
  }

  /** What goes along with a record that leaves now. */
  get along(): Along {
    if (this.#state === "alone") return "fold";
    return this.#state === "holds" ? "nothing" : "turn";
  }

  /** When to call the projector because of the turn, ms of our clock; undefined: there is no need. */
  get foldAt(): number | undefined {
    return this.#state === "holds" ? this.#foldAt : this.#open?.checkAt;
  }

  /**
   * A record was appended as `id`, and the totals read after it (if they were) said until when the turn lasts, and what is folded.
   * Returns whether to fold at once: nobody holds the turn any more.
   */
  appended(id: string, now: number, totals?: { readonly ends: number; readonly folded: string }): boolean {
    this.#open = { id, checkAt: now + CHECK_FOLDED_MS };
    if (totals === undefined) return false;
    if (!isBefore(totals.folded, id)) this.#open = undefined;
    const left = totals.ends - Number(id.split("-", 1)[0]);
    if (left > 0 && left <= TURN_MS) return false;
    this.#state = "alone";
    return true;
  }

  /** A call of the projector was answered at `now`. `me`: the name it was made under. */
  answered(answer: { readonly foldedId: string; readonly holder: string }, me: string, now: number): void {
    if (this.#open !== undefined && !isBefore(answer.foldedId, this.#open.id)) this.#open = undefined;
    if (this.#every === 0 || answer.holder === "") this.#state = "alone";
    else this.#state = answer.holder === me ? "holds" : "follows";
    if (this.#state === "holds") this.#foldAt = now + this.#untilBeat(now - FOLD_AFTER_BEAT_MS);
  }

  /** The totals were looked at: is what we appended folded? */
  isFolded(folded: string): boolean {
    if (this.#open !== undefined && isBefore(folded, this.#open.id)) return false;
    this.#open = undefined;
    return true;
  }

  /** Redis was lost, or we were fenced, or we close: back to folding for ourselves. */
  reset(): void {
    this.#state = "alone";
    this.#open = undefined;
    this.#ahead = undefined;
    this.#trip = Infinity;
  }

  /**
   * A reply came `now` to what was sent at `sentAt`, with a time of the clock of Redis from in between. The shortest trip of late
   * knows best; each reply makes the one before a little less trusted, so that a clock that jumped is followed.
   */
  clock(theirs: number, sentAt: number, now: number): void {
    const trip = now - sentAt;
    this.#trip *= 1.02;
    if (this.#ahead !== undefined && trip > this.#trip) return;
    this.#trip = trip;
    // Ids are whole ms: half of one on average is lost.
    this.#ahead = theirs + 0.5 - (sentAt + now) / 2;
  }

  #untilBeat(now: number): number {
    const at = now + (this.#ahead ?? 0);
    const since = ((at % this.#every) + this.#every) % this.#every;
    return this.#every - since;
  }
}
