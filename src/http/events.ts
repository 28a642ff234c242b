/**
 * The events of the two streams. Each is a loop of its own over what is read once for all (feed.ts, coalescer.ts): it
 * begins with one answer, so that a request that cannot be answered is refused before its stream opens.
 *
 * When Redis does not answer, a stream goes on trying until its life is over, and says so to nobody: the client's view
 * is as old as it was.
 */
import { PresenceError } from "../core/errors.ts";
import { pause } from "../time/pause.ts";
import { Problem } from "./problem.ts";
import type { ChangesAnswer, Counts } from "../reader/reader.ts";
import type { Ask, Feed } from "./feed.ts";
import type { Pace } from "./pace.ts";
import type { Event } from "./streams.ts";

/** Fires when nobody takes events any more: a loop then ends with the wait it is in. */
type Ended = AbortSignal;

/**
 * `changes` → {changes, next}, of these users or, if there are none, of all; `gap` → {next}: some are lost, take a
 * snapshot. A first answer is passed in.
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
  // The client may know no id yet: it is told where it stands at once.
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

/** `counts` → what GET /v1/counts answers, now and whenever a number has changed. */
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

/** undefined while Redis does not answer; whatever else is wrong ends the stream. */
async function orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const isOurs = error instanceof PresenceError || error instanceof Problem;
    if (isOurs && error.code === "REDIS_UNAVAILABLE") return undefined;
    throw error;
  }
}
