import * as v from "valibot";
import { asOfSchema } from "../../reader/answers/as-of.ts";
import { Problem, retryAfter } from "../problem.ts";
import { refuseWhenLeaving } from "./serving.ts";
import type { Route, RouteParts } from "../route.ts";

/** The answer when Redis answers and the projector is up to date. */
export const readySchema = v.strictObject({ status: v.literal("ready"), asOf: asOfSchema });

/** For alarms: 503 PROJECTOR_STALE when the numbers are old, REDIS_UNAVAILABLE when there are none. Balancers ask /serving. */
export function readyRoute({ reader, options }: RouteParts): Route {
  return {
    method: "GET",
    path: "/ready",
    id: "ready",
    summary: "Redis answers and the projector is up to date.",
    scope: options.probes === "open" ? undefined : "counts",
    answer: readySchema,
    problems: [503],
    async respond(c) {
      refuseWhenLeaving(options.signal);
      const { asOf } = await reader.counts();
      if (!asOf.stale) return c.json({ status: "ready", asOf });
      const detail =
        asOf.projectedAt === null ? "no projector has run on this prefix yet" : "the projector is overdue";
      throw new Problem(503, "PROJECTOR_STALE", detail, { headers: retryAfter, members: { asOf } });
    },
  };
}
