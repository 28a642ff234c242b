import { userAnswerSchema } from "../../reader/answers/users.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { demandUsers, restrictedOf } from "../holder.ts";
import { parseUserPath } from "../request.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { whereQuery } from "../schemas.ts";
import { whereOf } from "../where.ts";

/** Reader.user(); the id is percent-encoded. */
export function userRoute({ reader, own, options }: RouteParts): Route {
  const tell = tellerOf(options, { cache: cacheControl("private", options.reuse) });
  return routeWithQuery({
    method: "GET",
    path: "/v1/users/:id",
    id: "user",
    summary: "One user, and on which processes; `online: false` if absent.",
    scope: "users",
    action: "user",
    answer: userAnswerSchema,
    query: whereQuery,
    problems: [400, 404, 503],
    async respond(c, query) {
      const where = whereOf(query);
      const id = parseUserPath(c.req.url);
      const holder = restrictedOf(c);
      if (holder !== undefined) demandUsers(holder, [id]);
      return tell(c, await own.answer(holder, where, () => reader.user(id, where)));
    },
  });
}
