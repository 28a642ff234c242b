import { sessionsSchema } from "../../reader/answers/past.ts";
import { sessionsCsv, wantsCsv } from "../csv.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { demandUsers, restrictedOf } from "../holder.ts";
import { parseUserPath } from "../request.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { sessionsQuery } from "../schemas.ts";

/** Reader.sessions(); the id is percent-encoded. */
export function sessionsRoute({ reader, own, options }: RouteParts): Route {
  const tell = tellerOf(options, { cache: cacheControl("private", options.reuse), vary: "Accept" });
  return routeWithQuery({
    method: "GET",
    path: "/v1/users/:id/sessions",
    id: "sessions",
    summary: "When a user was present, and why each presence ended.",
    scope: "users",
    action: "sessions",
    answer: sessionsSchema,
    csv: "Columns: user, start, end, cause. `Rollcall-Next` is the cursor of the next page.",
    query: sessionsQuery,
    problems: [400, 503],
    async respond(c, { format, ...asked }) {
      const id = parseUserPath(c.req.url, -2);
      const holder = restrictedOf(c);
      if (holder !== undefined) demandUsers(holder, [id]);
      const cursor = holder === undefined ? asked.cursor : await own.openSessions(holder, id, asked.cursor);
      const ask = () => reader.sessions(id, { ...asked, cursor });
      const answer = await own.answer(holder, undefined, ask, holder && own.sessions(holder, id, asked));
      return tell(c, wantsCsv(c, format) ? await sessionsCsv(answer) : answer);
    },
  });
}
