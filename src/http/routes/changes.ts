import { changesAnswerSchema } from "../../reader/answers/changes.ts";
import { changesEvents } from "../events.ts";
import { cacheControl } from "../headers.ts";
import { paceOf } from "../pace.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { changesQuery } from "../schemas.ts";
import { lastEventId, wantsEvents } from "../streams.ts";

/** `user`, given once or several times, limits the changes to these users. */
export function changesRoute({ reader, streams, options }: RouteParts): Route {
  const cached = { "cache-control": cacheControl("private", options.reuse) };
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
      c.header("vary", "Accept");
      const followed = [user].flat();
      if (!wantsEvents(c)) {
        const { changes, ...rest } = await reader.changes(after);
        const mine =
          followed.length === 0 ? changes : changes.filter((change) => followed.includes(change.user));
        return c.json({ changes: mine, ...rest }, 200, cached);
      }
      const pace = paceOf(options);
      const first = await reader.changes(lastEventId(c) ?? after, pace.counting);
      const ask = reader.askWith(pace.counting);
      return streams.respond(c, (ended) => changesEvents(reader.feed, ask, first, followed, pace, ended));
    },
  });
}
