/**
 * What a call of the projector may do to the entries of `changes`, `moves` and `rejected` that are there already, and what it must:
 * docs/protocol.md, "Retention". Redis trims whole nodes where it says about, so of what is left this says bounds on both sides, not
 * how the script finds them. Pure, and without the folding: what a call told is given.
 */
import {
  CHANGES_KEPT,
  CHECK_IDLE_MS,
  CHECK_MS,
  FORGET_MS,
  REJECTED_KEPT,
  TRIM_BYTES,
  TRIM_MAX,
} from "../src/core/limits.ts";

/** Entries of a node of a stream, unless Redis is set otherwise. */
export const NODE_ENTRIES = 100;

export type StreamName = "changes" | "moves" | "rejected";

export interface KeptEntry {
  readonly id: string;
  /** Of its names and values. */
  readonly bytes: number;
  /** `trimmed`: it names nobody. */
  readonly isBlank: boolean;
}

/** Fields of the totals, as they are there. */
export type Noted = Readonly<Partial<Record<(typeof NOTED)[number], string>>>;

export const NOTED = ["trimmed", "capped", "cut", "moved_cut", "blank", "moved_blank", "checked", "ran", "change", "moved"] as const; // prettier-ignore

export interface Retained {
  /** Oldest first. */
  readonly streams: Readonly<Record<StreamName, readonly KeptEntry[]>>;
  readonly noted: Noted;
  /** When something was to be forgotten next, as the last reply said; of a call after which no process was left. */
  readonly promised: number | undefined;
}

export const NOTHING_RETAINED: Retained = {
  streams: { changes: [], moves: [], rejected: [] },
  noted: {},
  promised: undefined,
};

export interface RetainingCall {
  readonly now: number;
  /** How long changes and rejected entries are kept, ms, and about how many changes. */
  readonly keep: { readonly changes: number; readonly rejected: number; readonly most: number };
  /** Whether the caller asked for a level check. */
  readonly check: boolean;
  /** Whether nothing is left to fold, to reap, to end or to bury: only then anything is forgotten. */
  readonly isDrained: boolean;
  /** As the reply says it. */
  readonly more: boolean;
  /** As the reply says it. Only where no lease and no grace is due; else undefined. */
  readonly due: number | null | undefined;
  /** When the next tombstone is due. */
  readonly tomb: number | undefined;
  /** What the call appended: transitions, rejected entries, and blank ones. */
  readonly added: Readonly<Record<StreamName, readonly KeptEntry[]>>;
  /** How many entries are left. They are the last ones: from the middle nothing is ever taken. */
  readonly left: Readonly<Record<StreamName, number>>;
  readonly noted: Noted;
}

/** What happened, for tests that count what they met. */
export type Met =
  | "a pass"
  | "gone by age"
  | "gone by number"
  | "gone by XADD"
  | "rejected gone by age"
  | "rejected gone by XADD"
  | "a blank entry"
  | "more to forget"
  | "what was read is kept"
  | "due for forgetting"
  | "kept by another caller";

const msOf = (id: string) => Number(id.split("-", 1)[0]);

/** -1, 0 or 1, of two ids; one without a second number is the first of its ms. */
function order(a: string, b: string): number {
  const [[ms, seq = 0], [otherMs, otherSeq = 0]] = [a, b].map((id) => id.split("-").map(Number)) as [
    number[],
    number[],
  ];
  return Math.sign(ms! - otherMs! || seq - otherSeq);
}

