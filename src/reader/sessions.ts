/**
 * When one user was present. Changes are not kept by user, so it goes through all those of the user's shard: first back from `from` for what
 * was so then, then forward, and beyond `to` only until the user comes or goes. A page is some reads of it, and its cursor
 * says how far it has come and what is known there.
 */
import { type Change, REBUILT } from "../core/change.ts";
import { PresenceError } from "../core/errors.ts";
import { PAST_ENTRIES_FIRST, SESSION_READS_MAX } from "../core/limits.ts";
import { afterChange, openSession, type Session, type SessionState } from "../core/sessions.ts";
import { shardOf } from "../core/shard.ts";
import { isStreamId, msOf } from "../core/stream-id.ts";
import { checkPast } from "../core/time-range.ts";
import { checkUser } from "../core/user.ts";
import { entriesOf, fieldsOf } from "../redis/decode.ts";
import type { StreamEntry } from "../redis/entries.ts";
import type { ReaderContext } from "./context.ts";
import { resolveSessionsOptions } from "./options.ts";
import type { Reader } from "./types.ts";
import { withOthers } from "./users.ts";
import { countFor, walk } from "./walk.ts";

/** Where a page begins: on the way back, before an entry; or on the way forward, after one, with what is known there. */
type Place =
  | { readonly way: "back"; readonly id: string }
  | {
      readonly way: "forward";
      readonly id: string;
      readonly isProven: boolean;
      readonly state: SessionState;
    };

/** One XRANGE or XREVRANGE for each so many entries. */
export function sessionsOver(context: ReaderContext): Pick<Reader, "sessions"> {
  const { shards, keys, ask, askPlain, combine, view } = context;

  return {
    async sessions(user, options = {}) {
      const shard = shardOf(checkUser(user), shards);
      const { from: asked, to: until, cursor, limit } = resolveSessionsOptions(options);
      const begin = cursor === undefined ? undefined : decode(cursor);
      const own = keys[shard]!;
      const key = view.changes(own);
      const first = ["XRANGE", key, "-", "+", "COUNT", "1"] as const;
      const answer = await ask(shard, [first]);
      const asOf = combine(await withOthers(context, shard, answer.asOf));
      const { now } = answer.asOf;
      const [oldest] = entriesOf(answer.replies[0], "XRANGE of changes");
      // The first entry is kept, but one of the same millisecond before it may not be.
      const since = oldest === undefined ? now : msOf(oldest.id) + 1;
      const from = asked ?? Math.min(since, now);
      checkPast("from", from, now);
      const to = Math.min(until ?? now, now);

      const of = (entry: StreamEntry) => changeOf(user, view.decode(entry.id, entry.fields));
      const sessions: Session[] = [];
      let reads = 0;
      let exact = since <= from;
      const told = (next: Place | undefined) => ({
        user,
        sessions,
        from: new Date(from),
        to: new Date(Math.max(from, to)),
        exact: exact && sessions.every(({ start }) => start !== null),
        since: new Date(since),
        next: next === undefined ? null : encode(next),
        asOf,
      });

      let place: Place = begin ?? { way: "back", id: `${from}-0` };
      for (let count = PAST_ENTRIES_FIRST; place.way === "back";) {
        if (reads === SESSION_READS_MAX) return told(place);
        const [reply] = await askPlain([["XREVRANGE", key, `(${place.id}`, "-", "COUNT", String(count)]]);
        reads++;
        const entries = entriesOf(reply, "XREVRANGE of changes");
        const known = entries.find((entry) => of(entry) !== undefined || isRebuilt(entry));
        if (known === undefined && entries.length === count) {
          place = { way: "back", id: entries.at(-1)!.id };
          count = countFor(entries, count);
          continue;
        }
        const state: SessionState = known === undefined ? "unknown" : stateAfter("unknown", of(known));
        place = { way: "forward", id: `${from}-0`, isProven: false, state };
      }

      let { state } = place;
      let at: string | undefined = place.isProven ? place.id : undefined;
      const beside = [first, ["HMGET", view.users(own), user] as const];
      for await (const { entries, replies, isLast, isLost } of walk({
        read: askPlain,
        key,
        from: place.id,
        isProven: place.isProven,
        beside,
      })) {
        reads++;
        if (isLost) {
          // Trimmed since the page before, or lost: what is kept now begins with nothing known.
          exact = false;
          return told({ way: "forward", id: "0-0", isProven: false, state: "unknown" });
        }
        for (const entry of entries) {
          const isAfter = msOf(entry.id) > to;
          at = entry.id;
          const change = of(entry);
          if (isRebuilt(entry)) state = "absent";
          if (change === undefined) continue;
          const { state: next, ended } = afterChange(state, change);
          if (ended !== undefined) sessions.push(ended);
          if (isAfter) return told(undefined);
          state = next;
          if (sessions.length === limit) return told({ way: "forward", id: at, isProven: true, state });
        }
        if (isLast) {
          const isPresent = fieldsOf(replies[1], "HMGET of users", 1)[0] !== null;
          if (isPresent && state !== "absent") sessions.push(openSession(state));
          return told(undefined);
        }
        if (reads >= SESSION_READS_MAX && at !== undefined)
          return told({ way: "forward", id: at, isProven: true, state });
      }
      return told(undefined);
    },
  };
}

/** A user is in an entry once. */
function changeOf(user: string, changes: readonly Change[]): Change | undefined {
  return changes.find((change) => change.user === user);
}

function isRebuilt({ fields }: StreamEntry): boolean {
  return fields[0] === REBUILT;
}

/** Undefined: a rebuild, after which nobody is present. */
function stateAfter(state: SessionState, change: Change | undefined): SessionState {
  return change === undefined ? "absent" : afterChange(state, change).state;
}

const STATES = { absent: "a", unknown: "u" } as const;

function encode(place: Place): string {
  if (place.way === "back") return `hb${place.id}`;
  const state = typeof place.state === "number" ? `t${place.state}` : STATES[place.state];
  return `h${place.isProven ? "f" : "n"}${place.id}.${state}`;
}

/** Throws PresenceError CURSOR_INVALID. */
function decode(cursor: string): Place {
  const [, way, id = "", word, time] = /^h([bfn])(\d+-\d+)(?:\.(?:([au])|t(\d{1,15})))?$/.exec(cursor) ?? [];
  const state = time === undefined ? stateOf(word) : Number(time);
  if (isStreamId(id)) {
    if (way === "b" && state === undefined) return { way: "back", id };
    if (way !== "b" && state !== undefined) return { way: "forward", id, isProven: way === "f", state };
  }
  throw new PresenceError("CURSOR_INVALID", "invalid cursor; start again without one");
}

function stateOf(letter: string | undefined): SessionState | undefined {
  return (["absent", "unknown"] as const).find((state) => STATES[state] === letter);
}
