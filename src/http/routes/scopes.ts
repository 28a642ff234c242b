import { scopesPageSchema } from "../../reader/answers/scopes.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { restrictedOf } from "../holder.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { scopesQuery } from "../schemas.ts";

/** Reader.scopes(). The names of rooms can name people, so it needs what lists of users need. */
export function scopesRoute({ reader, own, options }: RouteParts): Route {
  const tell = tellerOf(options, { cache: cacheControl("private", options.reuse) });
  return routeWithQuery({
    method: "GET",
    path: "/v1/scopes",
    id: "scopes",
    summary: "The namespaces and rooms in which somebody is, largest first, page by page.",
    scope: "users",
    action: "scopes",
    answer: scopesPageSchema,
    query: scopesQuery,
    problems: [400, 409, 503],
    respond: async (c, query) =>
      tell(c, await own.answer(restrictedOf(c), undefined, () => reader.scopes(query))),
  });
}
