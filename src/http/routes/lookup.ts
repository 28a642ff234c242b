import { usersAnswerSchema } from "../../reader/answers/users.ts";
import { tellerOf } from "../headers.ts";
import { demandUsers, restrictedOf } from "../holder.ts";
import { parseLookup } from "../request.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { lookupBody, whereQuery } from "../schemas.ts";
import { whereOf } from "../where.ts";

/** Reader.lookup(). POST, because a thousand ids do not fit into a URL. */
export function lookupRoute({ reader, bodies, own, options }: RouteParts): Route {
  const tell = tellerOf(options);
  return routeWithQuery({
    method: "POST",
    path: "/v1/users/lookup",
    id: "lookup",
    summary: "Which of these users are present, in the order asked.",
    scope: "users",
    action: "lookup",
    answer: usersAnswerSchema,
    query: whereQuery,
    body: lookupBody,
    problems: [400, 404, 413, 415, 503],
    respond(c, query) {
      const where = whereOf(query);
      const holder = restrictedOf(c);
      return bodies.read(c, async (body) => {
        const ids = parseLookup(body);
        if (holder !== undefined) demandUsers(holder, ids);
        return tell(c, await own.answer(holder, where, () => reader.lookup(ids, where)));
      });
    },
  });
}
