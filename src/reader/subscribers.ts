/** The durable subscribers, from their names and where each stands. */
import { subscriberKeysOf } from "../core/keys.ts";
import { SUBSCRIBER_STALE_MS, SUBSCRIBER_TURN_MS } from "../core/limits.ts";
import { msOf, STREAM_START } from "../core/stream-id.ts";
import { entriesOf, fieldsOf, integer, scored, timeOrNull } from "../redis/decode.ts";
import type { SubscriberStatus } from "./answers/subscribers.ts";
import type { ReaderContext } from "./context.ts";
import type { Reader } from "./types.ts";

const FIELDS = [
  "entry", "turn", "attempt", "after", "disabled", "phase", "handled", "failed", "gaps", "queued", "of",
] as const; // prettier-ignore
const ASKED = "HMGET of a subscriber";

/** Reads the names in each shard, then their states. */
export function subscribersOver(context: ReaderContext): Pick<Reader, "subscribers"> {
  const { keys, askAll, askPlain, combine } = context;

  async function partOf(shard: number, name: string, served: number, now: number): Promise<SubscriberStatus> {
    const own = subscriberKeysOf(keys[shard]!, name);
    const [fields, dead] = await askPlain([
      ["HMGET", own.state, ...FIELDS],
      ["XLEN", own.dead],
    ]);
    const [entry, turn, attempt, after, disabled, phase, handled, failed, gaps, queued, of] = fieldsOf(
      fields,
      ASKED,
      FIELDS.length,
    );
    const number = (text: string | null | undefined) => integer(text ?? "0", ASKED);
    const stream = of === "scopes" ? keys[shard]!.moves : keys[shard]!.changes;
    const waits = queued === "1" ? await oldestOf(own.inbox, "-", 0) : null;
    // The one at the place is handled.
    const next = waits ?? (await oldestOf(stream, entry ?? "-", entry === STREAM_START ? 0 : 1));
    const tried = number(attempt);
    return {
      name,
      stale: now - served > number(turn ?? String(SUBSCRIBER_TURN_MS)) + SUBSCRIBER_STALE_MS,
      servedAt: new Date(timeOrNull(served, "the names of subscribers") ?? 0),
      behind: next === null ? 0 : Math.max(0, now - next),
      attempt: tried,
      retryAt: tried > 0 ? new Date(number(after)) : null,
      disabled: disabled === null || disabled === undefined || disabled === "" ? null : disabled,
      comparing: (phase ?? "") !== "",
      deadLetters: integer(dead, "XLEN of dead letters"),
      handled: number(handled),
      failed: number(failed),
      gaps: number(gaps),
    };
  }

  /** The time of an entry, from an id on; null: there is none. */
  async function oldestOf(stream: string, from: string, skip: number): Promise<number | null> {
    const start = from === STREAM_START ? "-" : from;
    const [reply] = await askPlain([["XRANGE", stream, start, "+", "COUNT", String(skip + 1)]]);
    const found = entriesOf(reply, "XRANGE of what a subscriber waits for");
    const next = found[0]?.id === from ? found[skip] : found[0];
    return next === undefined ? null : msOf(next.id);
  }

  return {
    async subscribers() {
      const answers = await askAll((own) => [["ZRANGE", own.subscribers, "0", "-1", "WITHSCORES"]]);
      const found = new Map<string, SubscriberStatus>();
      for (const [shard, { replies, asOf }] of answers.entries()) {
        for (const [name, served] of scored(replies[0], "ZRANGE of subscribers")) {
          const part = await partOf(shard, name, served, asOf.now);
          const known = found.get(name);
          found.set(name, known === undefined ? part : merged(known, part));
        }
      }
      return {
        subscribers: [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
        asOf: combine(answers.map(({ asOf }) => asOf)),
      };
    },
  };
}

/** Of several shards the worst. */
function merged(one: SubscriberStatus, other: SubscriberStatus): SubscriberStatus {
  const failing = one.attempt >= other.attempt ? one : other;
  return {
    name: one.name,
    stale: one.stale || other.stale,
    servedAt: one.servedAt < other.servedAt ? one.servedAt : other.servedAt,
    behind: Math.max(one.behind, other.behind),
    attempt: failing.attempt,
    retryAt: failing.retryAt,
    disabled: one.disabled ?? other.disabled,
    comparing: one.comparing || other.comparing,
    deadLetters: one.deadLetters + other.deadLetters,
    handled: one.handled + other.handled,
    failed: one.failed + other.failed,
    gaps: one.gaps + other.gaps,
  };
}
