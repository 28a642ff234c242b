/**
 * The latest changes, read once for all followers: those who poll /v1/changes and those who stream it.
 *
 * There is no background reader. Each follower asks for what is new, and the first one in each second reads Redis
 * (coalescer.ts). So nothing has to be started, handed over or stopped, and it costs nothing without followers.
 * A follower whose cursor is older than what is kept here reads Redis itself until it has caught up.
 */
import type { Change } from "../core/change.ts";
import { decodeChangesCursor, encodeChangesCursor, markOf } from "../core/cursor.ts";
import { shardOf } from "../core/shard.ts";
import { isBefore } from "../core/stream-id.ts";
import type { ChangesAnswer, Reader } from "../reader/reader.ts";
import { pause } from "../time/pause.ts";
import { type Coalescer, wokenOr } from "./coalescer.ts";
import { Followers } from "./followers.ts";
import { Batch } from "./frames.ts";
import { keyOf, type Question } from "./key.ts";
import { readerIn, type Where } from "./where.ts";

/** Asks the reader, within the timeout of a request. */
export type Ask = <T>(question: (reader: Reader) => Promise<T>) => Promise<T>;

/** Changes kept, approximately. */
const KEPT_MAX = 10_000;
/** Changes of one answer, approximately: batches are not split. */
const ANSWER_MAX = 1_000;
/** Answers kept for one window: most followers have the cursor of the last one, or of the one before. */
const ANSWERS_MAX = 64;
/** About the bytes of one change in memory, without the user's id. */
const CHANGE_BYTES = 200;
/** After this long without a caller, ms, what is kept is dropped: catching up from there could take many reads. */
export const FEED_IDLE_MS = 10_000;
/** Consecutive reads before the waiting followers get what was read. */
const READS_MAX = 4;

/** Characters kept, approximately. */
const KEPT_CHARACTERS_MAX = 4_000_000;
/** Waiting followers are woken over this time, ms a follower: their writes would otherwise hold the process together. */
const SPREAD_MS = 0.2;
const SPREAD_MS_MAX = 250;

/** Replaced after each read, never changed, so that a slow follower sees a consistent state. */
interface Window {
  readonly batches: readonly Batch[];
  /** The cursor after the last batch. */
  readonly end: string;
  /** Redis has more already. */
  readonly more: boolean;
  /** Answers given from here, by cursor: callers with the same cursor get the same object, and so the same bytes. */
  readonly answers: Map<string, ChangesAnswer>;
  /** Rises when a window does not continue the one before: after a gap or a time without callers. */
  readonly epoch: number;
}

/** What is new for a subscriber. */
export interface News {
  /** What was read since its cursor; its group says which of it concerns it. */
  readonly batches: readonly Batch[];
  readonly next: string;
  readonly gap: boolean;
  readonly more: boolean;
  /** Of the window at the time of this answer, also for a subscriber that still catches up. */
  readonly epoch: number;
}

/** Which feed it is, if it is not the only one. */
export interface FeedParts {
  readonly where: Where;
  /** No other feed of its Coalescer has this number: what one has read is not there in another. */
  readonly n: number;
  /** By how many it has to divide what it keeps. */
  readonly share: () => number;
}

const ALONE: FeedParts = { where: undefined, n: 0, share: () => 1 };

/** All followers must share one Coalescer. */
export class Feed {
  readonly #shards: number;
  readonly #parts: FeedParts;
  readonly #mark: string;
  readonly #coalescer: Coalescer;
  readonly #now: () => number;
  #window: Window | undefined;
  #readAt = -Infinity;
  readonly #waiting = new Set<() => void>();
  /** Who follows which users. */
  readonly followers: Followers;
  #batches = 0;
  #noted = -1;
  #epoch = 0;
  /** The batch of an answer that several subscribers got when they caught up from the same cursor. */
  readonly #caughtUp = new WeakMap<ChangesAnswer, Batch>();

  constructor(
    shards: number,
    coalescer: Coalescer,
    now: () => number = () => performance.now(),
    parts: FeedParts = ALONE,
  ) {
    this.#shards = shards;
    this.#coalescer = coalescer;
    this.#now = now;
    this.#parts = parts;
    this.#mark = markOf(parts.where);
    this.followers = new Followers(parts.share);
  }

