import * as v from "valibot";
import type { Route } from "../route.ts";

/** What it answers. */
export const healthSchema = v.strictObject({ status: v.literal("ok") });

/** Asks nobody, so that a Redis that is away does not get the process restarted. */
export const healthRoute: Route = {
  method: "GET",
  path: "/health",
  id: "health",
  summary: "The process answers.",
  scope: undefined,
  answer: healthSchema,
  respond: (c) => c.json({ status: "ok" }),
};
