import { countsInAnswerSchema } from "../../reader/answers/scopes.ts";
import { tellerOf } from "../headers.ts";
import { parseCountsLookup } from "../request.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { COUNTS_LOOKUP_BYTES_MAX, countsLookupBody, noQuery } from "../schemas.ts";

/**
 * Reader.countsIn(). It needs a token even if the counts are open: a thousand names a request are a quick way to guess which rooms there are,
 * and no cache stands before a POST.
 */
export function countsLookupRoute({ reader, bodies, options }: RouteParts): Route {
  const tell = tellerOf(options);
  return routeWithQuery({
    method: "POST",
    path: "/v1/counts/lookup",
    id: "countsIn",
    summary: "The counts of these namespaces and rooms, in the order asked.",
    scope: "counts",
    answer: countsInAnswerSchema,
    query: noQuery,
    body: countsLookupBody,
    problems: [400, 413, 415, 503],
    respond: (c) =>
      bodies.read(
        c,
        async (body) => tell(c, await reader.countsIn(parseCountsLookup(body))),
        COUNTS_LOOKUP_BYTES_MAX,
      ),
  });
}