  /** The changes after `cursor`; undefined: from now on. Rejects with CURSOR_INVALID, and as the reader does. */
  async since(cursor: string | undefined, ask: Ask): Promise<ChangesAnswer> {
    // Refused before Redis is read.
    const ids = cursor === undefined ? undefined : this.#decode(cursor);
    const window = await this.#latest(ask);
    const known = window.answers.get(cursor ?? "");
    if (known !== undefined) return known;
    const made = this.#answerTo(window, cursor, ids);
    if (made !== undefined) {
      if (window.answers.size < ANSWERS_MAX) window.answers.set(cursor ?? "", made);
      return made;
    }
    return this.#behind(cursor, ask);
  }

  /** The changes after a cursor that the window does not reach back to. */
  async #behind(cursor: string | undefined, ask: Ask): Promise<ChangesAnswer> {
    const { where } = this.#parts;
    return this.#coalescer.get(await keyOf(["changes", cursor, where]), () => this.#read(cursor, ask));
  }

  #read(after: string | undefined, ask: Ask): Promise<ChangesAnswer> {
    return ask((reader) => readerIn(reader, this.#parts.where).changes({ after, limit: ANSWER_MAX }));
  }

  #decode(cursor: string): string[] {
    return decodeChangesCursor(cursor, this.#shards, this.#mark);
  }

  /** The answer from a window; undefined: it does not reach back to this cursor. */
  #answerTo(window: Window, cursor: string | undefined, ids: readonly string[] | undefined) {
    if (ids === undefined) return { changes: [], next: window.end, gap: false, more: false };
    const first = window.batches.findLastIndex(({ after }) => after === cursor);
    if (cursor === window.end || first !== -1) return this.#answer(window, first, ids);
    return this.#isKept(window, ids) ? this.#answer(window, 0, ids) : undefined;
  }

  /**
   * Like since(), as batches that all subscribers share. `slow` is the `epoch` of the answer before, for a subscriber that took
   * it slowly, wherever it came from: if it has fallen behind this window it gets a gap instead of reading Redis on its own.
   */
  async news(cursor: string | undefined, ask: Ask, slow: number | undefined): Promise<News> {
    const ids = cursor === undefined ? undefined : this.#decode(cursor);
    const window = await this.#latest(ask);
    const { batches, end, more, epoch } = window;
    if (cursor === undefined || ids === undefined)
      return { batches: [], next: end, gap: false, more: false, epoch };
    if (cursor === end) return { batches: [], next: end, gap: false, more, epoch };
    const first = batches.findLastIndex(({ after }) => after === cursor);
    if (first !== -1) {
      let last = first + 1;
      for (let count = batches[first]!.changes.length; last < batches.length; last++) {
        count += batches[last]!.changes.length;
        if (count > ANSWER_MAX) break;
      }
      const next = batches[last]?.after ?? end;
      return {
        batches: batches.slice(first, last),
        next,
        gap: false,
        more: more || last < batches.length,
        epoch,
      };
    }
    const isKept = this.#isKept(window, ids);
    if (!isKept && slow === epoch) return { batches: [], next: end, gap: true, more: false, epoch };
    const answer = isKept ? this.#answer(window, 0, ids) : await this.#behind(cursor, ask);
    const { changes, next, gap } = answer;
    let batch = this.#caughtUp.get(answer);
    if (batch === undefined) {
      batch = new Batch(-1, cursor, next, changes, this.#shards, this.#mark);
      this.#caughtUp.set(answer, batch);
    }
    return { batches: gap ? [] : [batch], next, gap, more: answer.more, epoch };
  }

  /** Resolves when any follower has read something new, after `ms`, or when the signal fires. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const spread = Math.min(SPREAD_MS_MAX, this.#waiting.size * SPREAD_MS);
    await wokenOr(this.#waiting, ms, signal);
    if (spread >= 1) await pause(Math.random() * spread, signal);
  }

  async #latest(ask: Ask): Promise<Window> {
    // When Redis is known to have more, read it now instead of in a second.
    const end = this.#window?.more === true ? this.#window.end : undefined;
    const question: Question = ["feed", this.#parts.n, end];
    // What is shared is only that it was read: the coalescer would otherwise keep old windows.
    await this.#coalescer.get(await keyOf(question), () => this.#advance(ask));
    return this.#window!;
  }

  /**
   * Whether each of these positions is the end of a batch or an entry in one. Lying between two ids is not enough: the entry
   * itself must be here, or the cursor may be from before a flush.
   */
  #isKept({ batches, end }: Window, ids: readonly string[]): boolean {
    const unknown = new Set(ids.keys());
    const meet = (id: string, shard: number) => id === ids[shard] && unknown.delete(shard);
    for (const cursor of [batches[0]?.after ?? end, end])
      for (const [shard, id] of this.#decode(cursor).entries()) meet(id, shard);
    for (const { changes } of batches)
      for (const { user, id } of changes) meet(id, shardOf(user, this.#shards));
    return unknown.size === 0;
  }

  /** Leaves a window, unless it rejects. */
  async #advance(ask: Ask): Promise<void> {
    const known = this.#window;
    const before = this.#now() - this.#readAt > FEED_IDLE_MS ? undefined : known;
    const window =
      before === undefined
        ? windowOf([], (await this.#read(undefined, ask)).next, false, ++this.#epoch)
        : await this.#readOn(before, ask);
    // This read was abandoned as too slow and another one finished first: keep the newer window.
    if (this.#window !== undefined && this.#window !== known) return;
    this.#readAt = this.#now();
    this.#window = window;
    for (const batch of window.batches) if (batch.n > this.#noted) this.followers.note(batch);
    this.#noted = window.batches.at(-1)?.n ?? this.#noted;
    if (window.end !== before?.end) for (const wake of this.#waiting) wake();
  }

  async #readOn(window: Window, ask: Ask): Promise<Window> {
    const batches = [...window.batches];
    const known = batches.length;
    let { end } = window;
    for (let reads = 1; ; reads++) {
      const after = end;
      const { changes, next, gap, more } = await this.#read(after, ask);
      // A follower from before the gap finds no batch here and learns of the gap from Redis.
      if (gap) return windowOf([], next, false, ++this.#epoch);
      if (next !== end)
        batches.push(new Batch(this.#batches++, after, next, changes, this.#shards, this.#mark));
      end = next;
      if (!more || reads === READS_MAX)
        return windowOf(this.#bounded(batches, batches.length - known), end, more, window.epoch);
    }
  }

  /** The changes after `ids`, from the batch `first` on (-1: none). */
  #answer({ batches, end, more }: Window, first: number, ids: readonly string[]): ChangesAnswer {
    const changes: Change[] = [];
    let next = first === -1 ? batches.length : first;
    for (; next < batches.length && changes.length < ANSWER_MAX; next++) {
      for (const change of batches[next]!.changes) {
        if (isBefore(ids[shardOf(change.user, this.#shards)]!, change.id)) changes.push(change);
      }
    }
    const reached = this.#decode(batches[next]?.after ?? end);
    // In some shards the cursor may be ahead of the end of the batch.
    const furthest = reached.map((id, shard) => (isBefore(id, ids[shard]!) ? ids[shard]! : id));
    return {
      changes,
      next: encodeChangesCursor(furthest, this.#mark),
      gap: false,
      more: more || next < batches.length,
    };
  }

  /**
   * The latest batches, together about KEPT_MAX changes and KEPT_CHARACTERS_MAX, or this feed's share of that; in any case the `fresh`
   * newest. A batch counts as a change itself: most of those of a room are empty where other rooms are busy.
   */
  #bounded(batches: readonly Batch[], fresh: number): readonly Batch[] {
    const share = this.#parts.share();
    let kept = 0;
    let weight = 0;
    const first = batches.findLastIndex(
      (batch) =>
        (kept += 1 + batch.changes.length) > KEPT_MAX / share ||
        (weight += batch.weight) > KEPT_CHARACTERS_MAX / share,
    );
    return batches.slice(Math.min(first + 1, batches.length - fresh));
  }
}

function windowOf(batches: readonly Batch[], end: string, more: boolean, epoch: number): Window {
  return { batches, end, more, epoch, answers: new Map() };
}

/** About the bytes of an answer's changes in memory. */
export function weightOfChanges({ changes }: ChangesAnswer): number {
  return changes.reduce((bytes, { user }) => bytes + CHANGE_BYTES + 2 * user.length, 0);
}