/** How many at the beginning, of entries that are so up to one of them. */
function leading(entries: readonly KeptEntry[], is: (entry: KeptEntry, i: number) => boolean): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (is(entries[middle]!, middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function demand(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(`retention: ${message}`);
}

/** What is kept after the call. Throws where that is not allowed. */
export function retain(before: Retained, call: RetainingCall, met: Set<Met> = new Set()): Retained {
  return new Retaining(before, call, met).run();
}

class Retaining {
  readonly #before: Retained;
  readonly #call: RetainingCall;
  readonly #met: Set<Met>;
  /** Whether entries that are too old may go in this call, and whether all of them have to be gone after it. */
  readonly #ages: { readonly may: boolean; readonly must: boolean };
  /** The same for those that are too many. */
  readonly #counts: { readonly may: boolean; readonly must: boolean };
  #removed = 0;

  constructor(before: Retained, call: RetainingCall, met: Set<Met>) {
    this.#before = before;
    this.#call = call;
    this.#met = met;
    const passed = call.noted.trimmed !== before.noted.trimmed;
    const capped = call.noted.capped !== before.noted.capped;
    const { isDrained, more } = call;
    this.#ages = { may: isDrained && !this.#isDone() && (passed || more), must: passed };
    const isFew = call.keep.most < CHANGES_KEPT && !this.#isCapped();
    const follows = this.#isDone() || passed;
    this.#counts = { may: isDrained && isFew && follows && (capped || more), must: capped };
    demand(!passed || this.#ages.may, "old entries were looked for within a minute of the last time");
    demand(!capped || this.#counts.may, "too many entries were looked for within a minute of the last time");
    if (isDrained && !more && this.#looks()) {
      demand(passed || this.#isDone(), "old entries were not looked for although it was time");
      demand(capped || !isFew, "too many entries were not looked for although it was time");
    }
    if (this.#isDone() && !passed && !this.#isOwn()) met.add("kept by another caller");
  }

  run(): Retained {
    const { call, met } = { call: this.#call, met: this.#met };
    const streams = {
      changes: this.#transitions("changes", "change", "cut", "blank"),
      moves: this.#transitions("moves", "moved", "moved_cut", "moved_blank"),
      rejected: this.#rejected(),
    };
    if (this.#ages.must) {
      met.add("a pass");
      this.#compareNote(streams);
    }
    if (this.#counts.must)
      demand(call.noted.capped === `${call.now} ${call.keep.most}`, `capped is ${call.noted.capped}`);
    if (call.isDrained && call.more) {
      met.add("more to forget");
      demand(this.#removed > 0, "it says that there is more to forget, and forgot nothing");
    }
    return { streams, noted: call.noted, promised: this.#promise(streams) };
  }

  /** Whether a caller at least as strict has looked for old entries within the last minute. */
  #isDone(): boolean {
    const [at, changes, rejected] = (this.#before.noted.trimmed ?? "").split(" ").map(Number);
    const { now, keep } = this.#call;
    return at! <= now && now - at! < FORGET_MS && changes! <= keep.changes && rejected! <= keep.rejected;
  }

  #isOwn(): boolean {
    const [, changes, rejected] = (this.#before.noted.trimmed ?? "").split(" ").map(Number);
    return changes === this.#call.keep.changes && rejected === this.#call.keep.rejected;
  }

  #isCapped(): boolean {
    const [at, most] = (this.#before.noted.capped ?? "").split(" ").map(Number);
    const { now, keep } = this.#call;
    return at! <= now && now - at! < FORGET_MS && most! <= keep.most;
  }

  /** Whether this call compares everything and so looks for what is to be forgotten, unless that was done within a minute. */
  #looks(): boolean {
    const { now, check } = this.#call;
    const { checked, ran } = this.#before.noted;
    const since = now - Number(checked ?? 0);
    const { promised } = this.#before;
    const wasPromised = promised !== undefined && promised <= now;
    if (wasPromised) this.#met.add("due for forgetting");
    return (
      check ||
      ran === undefined ||
      now < Number(ran) ||
      since >= CHECK_IDLE_MS ||
      (since >= CHECK_MS && now - Number(ran) < CHECK_MS) ||
      wasPromised
    );
  }

  /** `changes` or `moves`: its entries after the call. */
  #transitions(
    stream: "changes" | "moves",
    lastName: "change" | "moved",
    cutName: "cut" | "moved_cut",
    blankName: "blank" | "moved_blank",
  ): readonly KeptEntry[] {
    const { now, keep, added, left, noted, more } = this.#call;
    const all = [...this.#before.streams[stream], ...added[stream]];
    const blanks = added[stream].filter(({ isBlank }) => isBlank);
    const told = all.slice(0, all.length - blanks.length);
    const last = told.at(-1);
    // An entry without users follows the last one when that is too old.
    const isFollowed =
      this.#ages.may && last !== undefined && !last.isBlank && msOf(last.id) < now - keep.changes;
    demand(blanks.length <= (isFollowed ? 1 : 0), `${blanks.length} blank entries were added to ${stream}`);
    demand(!isFollowed || more || blanks.length === 1, `no blank entry follows the last one of ${stream}`);
    const blank = blanks.at(-1)?.id ?? this.#before.noted[blankName];
    demand(noted[blankName] === blank, `${blankName} is ${noted[blankName]}, not ${blank}`);
    if (blanks.length > 0) this.#met.add("a blank entry");

    // What followers may still stand before stays: the last one, and what came since the last time.
    const read = this.#read(stream);
    const isRead = ({ id }: KeptEntry, i: number) =>
      i < told.length - 1 && (read === undefined || order(id, read) < 0);
    const limit = now - keep.changes;
    const old = leading(all, (entry, i) => msOf(entry.id) < limit && isRead(entry, i));
    const nearlyOld = leading(all, (entry, i) => msOf(entry.id) <= limit && isRead(entry, i));
    if (this.#ages.must && old < leading(told, ({ id }, i) => i < told.length - 1 && msOf(id) < limit))
      this.#met.add("what was read is kept");
    const removed = all.length - left[stream];
    const rest = all.slice(removed);
    const minuteOld = (entries: readonly KeptEntry[]) =>
      leading(entries, ({ id }) => msOf(id) < now - FORGET_MS);
    const tooMany = Math.max(0, Math.min(minuteOld(all), all.length - keep.most));
    // Each XADD keeps at least so many.
    const cap = Math.max(keep.most, CHANGES_KEPT);
    const beyond = added[stream].length > blanks.length ? Math.max(0, all.length - cap) : 0;
    const byAge = this.#ages.may ? nearlyOld : 0;
    const byNumber = this.#counts.may ? tooMany : 0;
    const detail = `${removed} of ${all.length} entries of ${stream} are gone`;
    demand(
      removed <= Math.max(byAge, byNumber, beyond),
      `${detail}, ${byAge} by age and ${byNumber + beyond} by number at most`,
    );
    demand(!this.#ages.must || removed >= old, `${detail}, and ${old} are too old`);
    demand(removed > beyond - NODE_ENTRIES, `${detail}, and ${beyond} are too many`);
    if (this.#counts.must) {
      const excess = Math.min(minuteOld(rest), rest.length - keep.most);
      demand(excess < NODE_ENTRIES, `${detail}, and ${excess} more are too many`);
    }
    this.#bound(all.slice(0, removed), removed > byAge && byAge > 0, detail);
    if (removed > 0 && removed <= byAge) this.#met.add("gone by age");
    if (removed > byAge && byNumber > 0) this.#met.add("gone by number");
    if (removed > byAge && beyond > 0) this.#met.add("gone by XADD");

    // Who stands before the first entry knows by `cut` that something is gone; XADD removes only of 100,000 and more.
    const cut = noted[cutName];
    const isCut = removed > 0 && (byAge > 0 || byNumber > 0);
    if (!isCut) demand(cut === this.#before.noted[cutName], `${detail}, and ${cutName} became ${cut}`);
    else if (removed > beyond) {
      demand(
        cut !== undefined && order(cut, all[removed - 1]!.id) > 0,
        `${detail}, and ${cutName} is ${cut}`,
      );
      demand(
        more || order(cut, rest[0]!.id) <= 0,
        `the first entry of ${stream} is ${rest[0]!.id}, and ${cutName} ${cut}`,
      );
    }
    demand(
      all.length === 0 || noted[lastName] === rest.at(-1)?.id,
      `the last entry of ${stream} is not ${noted[lastName]}`,
    );
    return rest;
  }

  /** The last entry when old ones were last looked for. Of `moves` none, where there was none yet: then nothing is held back. */
  #read(stream: "changes" | "moves"): string | undefined {
    const [, , , change, moved] = (this.#before.noted.trimmed ?? "").split(" ");
    return stream === "changes" ? change : moved;
  }

  #rejected(): readonly KeptEntry[] {
    const { now, keep, added, left } = this.#call;
    const all = [...this.#before.streams.rejected, ...added.rejected];
    const removed = all.length - left.rejected;
    const old = leading(all, ({ id }) => msOf(id) < now - keep.rejected);
    const beyond = added.rejected.length > 0 ? Math.max(0, all.length - REJECTED_KEPT) : 0;
    const byAge = this.#ages.may ? old : 0;
    const detail = `${removed} of ${all.length} rejected entries are gone`;
    demand(removed <= Math.max(byAge, beyond), `${detail}, ${byAge} by age and ${beyond} by number at most`);
    demand(!this.#ages.must || removed >= old, `${detail}, and ${old} are too old`);
    demand(removed > beyond - NODE_ENTRIES, `${detail}, and ${beyond} are too many`);
    this.#bound(all.slice(0, removed), false, detail);
    if (removed > 0 && byAge > 0) this.#met.add("rejected gone by age");
    if (removed > byAge) this.#met.add("rejected gone by XADD");
    return all.slice(removed);
  }

  /** What one call removes of a stream: about so many entries and bytes, by age and by number each. */
  #bound(removed: readonly KeptEntry[], isTwice: boolean, detail: string): void {
    this.#removed += removed.length;
    const times = isTwice ? 2 : 1;
    const bytes = removed.reduce((sum, entry) => sum + entry.bytes, 0);
    const largest = removed.reduce((most, entry) => Math.max(most, entry.bytes), 0);
    demand(
      removed.length <= times * (TRIM_MAX + 3 * NODE_ENTRIES),
      `${detail}, which is too many for one call`,
    );
    // By the size of the first nodes, so half as much again where these are small.
    demand(
      bytes <= times * (1.5 * TRIM_BYTES + 3 * NODE_ENTRIES * largest),
      `${detail}, ${bytes} bytes in one call`,
    );
  }

  #compareNote({ changes, moves }: Retained["streams"]): void {
    const { now, keep, noted } = this.#call;
    const lasts = [changes.at(-1)?.id ?? "0-0", ...moves.slice(-1).map(({ id }) => id)];
    const expected = [now, keep.changes, keep.rejected, ...lasts].join(" ");
    demand(noted.trimmed === expected, `trimmed is ${noted.trimmed}, not ${expected}`);
  }

  /** When `due` has to say that something is to be forgotten, once no process is left. */
  #promise({ changes, moves, rejected }: Retained["streams"]): number | undefined {
    const { now, due, keep, more, tomb, isDrained } = this.#call;
    if (due === undefined) return undefined;
    if (isDrained && !more && this.#looks()) {
      const times = tomb === undefined ? [] : [tomb];
      for (const entries of [changes, moves]) {
        const [first] = entries;
        if (first === undefined) continue;
        if (entries.length > 1 || !first.isBlank) times.push(msOf(first.id) + keep.changes);
        if (keep.most < CHANGES_KEPT && entries.length >= keep.most + NODE_ENTRIES) {
          const ready = msOf(entries.at(-1)!.id) + FORGET_MS + 1;
          if (ready > now) times.push(ready);
        }
      }
      for (const { id } of rejected.slice(0, 1)) times.push(msOf(id) + keep.rejected);
      if (times.length > 0) {
        // Not sooner than the next level check.
        const latest = Math.max(Math.min(...times), now + CHECK_IDLE_MS);
        demand(due !== null && due <= latest, `due is ${due}, and something is to be forgotten at ${latest}`);
      }
    }
    return due ?? undefined;
  }
}
