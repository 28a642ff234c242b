/**
 * Who was present at a moment: the present walked back (core/past.ts), shard by shard, since a user is in one.
 *
 * The hash `users` is listed as it is, leases that have lapsed included: what is walked back are the changes, and they tell that somebody is
 * gone when it is folded. Nothing is believed that does not prove itself: the stream's first entry is not after the moment, each read begins
 * with the last entry of the one before, the entries that were the last ones while users were listed are found on the way, and in the
 * end there are as many users as the totals say. Else it begins again.
 */
import { REBUILT } from "../core/change.ts";
import { PresenceError } from "../core/errors.ts";
import {
  LIST_USERS_MAX,
  PAGE_USERS_MAX,
  PAST_ENTRIES_MAX,
  PAST_TRIES,
  PAST_USERS_MAX,
} from "../core/limits.ts";
import { Past } from "../core/past.ts";
import { msOf, STREAM_START } from "../core/stream-id.ts";
import { checkPast, msOfTime } from "../core/time-range.ts";
import { entriesOf, fieldsOf, integerOrNull, list, pairs, text } from "../redis/decode.ts";
import type { StreamEntry } from "../redis/entries.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";
import { type ShardAsOf, scopeCountsOf } from "./as-of.ts";
import type { ReaderContext } from "./context.ts";
import { resolveUsersAtOptions } from "./options.ts";
import { checkTold } from "./told.ts";
import type { ScopeReader } from "./types.ts";
import { countFor, walk } from "./walk.ts";

const SCANNED = "HSCAN of users";
const TOTALS = "HMGET of the totals";
const FIRST = "XRANGE of changes";

/** What one shard says of a moment. */
interface ShardPast {
  readonly past: Past;
  /** The oldest moment that its stream goes back to, ms; null: it has no entries. */
  readonly since: number | null;
  /** In a scope: a change of it that was told, at or before the moment if there is one, ms; null: none is kept. Of the whole: as `since`. */
  readonly told: number | null;
}

