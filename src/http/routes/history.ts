import { historyAnswerSchema } from "../../reader/answers/history.ts";
import { PresenceError } from "../../core/errors.ts";
import { Problem } from "../problem.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { restrictedOf } from "../holder.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { historyQuery } from "../schemas.ts";
import { whereOf } from "../where.ts";

/** Reader.history(), and ScopeReader.history(). Numbers only, so each is as open as the counts of the same (counts.ts). */
export function historyRoute({ reader, tokens, own, options }: RouteParts): Route {
  const isOpen = options.counts !== "closed";
  const scopeNamed = options.counts === "whole" ? "counts" : undefined;
  const teller = (access: "public" | "private") =>
    tellerOf(options, { cache: cacheControl(access, options.reuse) });
  const tell = teller(isOpen ? "public" : "private");
  const tellNamed = teller(options.counts === "open" ? "public" : "private");
  return routeWithQuery({
    method: "GET",
    path: "/v1/history",
    id: "history",
    summary:
      "Users and sockets over time: last, least and most of each minute, hour or day, and distinct users of days; of the whole, or of a namespace or room.",
    scope: isOpen ? undefined : "counts",
    scopeNamed,
    action: "history",
    answer: historyAnswerSchema,
    query: historyQuery,
    problems: [400, 404, 503],
    async respond(c, { namespace, room, ...query }) {
      const where = whereOf({ namespace, room });
      if (where !== undefined && scopeNamed !== undefined) tokens.demand(c, scopeNamed);
      const ask = () => reader.history(query, where).catch(asProblem);
      return (where === undefined ? tell : tellNamed)(c, await own.answer(restrictedOf(c), where, ask));
    },
  });
}

/** Too many points: what the caller asked for. */
function asProblem(error: unknown): never {
  if (error instanceof PresenceError && error.code === "OPTIONS_INVALID")
    throw new Problem(400, "QUERY_INVALID", error.message);
  throw error;
}
