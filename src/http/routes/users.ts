import * as v from "valibot";
import { usersAtSchema } from "../../reader/answers/past.ts";
import { usersPageSchema } from "../../reader/answers/users.ts";
import { usersCsv, wantsCsv } from "../csv.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { refuseForSome, restrictedOf } from "../holder.ts";
import { refuseCursor } from "../own.ts";
import { Problem } from "../problem.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { pageQuery } from "../schemas.ts";
import { whereOf } from "../where.ts";

/** Reader.page(); with `at` Reader.usersAt(). */
export function usersRoute({ reader, own, options }: RouteParts): Route {
  const tell = tellerOf(options, { cache: cacheControl("private", options.reuse), vary: "Accept" });
  return routeWithQuery({
    method: "GET",
    path: "/v1/users",
    id: "users",
    summary: "A page of the users present; with `at`, all users who were present then.",
    scope: "users",
    action: "users",
    answer: v.union([usersPageSchema, usersAtSchema]),
    csv: "Only with `at`. One column: user.",
    query: pageQuery,
    problems: [400, 404, 409, 503],
    async respond(c, { cursor, limit, at, max, format, ...query }) {
      const where = whereOf(query);
      if (at === undefined) {
        if (max !== undefined || format !== undefined)
          throw new Problem(400, "QUERY_INVALID", "max and format go with at");
        const holder = restrictedOf(c);
        if (holder === undefined) return tell(c, await reader.page({ cursor, limit }, where));
        refuseCursor(cursor);
        const ask = () => reader.lookup([...holder.users], where);
        return tell(c, await own.answer(holder, where, ask, presentIn));
      }
      refuseForSome(c, "who was there");
      if (cursor !== undefined || limit !== undefined)
        throw new Problem(
          400,
          "QUERY_INVALID",
          "at excludes cursor and limit: its list is whole, of at most max users",
        );
      const answer = await reader.usersAt(at, { max }, where);
      return tell(c, wantsCsv(c, format) ? await usersCsv(answer) : answer);
    },
  });
}

/** The page of a holder who may see some users only: all of them who are present. `limit` would be more. */
function presentIn(value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const users = value["users"] as readonly { readonly online: boolean }[];
  return { users: users.filter(({ online }) => online), next: null, asOf: value["asOf"] };
}
