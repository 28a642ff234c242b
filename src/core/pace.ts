/**
 * The pace of one shard under load: which process folds for the others, and when records are sent. Pure: time is an argument.
 * It affects only the number of calls: the next caller folds a record in any case, and each appender checks that one has.
 *
 * At a low rate each record is appended and folded at once. Above a rate the script gives one caller the **turn**: for a
 * short time it folds for all. The others then append at the next **beat**, a multiple of the pace on Redis's clock, and the
 * holder folds shortly after, together with its own record: one warm call for what all processes did, instead of a cold call from
 * each. While no process listens to changes, nobody waits for a beat, so only every second one is used.
 *
 * All times are ms of the caller's own clock, except ids and ends of turns, which are on Redis's clock.
 */
import {
  CHECK_FOLDED_MS,
  FOLD_AFTER_BEAT_MS,
  LISTENED_MS,
  PACE_MS_MAX,
  PACE_UNHEARD,
  TURN_MS,
} from "./limits.ts";
import { isBefore, msOf } from "./stream-id.ts";

/** `alone`: no process holds the turn, so each folds what it appends. `follows`: another holds it. `holds`: this one does. */
export type PaceState = "alone" | "follows" | "holds";

/** How long before its known end a turn is read again, ms: clocks are estimated, and the record takes a moment to arrive. */
const KNOWN_MS = 5;

/** What to send along with a record. */
export type Along = "fold" | "turn" | "nothing";

export class Pace {
  /** The pace while somebody listens, and while nobody does, ms. */
  readonly #every: number;
  readonly #unheard: number;
  /** Whether some process listens to changes. */
  #listened = true;
  #state: PaceState = "alone";
  /** While another holds the turn: until when it is known to, on Redis's clock. */
  #ends = 0;
  /** Redis's clock minus ours, from the fastest recent reply; undefined: not known. */
  #ahead: number | undefined;
  #trip = Infinity;
  /** While we hold the turn: when to fold for all. */
  #foldAt: number | undefined;
  /**
   * The last record appended that is not known to be folded, and when to check that it is: a while after the first of those that
   * are not. Under load the last one is always new, and a check that waits for it would never come.
   */
  #open: { readonly id: string; readonly checkAt: number } | undefined;

  /** `every`: the pace, ms; 0: every record is folded at once. */
  constructor(every: number) {
    this.#every = every;
    this.#unheard = Math.max(every, Math.min(every * PACE_UNHEARD, PACE_MS_MAX));
  }

  get state(): PaceState {
    return this.#state;
  }

  /** How long until gathered operations may be sent, ms; 0: at once. A full record does not wait. */
  untilAppend(now: number): number {
    if (this.#state === "alone") return 0;
    return this.#state === "holds" ? Math.max(0, this.#foldAt! - now) : this.#untilBeat(now);
  }

  /** What to send along with a record that is sent now. A turn that is known to last need not be read again. */
  along(now: number): Along {
    if (this.#state !== "follows") return "fold";
    const lasts = this.#ahead !== undefined && now + this.#ahead + KNOWN_MS < this.#ends;
    return lasts ? "nothing" : "turn";
  }

  /** When to call the projector because of the turn, ms of our clock; undefined: not needed. */
  get foldAt(): number | undefined {
    return this.#state === "holds" ? this.#foldAt : this.#open?.checkAt;
  }

  /**
   * A record was appended as `id`. The totals read after it give the end of the turn, the last record folded, and until when
   * somebody is known to listen. Returns whether to fold at once: the turn is no longer held.
   */
  appended(
    id: string,
    now: number,
    totals: { readonly ends: number; readonly folded: string; readonly listened: number },
  ): boolean {
    this.isFolded(totals.folded);
    if (isBefore(totals.folded, id)) this.#await(id, now);
    else this.#open = undefined;
    const at = msOf(id);
    this.#listened = totals.listened > at && totals.listened <= at + LISTENED_MS;
    this.#ends = totals.ends;
    return !this.#isHeld(at);
  }

  /** A record was appended as `id` while another holds the turn, as far as known. Returns whether to fold at once, as above. */
  trusted(id: string, now: number): boolean {
    this.#await(id, now);
    return !this.#isHeld(msOf(id));
  }

  #await(id: string, now: number): void {
    this.#open = { id, checkAt: this.#open?.checkAt ?? now + CHECK_FOLDED_MS };
  }

  /** Ids stand still while the clock is behind the last one, so a turn may seem held for longer than it is: hence the check. */
  #isHeld(at: number): boolean {
    const left = this.#ends - at;
    if (left > 0 && left <= TURN_MS) return true;
    this.#state = "alone";
    return false;
  }

  /**
   * The projector has emptied the log at `now`: what was appended before is folded, or lost with a primary that failed. `me`: the
   * caller name of the call.
   */
  answered(
    answer: {
      readonly now: number;
      readonly holder: string;
      readonly turnLeft: number;
      readonly listenedLeft: number;
    },
    me: string,
    now: number,
  ): void {
    this.#listened = answer.listenedLeft > 0;
    this.#ends = answer.now + answer.turnLeft;
    this.#open = undefined;
    if (this.#every === 0 || answer.holder === "") this.#state = "alone";
    else this.#state = answer.holder === me ? "holds" : "follows";
    if (this.#state === "holds") this.#foldAt = now + this.#untilBeat(now - FOLD_AFTER_BEAT_MS);
  }

  /** The totals were read: is what we appended folded? */
  isFolded(folded: string): boolean {
    if (this.#open !== undefined && isBefore(folded, this.#open.id)) return false;
    this.#open = undefined;
    return true;
  }

  /** Redis was lost, or we were fenced, or we close: fold for ourselves again. */
  reset(): void {
    this.#state = "alone";
    this.#open = undefined;
    this.#ahead = undefined;
    this.#trip = Infinity;
  }

  /**
   * A reply arrived at `now` to a request sent at `sentAt`, with a time on Redis's clock from in between. The shortest recent
   * round trip is the most exact. Each reply makes earlier ones count a little less, so that a clock jump is followed.
   */
  clock(theirs: number, sentAt: number, now: number): void {
    const trip = now - sentAt;
    this.#trip *= 1.02;
    if (this.#ahead !== undefined && trip > this.#trip) return;
    this.#trip = trip;
    // Ids are whole ms: half a ms is lost on average.
    this.#ahead = theirs + 0.5 - (sentAt + now) / 2;
  }

  #untilBeat(now: number): number {
    const at = now + (this.#ahead ?? 0);
    const every = this.#listened ? this.#every : this.#unheard;
    const since = ((at % every) + every) % every;
    return every - since;
  }
}
