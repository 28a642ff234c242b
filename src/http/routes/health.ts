import * as v from "valibot";
import type { Route } from "../route.ts";

/** The answer. */
export const healthSchema = v.strictObject({ status: v.literal("ok") });

/** Does not read Redis, so that a Redis outage does not get the process restarted. */
export const healthRoute: Route = {
  method: "GET",
  path: "/health",
  id: "health",
  summary: "The process answers.",
  scope: undefined,
  answer: healthSchema,
  respond: (c) => c.json({ status: "ok" }),
};
