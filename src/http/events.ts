/**
 * The events of the two streams, as bytes. Each stream is a loop over shared reads (feed.ts, coalescer.ts).
 *
 * When Redis does not answer, a stream says so once (`stale`), sends signs of life, and retries until its life is over. When Redis
 * answers again it says `fresh` and goes on where it was.
 */
import { PresenceError } from "../core/errors.ts";
import { pause } from "../time/pause.ts";
import { Problem } from "./problem.ts";
import type { Counts, ScopeCounts } from "../reader/reader.ts";
import type { News } from "./feed.ts";
import type { Group } from "./followers.ts";
import { frame } from "./frames.ts";
import type { Pace } from "./pace.ts";
import { type Freshness, Voice } from "./staleness.ts";

/** Fires when the stream is over; the loop ends its current wait and stops. */
type Ended = AbortSignal;
type Bytes = AsyncGenerator<Uint8Array, void>;

/** A read that took longer than this, ms, makes a stream stale even if it succeeds later. */
const LATE_MS = 2_000;
/** How long a stream waits for its first answer before it opens, ms: until then it can be refused. */
const OPENING_MS = 1_000;

/** What came of a read. */
export type Outcome<T> = { readonly answer: T } | { readonly away: unknown };

/** Never rejects because Redis is away; rejects for any other error, which ends the stream or refuses it. */
export function outcomeOf<T>(answer: Promise<T>): Promise<Outcome<T>> {
  const outcome = settle(answer);
  // Nobody awaits it when its stream ends at this moment.
  outcome.catch(() => {});
  return outcome;
}

async function settle<T>(answer: Promise<T>): Promise<Outcome<T>> {
  try {
    return { answer: await answer };
  } catch (error) {
    const isOurs = error instanceof PresenceError || error instanceof Problem;
    if (!isOurs || error.code !== "REDIS_UNAVAILABLE") throw error;
    return { away: error instanceof Problem ? error.members["last"] : undefined };
  }
}

/**
 * Waits a moment for the first answer, so that a request that cannot be answered is refused before its stream opens. A stream
 * opens without one when Redis is away: for a browser's EventSource, a refusal is final.
 */
export async function opening<T>(first: Promise<Outcome<T>>): Promise<void> {
  await settledOr(first, OPENING_MS, new AbortController().signal);
}

export interface ChangesParts {
  /** Asks the feed for what comes after a cursor. */
  readonly read: (cursor: string | undefined, slow: number | undefined) => Promise<News>;
  /** Resolves when there may be news. */
  readonly wait: (ms: number, signal: Ended) => Promise<void>;
  /** The first answer. */
  readonly first: Promise<Outcome<News>>;
  /** Where the client is; undefined: it begins with the first answer. */
  readonly after: string | undefined;
  readonly group: Group;
  readonly freshness: Freshness;
  readonly pace: Pace;
}

/**
 * `changes` → {changes, next}; `gap` → {next}: some changes are no longer available, take a snapshot; `stale` and `fresh`.
 */
export async function* changesEvents(parts: ChangesParts, ended: Ended): Bytes {
  const { read, wait, first, group, freshness, pace } = parts;
  const voice = new Voice(freshness, pace.heartbeat);
  let cursor = parts.after;
  /** The last id that was sent. The client may not have one yet, so its position is sent at once. */
  let shown: string | undefined;
  let slow: number | undefined;
  for (let reading = first; !ended.aborted; reading = outcomeOf(read(cursor, slow))) {
    const outcome = yield* aliveUntil(reading, voice, ended);
    if (outcome === undefined) return;
    let more = false;
    if ("answer" in outcome) {
      freshness.answered();
      yield* maybe(voice.here());
      const { batches, next, gap, epoch } = outcome.answer;
      more = outcome.answer.more;
      cursor = next;
      const began = performance.now();
      if (gap) {
        yield frame({ event: "gap", id: next, data: { next } });
        shown = next;
      }
      for (const batch of batches)
        for (const bytes of group.frames(batch)) {
          yield bytes;
          shown = batch.next;
          voice.said();
        }
      slow = performance.now() - began > pace.slow ? epoch : undefined;
      if (shown === undefined || (voice.isQuiet && shown !== next)) {
        yield frame({ id: next });
        shown = next;
        voice.said();
      }
    } else yield* maybe(voice.away());
    yield* aliveIfQuiet(voice);
    if (more) continue;
    if (pace.isSpent()) return;
    await wait(pace.every, ended);
  }
}