/** HSCAN of `users` and XRANGE of the changes after the moment. */
export function usersAtOver(context: ReaderContext): Pick<ScopeReader, "usersAt"> {
  const { keys, ask, askAll, combine, view } = context;
  const first = (shard: number): ReadCommand => [
    "XRANGE",
    view.changes(keys[shard]!),
    "-",
    "+",
    "COUNT",
    "1",
  ];

  return {
    async usersAt(time, options = {}) {
      const at = msOfTime("time", time);
      const { max } = resolveUsersAtOptions(options);
      const answers = await askAll((_, shard) => [first(shard)]);
      const asOf = combine(answers.map((answer) => answer.asOf));
      checkPast("time", at, asOf.now.getTime());
      if (view.scope !== undefined) await checkTold(context, view.scope);
      const parts = { at: new Date(at), asOf };
      // What is older than what is kept needs no listing.
      const begins = answers.map(({ replies }) => beginOf(replies[0]));
      const kept = latest(begins, asOf.now.getTime());
      if (kept > at) return { ...parts, users: null, exact: false, since: new Date(kept) };

      const shards: ShardPast[] = [];
      for (const [shard, answer] of answers.entries()) shards.push(await rebuilt(shard, answer.asOf, at));
      const since = sinceOf(shards, asOf.now.getTime());
      if (since > at) return { ...parts, users: null, exact: false, since: new Date(since) };
      const users: string[] = [];
      for (const { past } of shards) {
        for (const user of past.users()) {
          if (users.length === max) throw tooMany(max);
          users.push(user);
        }
      }
      return { ...parts, users: users.sort(), exact: true, since: new Date(since) };
    },
  };

  async function rebuilt(shard: number, asked: ShardAsOf, at: number): Promise<ShardPast> {
    let asOf = asked;
    for (let tries = 1; tries <= PAST_TRIES; tries++) {
      const found = await attempt(shard, asOf.change, at);
      if (found !== undefined) return found;
      ({ asOf } = await ask(shard, []));
    }
    throw new PresenceError(
      "REPLY_INVALID",
      `the users and the changes of shard ${shard} did not agree ${PAST_TRIES} times: Redis lost data just now, or a key was edited by hand`,
    );
  }

  /** Undefined: something was lost on the way. `last`: the id of the last change, read just now. */
  async function attempt(shard: number, last: string, at: number): Promise<ShardPast | undefined> {
    const past = new Past();
    const marks = await listInto(past, shard);
    marks.add(last);
    // Changes of the same millisecond may follow: then the moment is between them.
    const isProven = last !== STREAM_START && msOf(last) <= at;
    const from = isProven ? last : last === STREAM_START ? "-" : `${at + 1}-0`;
    marks.delete(STREAM_START);
    if (isProven) marks.delete(last);

    let since: number | null = null;
    let told: number | null = null;
    for await (const { entries, replies, isLast, isLost } of walk({
      read: context.askPlain,
      key: view.changes(keys[shard]!),
      from,
      isProven,
      beside: [first(shard), ...totalsOf(shard)],
    })) {
      // What came before a rebuild is void, also what was listed.
      if (isLost || entries.some(({ fields }) => fields[0] === REBUILT)) return undefined;
      for (const { id, fields } of entries) {
        marks.delete(id);
        for (const change of view.decode(id, fields)) {
          told ??= msOf(id);
          past.add(change);
        }
      }
      checkSize(past);
      since = last === STREAM_START ? null : beginOf(replies[0]);
      // Removed meanwhile: what is missing is not known.
      if (since !== null && since > at) return { past, since, told };
      if (isLast && (marks.size > 0 || past.now !== presentIn(replies[1]))) return undefined;
    }
    if (view.scope === undefined) return { past, since, told: since };
    return { past, since, told: (await lastTold(shard, at)) ?? told };
  }

  /** Lists who is present. Returns which changes were the last ones meanwhile. */
  async function listInto(past: Past, shard: number): Promise<Set<string>> {
    const own = keys[shard]!;
    const marks = new Set<string>();
    let place = "0";
    do {
      const [found, totals] = await context.askPlain([
        ["HSCAN", view.users(own), place, "COUNT", String(PAGE_USERS_MAX)],
        ["HMGET", own.totals, view.last],
      ]);
      const [next, users] = list(found, SCANNED, 2);
      for (const [user] of pairs(users, SCANNED)) if (view.isUser(user)) past.list(user);
      marks.add(fieldsOf(totals, TOTALS, 1)[0] ?? STREAM_START);
      checkSize(past);
      place = text(next, SCANNED);
    } while (place !== "0");
    return marks;
  }

  /** How many users the totals say there are. */
  function totalsOf(shard: number): ReadCommand[] {
    const { totals, scopes } = keys[shard]!;
    return view.scope === undefined ? [["HMGET", totals, "users"]] : [["ZMSCORE", scopes, view.scope]];
  }
  function presentIn(reply: Reply | undefined): number {
    if (view.scope !== undefined) return scopeCountsOf(list(reply, "ZMSCORE of scopes", 1)[0]!).users;
    return integerOrNull(fieldsOf(reply, TOTALS, 1)[0] ?? null, TOTALS) ?? 0;
  }

  /** The time of the last change in this scope at or before the moment. Before the first one nobody knows whether they were told. */
  async function lastTold(shard: number, at: number): Promise<number | null> {
    let [end, count] = [`(${at + 1}-0`, 32];
    for (;;) {
      const [reply] = await context.askPlain([
        ["XREVRANGE", view.changes(keys[shard]!), end, "-", "COUNT", String(count)],
      ]);
      const entries: StreamEntry[] = entriesOf(reply, "XREVRANGE of changes");
      const found = entries.find(({ id, fields }) => view.decode(id, fields).length > 0);
      if (found !== undefined) return msOf(found.id);
      if (entries.length < count) return null;
      end = `(${entries.at(-1)!.id}`;
      count = Math.min(countFor(entries, count), PAST_ENTRIES_MAX);
    }
  }

  /** From when on all shards are known, ms. */
  function sinceOf(shards: readonly ShardPast[], now: number): number {
    const kept = latest(
      shards.map(({ since }) => since),
      now,
    );
    if (view.scope === undefined) return kept;
    // A shard in which nobody of the scope has been sets no bound, unless somebody is there of whom nothing was told.
    if (shards.some(({ past, told }) => told === null && past.isListed)) return now;
    return Math.max(
      kept,
      latest(
        shards.map(({ told }) => told),
        now,
      ),
    );
  }
}

/** A shard in which nobody has ever been sets no bound. `now` if that is so in all of them. */
function latest(times: readonly (number | null)[], now: number): number {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? now : Math.max(...known);
}

/** The time of the first entry, ms. */
function beginOf(reply: Reply | undefined): number | null {
  const [entry] = entriesOf(reply, FIRST);
  return entry === undefined ? null : msOf(entry.id);
}

function checkSize(past: Past): void {
  if (past.size <= PAST_USERS_MAX) return;
  const message = `more than ${PAST_USERS_MAX} users of one shard are present, or came or went since: ask about a later time, or about a room`;
  throw new PresenceError("LIMIT_EXCEEDED", message);
}

function tooMany(max: number): PresenceError {
  const instead =
    max < LIST_USERS_MAX ? `raise \`max\`, up to ${LIST_USERS_MAX}` : "ask about a namespace or room";
  return new PresenceError("LIMIT_EXCEEDED", `more than ${max} users were present: ${instead}`);
}
