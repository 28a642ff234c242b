import * as v from "valibot";
import { Problem, retryAfter } from "../problem.ts";
import type { Route, RouteParts } from "../route.ts";

/** The answer while requests are to be sent here. */
export const servingSchema = v.strictObject({ status: v.literal("serving") });

/** Throws Problem 503 SHUTTING_DOWN once the server is to end. */
export function refuseWhenLeaving(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new Problem(503, "SHUTTING_DOWN", "this server is to end: send requests to another", {
    headers: retryAfter,
  });
}

/**
 * For load balancers: whether to send requests here. 503 until Redis has answered once, so that a wrong address or password does
 * not replace servers that work; then 200, also while Redis is away. All servers lose the same Redis at the same moment: without
 * any of them callers would get the balancer's own errors, and a browser gives an event stream up for good. With them they get
 * the last answer, when to come back, and streams that stay open.
 */
export function servingRoute({ reader, options }: RouteParts): Route {
  let hasAnswered = false;
  return {
    method: "GET",
    path: "/serving",
    id: "serving",
    summary: "Send requests here: Redis has answered since the start, and the server is not shutting down.",
    scope: undefined,
    answer: servingSchema,
    problems: [503],
    async respond(c) {
      refuseWhenLeaving(options.signal);
      if (!hasAnswered) {
        await reader.counts();
        hasAnswered = true;
      }
      return c.json({ status: "serving" });
    },
  };
}
