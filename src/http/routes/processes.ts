import { processesAnswerSchema } from "../../reader/answers/processes.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { restrictedOf } from "../holder.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { noQuery } from "../schemas.ts";

/** Reader.processes(). */
export function processesRoute({ reader, own, options }: RouteParts): Route {
  const tell = tellerOf(options, { cache: cacheControl("private", options.reuse) });
  return routeWithQuery({
    method: "GET",
    path: "/v1/processes",
    id: "processes",
    summary: "The Socket.IO processes, their leases and counts.",
    scope: "users",
    action: "processes",
    answer: processesAnswerSchema,
    query: noQuery,
    problems: [400, 503],
    respond: async (c) => tell(c, await own.answer(restrictedOf(c), undefined, () => reader.processes())),
  });
}
