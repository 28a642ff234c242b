import { changesAnswerSchema } from "../../reader/answers/changes.ts";
import { decodeChangesCursor, markOf } from "../../core/cursor.ts";
import { changesEvents, opening, outcomeOf } from "../events.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { paceOf } from "../pace.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { changesQuery } from "../schemas.ts";
import { lastEventId, wantsEvents } from "../streams.ts";
import { whereOf } from "../where.ts";

/** `user`, given once or several times, limits the changes to these users. */
export function changesRoute({ reader, streams, options }: RouteParts): Route {
  const tell = tellerOf(options, { cache: cacheControl("private", options.reuse), vary: "Accept" });
  return routeWithQuery({
    method: "GET",
    path: "/v1/changes",
    id: "changes",
    summary: "The changes since a cursor; without a cursor, only the current position.",
    scope: "users",
    answer: changesAnswerSchema,
    events:
      "An event `changes` {changes, next} when there are any, or `gap` {next}. Ids are cursors: `Last-Event-ID` continues. " +
      "`stale` {cause, since, asOf} when changes may be late, with the cause `redis` or `projector`; `fresh` {since} when they are not any more.",
    query: changesQuery,
    problems: [400, 404, 429, 503],
    async respond(c, { after, user = [], ...query }) {
      const where = whereOf(query);
      const followed = [user].flat();
      if (!wantsEvents(c)) return tell(c, await reader.changesAnswer(after, followed, where));
      c.header("vary", "Accept");
      const from = lastEventId(c) ?? after;
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
        const group = feed.followers.join(followed);
        const wait = (ms: number, ended: AbortSignal) => feed.wait(ms, ended);
        const parts = { read, wait, first, after: from, group, freshness, pace };
        const leave = () => {
          group.leave();
          release();
        };
        return { events: (ended) => changesEvents(parts, ended), leave };
      });
    },
  });
}
