import { changesAnswerSchema } from "../../reader/answers/changes.ts";
import { decodeChangesCursor, markOf } from "../../core/cursor.ts";
import { changesCsv, wantsCsv } from "../csv.ts";
import { CHANGES_READ_MAX } from "../../core/limits.ts";
import { changesEvents, opening, outcomeOf } from "../events.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { demandUsers, refuseForSome, restrictedOf } from "../holder.ts";
import { ownEvents } from "../own-events.ts";
import { paceOf } from "../pace.ts";
import { Problem } from "../problem.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { changesQuery } from "../schemas.ts";
import { lastEventId, wantsEvents } from "../streams.ts";
import { whereOf } from "../where.ts";

/** `user`, given once or several times, limits the changes to these users. */
export function changesRoute({ reader, streams, own, options }: RouteParts): Route {
  const tell = tellerOf(options, { cache: cacheControl("private", options.reuse), vary: "Accept" });
  return routeWithQuery({
    method: "GET",
    path: "/v1/changes",
    id: "changes",
    summary: "The changes since a cursor, or from a time on; without either, only the current position.",
    scope: "users",
    action: "changes",
    answer: changesAnswerSchema,
    events:
      "An event `changes` {changes, next} when there are any, or `gap` {next}. Ids are cursors: `Last-Event-ID` continues. " +
      "`stale` {cause, since, asOf} when changes may be late, with the cause `redis` or `projector`; `fresh` {since} when they are not any more.",
    csv: "Only with `from` or `to`. Columns: at, user, type, cause, id. `Rollcall-Next` is the cursor of the next page: `after`, with the same `to`.",
    query: changesQuery,
    problems: [400, 404, 429, 503],
    async respond(c, { after, user = [], from: since, to, limit, format, ...query }) {
      const where = whereOf(query);
      const followed = [user].flat();
      const holder = restrictedOf(c);
      if (holder !== undefined) demandUsers(holder, followed);
      if (since !== undefined || to !== undefined) {
        const wrong = wrongRange({ after, since, isEvents: wantsEvents(c) });
        refuseForSome(c, "changes of a time");
        if (wrong !== undefined) throw new Problem(400, "QUERY_INVALID", wrong);
        const range = { after, from: since, to, limit: limit ?? CHANGES_READ_MAX };
        const answer = await reader.changesBetween(range, followed, where);
        return tell(c, wantsCsv(c, format) ? await changesCsv(answer) : answer);
      }
      if (limit !== undefined || format !== undefined)
        throw new Problem(400, "QUERY_INVALID", "limit and format go with from or to");
      if (!wantsEvents(c)) {
        if (holder === undefined) return tell(c, await reader.changesAnswer(after, followed, where));
        return tell(c, await own.changes(reader, holder, { after, wanted: followed, where }));
      }
      c.header("vary", "Accept");
      const given = lastEventId(c) ?? after;
      const from = holder === undefined ? given : await own.openChanges(holder, where, given);
      // An invalid cursor is refused before it takes a place.
      if (from !== undefined) decodeChangesCursor(from, options.reader.shards, markOf(where));
      return streams.respond(c, async () => {
        const pace = paceOf(options);
        const ask = reader.askWith(pace.counting);
        const { feed, freshness, release } = reader.feeds.hold(where);
        const read = async (cursor: string | undefined, slow?: number) => {
          const [news] = await Promise.all([
            feed.news(cursor, ask, slow),
            freshness.check(() => reader.countsOf(where, pace.counting)),
          ]);
          return news;
        };
        const first = outcomeOf(read(from));
        try {
          await opening(first);
        } catch (error) {
          release();
          throw error;
        }
        const { followers } = feed;
        const group =
          holder === undefined || followed.length > 0
            ? followers.join(followed)
            : followers.joinOnly([...holder.users]);
        const wait = (ms: number, ended: AbortSignal) => feed.wait(ms, ended);
        const parts = { read, wait, first, after: from, group, freshness, pace };
        const leave = () => {
          group.leave();
          release();
        };
        const events = (ended: AbortSignal) =>
          holder === undefined
            ? changesEvents(parts, ended)
            : ownEvents({ ...parts, own, holder, where }, ended);
        return { events, leave };
      });
    },
  });
}

function wrongRange(given: {
  after: string | undefined;
  since: Date | undefined;
  isEvents: boolean;
}): string | undefined {
  if (given.isEvents) return "events have no from and to: they go on from after";
  if (given.after !== undefined && given.since !== undefined)
    return "after and from exclude each other: a further page has after and the same to";
  return given.after === undefined && given.since === undefined
    ? "to needs from, or after for a further page"
    : undefined;
}
