import { changesAnswerSchema } from "../../reader/answers/changes.ts";
import { changesEvents } from "../events.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { paceOf } from "../pace.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { changesQuery } from "../schemas.ts";
import { lastEventId, wantsEvents } from "../streams.ts";

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
      "An event `changes` {changes, next} when there are any, or `gap` {next}. Ids are cursors: `Last-Event-ID` continues.",
    query: changesQuery,
    problems: [400, 503],
    async respond(c, { after, user = [] }) {
      const followed = [user].flat();
      if (!wantsEvents(c)) return tell(c, await reader.changesAnswer(after, followed));
      c.header("vary", "Accept");
      const pace = paceOf(options);
      const first = await reader.changes(lastEventId(c) ?? after, pace.counting);
      const ask = reader.askWith(pace.counting);
      return streams.respond(c, (ended) => changesEvents(reader.feed, ask, first, followed, pace, ended));
    },
  });
}
