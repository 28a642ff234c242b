import { historyAnswerSchema } from "../../reader/answers/history.ts";
import { PresenceError } from "../../core/errors.ts";
import { Problem } from "../problem.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { historyQuery } from "../schemas.ts";

/** Reader.history(). Numbers of the whole only, so it is as open as its counts. */
export function historyRoute({ reader, options }: RouteParts): Route {
  const isOpen = options.counts !== "closed";
  const tell = tellerOf(options, { cache: cacheControl(isOpen ? "public" : "private", options.reuse) });
  return routeWithQuery({
    method: "GET",
    path: "/v1/history",
    id: "history",
    summary:
      "Users and sockets over time: last, least and most of each minute, hour or day, and distinct users of days.",
    scope: isOpen ? undefined : "counts",
    answer: historyAnswerSchema,
    query: historyQuery,
    problems: [400, 404, 503],
    respond: async (c, query) => tell(c, await reader.history(query).catch(asProblem)),
  });
}

/** Too many points: what the caller asked for. */
function asProblem(error: unknown): never {
  if (error instanceof PresenceError && error.code === "OPTIONS_INVALID")
    throw new Problem(400, "QUERY_INVALID", error.message);
  throw error;
}
