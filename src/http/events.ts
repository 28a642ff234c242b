/**
 * The events of the two streams. Each stream is a loop over shared reads (feed.ts, coalescer.ts). It starts with one answer,
 * so that a request that cannot be answered is refused before its stream opens.
 *
 * When Redis does not answer, a stream retries until its life is over and sends nothing: the client keeps its last view.
 */
import { PresenceError } from "../core/errors.ts";
import { pause } from "../time/pause.ts";
import { Problem } from "./problem.ts";
import type { ChangesAnswer, Counts } from "../reader/reader.ts";
import type { Ask, Feed } from "./feed.ts";
import type { Pace } from "./pace.ts";
import type { Event } from "./streams.ts";

/** Fires when the client is gone; the loop ends its current wait and stops. */
type Ended = AbortSignal;

/**
 * `changes` → {changes, next}, for these users, or for all if none are given; `gap` → {next}: some changes are no longer
 * available, take a snapshot. The first answer is passed in.
 */
export async function* changesEvents(
  feed: Feed,
  ask: Ask,
  first: ChangesAnswer,
  users: readonly string[],
  { every, heartbeat, isSpent }: Pace,
  ended: Ended,
): AsyncGenerator<Event, void> {
  const followed = new Set(users);
  let told = performance.now();
  let answer: ChangesAnswer | undefined = first;
  let cursor = first.next;
  // The client may not have an id yet, so send its position at once.
  let moved = true;
  while (!ended.aborted) {
    if (answer !== undefined) {
      const { changes, gap, next } = answer;
      const mine = followed.size === 0 ? changes : changes.filter(({ user }) => followed.has(user));
      moved ||= next !== cursor;
      cursor = next;
      if (gap) yield { event: "gap", id: cursor, data: { next } };
      else if (mine.length > 0) yield { event: "changes", id: cursor, data: { changes: mine, next } };
      if (gap || mine.length > 0) {
        told = performance.now();
        moved = false;
      }
    }
    const isQuiet = performance.now() - told >= heartbeat;
    if (isQuiet || (moved && answer === first)) {
      yield moved ? { id: cursor } : {};
      told = performance.now();
      moved = false;
    }
    if (answer?.more !== true) {
      if (isSpent()) return;
      await feed.wait(every, ended);
    }
    answer = await orNothing(feed.since(cursor, ask));
  }
}

/** `counts` → the answer of GET /v1/counts, now and whenever a number has changed. */
export async function* countsEvents(
  askCounts: () => Promise<Counts>,
  first: Counts,
  { every, heartbeat, isSpent }: Pace,
  ended: Ended,
): AsyncGenerator<Event, void> {
  let told = -Infinity;
  let shown: string | undefined;
  for (let counts: Counts | undefined = first; !ended.aborted; counts = await orNothing(askCounts())) {
    if (counts !== undefined) {
      const { users, sockets, connections, asOf } = counts;
      const numbers = `${users} ${sockets} ${connections} ${asOf.stale}`;
      if (numbers !== shown) {
        yield { event: "counts", id: asOf.cursor, data: counts };
        told = performance.now();
        shown = numbers;
      }
    }
    if (performance.now() - told >= heartbeat) {
      yield {};
      told = performance.now();
    }
    if (isSpent()) return;
    await pause(every, ended);
  }
}

/** undefined while Redis does not answer; any other error ends the stream. */
async function orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const isOurs = error instanceof PresenceError || error instanceof Problem;
    if (isOurs && error.code === "REDIS_UNAVAILABLE") return undefined;
    throw error;
  }
}
