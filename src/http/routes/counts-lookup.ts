import { countsInAnswerSchema } from "../../reader/answers/scopes.ts";
import { checkScope } from "../../core/scope.ts";
import { tellerOf } from "../headers.ts";
import { demandScope, holderOf, restrictedOf } from "../holder.ts";
import { parseCountsLookup } from "../request.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { COUNTS_LOOKUP_BYTES_MAX, countsLookupBody, noQuery } from "../schemas.ts";

/**
 * Reader.countsIn(). It needs a token even if the counts are open: a thousand names a request are a quick way to guess which rooms there are,
 * and no cache stands before a POST.
 */
export function countsLookupRoute({ reader, bodies, own, options }: RouteParts): Route {
  const tell = tellerOf(options);
  return routeWithQuery({
    method: "POST",
    path: "/v1/counts/lookup",
    id: "countsIn",
    summary: "The counts of these namespaces and rooms, in the order asked.",
    scope: "counts",
    action: "counts",
    scopesInBody: true,
    answer: countsInAnswerSchema,
    query: noQuery,
    body: countsLookupBody,
    problems: [400, 413, 415, 503],
    respond: (c) =>
      bodies.read(
        c,
        async (body) => {
          const names = parseCountsLookup(body);
          const holder = holderOf(c);
          if (holder !== undefined)
            for (const { namespace = "/", room } of names)
              demandScope(holder.grant, checkScope(namespace, room));
          return tell(c, await own.answer(restrictedOf(c), undefined, () => reader.countsIn(names)));
        },
        COUNTS_LOOKUP_BYTES_MAX,
      ),
  });
}
