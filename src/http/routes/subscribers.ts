import { subscribersAnswerSchema } from "../../reader/answers/subscribers.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { restrictedOf } from "../holder.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { noQuery } from "../schemas.ts";

/** Reader.subscribers(). */
export function subscribersRoute({ reader, own, options }: RouteParts): Route {
  const tell = tellerOf(options, { cache: cacheControl("private", options.reuse) });
  return routeWithQuery({
    method: "GET",
    path: "/v1/subscribers",
    id: "subscribers",
    summary: "The durable subscribers: how far behind, what fails, and whether anybody serves them.",
    scope: "users",
    action: "subscribers",
    answer: subscribersAnswerSchema,
    query: noQuery,
    problems: [400, 503],
    respond: async (c) => tell(c, await own.answer(restrictedOf(c), undefined, () => reader.subscribers())),
  });
}
