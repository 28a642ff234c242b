import { userAnswerSchema } from "../../reader/answers/users.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { parseUserPath } from "../request.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { whereQuery } from "../schemas.ts";
import { whereOf } from "../where.ts";

/** Reader.user(); the id is percent-encoded. */
export function userRoute({ reader, options }: RouteParts): Route {
  const tell = tellerOf(options, { cache: cacheControl("private", options.reuse) });
  return routeWithQuery({
    method: "GET",
    path: "/v1/users/:id",
    id: "user",
    summary: "One user, and on which processes; `online: false` if absent.",
    scope: "users",
    answer: userAnswerSchema,
    query: whereQuery,
    problems: [400, 404, 503],
    respond: async (c, query) => tell(c, await reader.user(parseUserPath(c.req.url), whereOf(query))),
  });
}
