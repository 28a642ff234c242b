/**
 * The latest changes, read once for all followers: those who poll /v1/changes and those who stream it.
 *
 * There is no background reader. Each follower asks for what is new, and the first one in each second reads Redis
 * (coalescer.ts). So nothing has to be started, handed over or stopped, and it costs nothing without followers.
 * A follower whose cursor is older than what is kept here reads Redis itself until it has caught up.
 */
import type { Change } from "../core/change.ts";
import { decodeChangesCursor, encodeChangesCursor } from "../core/cursor.ts";
import { shardOf } from "../core/shard.ts";
import { isBefore } from "../core/stream-id.ts";
import type { ChangesAnswer, Reader } from "../reader/reader.ts";
import { type Coalescer, wokenOr } from "./coalescer.ts";
import { keyOf } from "./key.ts";

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
const IDLE_MS = 10_000;
/** Consecutive reads before the waiting followers get what was read. */
const READS_MAX = 4;

/** What one read brought: everything after the cursor `after`, up to the `after` of the next. */
interface Batch {
  readonly after: string;
  readonly changes: readonly Change[];
}

/** Replaced after each read, never changed, so that a slow follower sees a consistent state. */
interface Window {
  readonly batches: readonly Batch[];
  /** The cursor after the last batch. */
  readonly end: string;
  /** Redis has more already. */
  readonly more: boolean;
  /** Answers given from here, by cursor: callers with the same cursor get the same object, and so the same bytes. */
  readonly answers: Map<string, ChangesAnswer>;
}

/** All followers must share one Coalescer. */
export class Feed {
  readonly #shards: number;
  readonly #coalescer: Coalescer;
  readonly #now: () => number;
  #window: Window | undefined;
  #readAt = -Infinity;
  readonly #waiting = new Set<() => void>();

  constructor(shards: number, coalescer: Coalescer, now: () => number = () => performance.now()) {
    this.#shards = shards;
    this.#coalescer = coalescer;
    this.#now = now;
  }

  /** The changes after `cursor`; undefined: from now on. Rejects with CURSOR_INVALID, and as the reader does. */
  async since(cursor: string | undefined, ask: Ask): Promise<ChangesAnswer> {
    // Refused before Redis is read.
    const ids = cursor === undefined ? undefined : decodeChangesCursor(cursor, this.#shards);
    const window = await this.#latest(ask);
    const known = window.answers.get(cursor ?? "");
    if (known !== undefined) return known;
    const made = this.#answerTo(window, cursor, ids);
    if (made !== undefined) {
      if (window.answers.size < ANSWERS_MAX) window.answers.set(cursor ?? "", made);
      return made;
    }
    return this.#coalescer.get(await keyOf(["changes", cursor]), () =>
      ask((reader) => reader.changes({ after: cursor, limit: ANSWER_MAX })),
    );
  }

  /** The answer from a window; undefined: it does not reach back to this cursor. */
  #answerTo(window: Window, cursor: string | undefined, ids: readonly string[] | undefined) {
    if (ids === undefined) return { changes: [], next: window.end, gap: false, more: false };
    const first = window.batches.findLastIndex(({ after }) => after === cursor);
    if (cursor === window.end || first !== -1) return this.#answer(window, first, ids);
    return this.#isKept(window, ids) ? this.#answer(window, 0, ids) : undefined;
  }

  /** Resolves when any follower has read something new, after `ms`, or when the signal fires. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    return wokenOr(this.#waiting, ms, signal);
  }

  async #latest(ask: Ask): Promise<Window> {
    // When Redis is known to have more, read it now instead of in a second.
    const question =
      this.#window?.more === true ? (["feed", this.#window.end] as const) : (["feed"] as const);
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
      for (const [shard, id] of decodeChangesCursor(cursor, this.#shards).entries()) meet(id, shard);
    for (const { changes } of batches)
      for (const { user, id } of changes) meet(id, shardOf(user, this.#shards));
    return unknown.size === 0;
  }

  /** Leaves a window, unless it rejects. */
  async #advance(ask: Ask): Promise<void> {
    const known = this.#window;
    const before = this.#now() - this.#readAt > IDLE_MS ? undefined : known;
    const window =
      before === undefined
        ? windowOf([], (await ask((reader) => reader.changes())).next, false)
        : await this.#readOn(before, ask);
    // This read was abandoned as too slow and another one finished first: keep the newer window.
    if (this.#window !== undefined && this.#window !== known) return;
    this.#readAt = this.#now();
    this.#window = window;
    if (window.end !== before?.end) for (const wake of this.#waiting) wake();
  }

  async #readOn(window: Window, ask: Ask): Promise<Window> {
    const batches = [...window.batches];
    let { end } = window;
    for (let reads = 1; ; reads++) {
      const after = end;
      const { changes, next, gap, more } = await ask((reader) =>
        reader.changes({ after, limit: ANSWER_MAX }),
      );
      // A follower from before the gap finds no batch here and learns of the gap from Redis.
      if (gap) return windowOf([], next, false);
      if (next !== end) batches.push({ after, changes });
      end = next;
      if (!more || reads === READS_MAX) return windowOf(bounded(batches), end, more);
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
    const reached = decodeChangesCursor(batches[next]?.after ?? end, this.#shards);
    // In some shards the cursor may be ahead of the end of the batch.
    const furthest = reached.map((id, shard) => (isBefore(id, ids[shard]!) ? ids[shard]! : id));
    return { changes, next: encodeChangesCursor(furthest), gap: false, more: more || next < batches.length };
  }
}

function windowOf(batches: readonly Batch[], end: string, more: boolean): Window {
  return { batches, end, more, answers: new Map() };
}

/** About the bytes of an answer's changes in memory. */
export function weightOfChanges({ changes }: ChangesAnswer): number {
  return changes.reduce((bytes, { user }) => bytes + CHANGE_BYTES + 2 * user.length, 0);
}

/** The latest batches, together about KEPT_MAX changes. */
function bounded(batches: readonly Batch[]): readonly Batch[] {
  let kept = 0;
  const first = batches.findLastIndex(({ changes }) => (kept += changes.length) > KEPT_MAX);
  return batches.slice(first + 1);
}
