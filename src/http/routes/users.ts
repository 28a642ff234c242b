import { usersPageSchema } from "../../reader/answers/users.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { pageQuery } from "../schemas.ts";
import { whereOf } from "../where.ts";

/** Reader.page(). */
export function usersRoute({ reader, options }: RouteParts): Route {
  const tell = tellerOf(options, { cache: cacheControl("private", options.reuse) });
  return routeWithQuery({
    method: "GET",
    path: "/v1/users",
    id: "users",
    summary: "A page of the users present.",
    scope: "users",
    answer: usersPageSchema,
    query: pageQuery,
    problems: [400, 404, 503],
    respond: async (c, { cursor, limit, ...query }) =>
      tell(c, await reader.page({ cursor, limit }, whereOf(query))),
  });
}
