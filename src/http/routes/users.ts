import { usersPageSchema } from "../../reader/answers/users.ts";
import { cacheControl } from "../headers.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { pageQuery } from "../schemas.ts";

/** Reader.page(). */
export function usersRoute({ reader, options }: RouteParts): Route {
  const cached = { "cache-control": cacheControl("private", options.reuse) };
  return routeWithQuery({
    method: "GET",
    path: "/v1/users",
    id: "users",
    summary: "A page of the users present.",
    scope: "users",
    answer: usersPageSchema,
    query: pageQuery,
    problems: [400, 503],
    respond: async (c, query) => c.json(await reader.page(query), 200, cached),
  });
}