/** Those of the whole have connections. */
export type AnyCounts = ScopeCounts & { readonly connections?: Counts["connections"] };

/**
 * `counts` → the answer of GET /v1/counts, now and whenever a number has changed; `stale` and `fresh`. `show`: what a holder who may see
 * some users only gets instead (own.ts).
 */
export async function* countsEvents(
  read: () => Promise<AnyCounts>,
  first: Promise<Outcome<AnyCounts>>,
  freshness: Freshness,
  pace: Pace,
  ended: Ended,
  show?: (counts: AnyCounts) => Promise<AnyCounts>,
): Bytes {
  const voice = new Voice(freshness, pace.heartbeat, { isBlind: show !== undefined });
  let shown: string | undefined;
  const news = async (counts: AnyCounts): Promise<Uint8Array | undefined> => {
    const { users, sockets, connections, asOf } = counts;
    const numbers = `${users} ${sockets} ${connections} ${asOf.stale}`;
    if (numbers === shown) return undefined;
    shown = numbers;
    voice.said();
    const data = show === undefined ? counts : await show(counts);
    return frame({ event: "counts", id: data.asOf.cursor, data });
  };
  for (let reading = first; !ended.aborted; reading = outcomeOf(read())) {
    const outcome = yield* aliveUntil(reading, voice, ended);
    if (outcome === undefined) return;
    if ("answer" in outcome) {
      freshness.answered(outcome.answer.asOf);
      yield* maybe(await news(outcome.answer));
      yield* maybe(voice.here());
    } else {
      // For a stream that opens now: the previous answer, marked stale.
      if (shown === undefined && isCounts(outcome.away)) yield* maybe(await news(outcome.away));
      yield* maybe(voice.away());
    }
    yield* aliveIfQuiet(voice);
    if (pace.isSpent()) return;
    await pause(pace.every, ended);
  }
}

/** The outcome of a read, with signs of life while it takes long; undefined when the stream is over. */
export async function* aliveUntil<T>(
  reading: Promise<Outcome<T>>,
  voice: Voice,
  ended: Ended,
): AsyncGenerator<Uint8Array, Outcome<T> | undefined> {
  const began = performance.now();
  while (!ended.aborted) {
    const settled = await settledOr(reading, LATE_MS, ended);
    if (settled) return settled.value;
    if (performance.now() - began >= LATE_MS) yield* maybe(voice.away());
    yield* aliveIfQuiet(voice);
  }
  return undefined;
}

function* maybe(bytes: Uint8Array | undefined): Generator<Uint8Array, void> {
  if (bytes !== undefined) yield bytes;
}

function* aliveIfQuiet(voice: Voice): Generator<Uint8Array, void> {
  if (!voice.isQuiet) return;
  yield frame({});
  voice.said();
}

/** The value of a promise; undefined after `ms`, or when the signal fires. Rejects as the promise does. Leaves no timer. */
function settledOr<T>(
  promise: Promise<T>,
  ms: number,
  signal: AbortSignal,
): Promise<{ readonly value: T } | undefined> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(late);
      signal.removeEventListener("abort", end);
    };
    const end = () => {
      stop();
      resolve(undefined);
    };
    const late = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    promise.then(
      (value) => {
        stop();
        resolve({ value });
      },
      (error: unknown) => {
        stop();
        reject(error);
      },
    );
    if (signal.aborted) end();
  });
}

function isCounts(value: unknown): value is AnyCounts {
  return typeof value === "object" && value !== null && "users" in value && "asOf" in value;
}
