/**
 * The routes, in the order of /openapi.json. Each calls one method of the reader and returns its answer unchanged: the API
 * has the field names of the reader's answers, and JSON writes dates in ISO 8601.
 */
import type { Route, RouteParts } from "./route.ts";
import { changesRoute } from "./routes/changes.ts";
import { dashboardRoute } from "./routes/dashboard.ts";
import { countsRoute } from "./routes/counts.ts";
import { countsLookupRoute } from "./routes/counts-lookup.ts";
import { healthRoute } from "./routes/health.ts";
import { historyRoute } from "./routes/history.ts";
import { lookupRoute } from "./routes/lookup.ts";
import { metricsRoute } from "./routes/metrics.ts";
import { subscribersRoute } from "./routes/subscribers.ts";
import { processesRoute } from "./routes/processes.ts";
import { readyRoute } from "./routes/ready.ts";
import { userRoute } from "./routes/user.ts";
import { sessionsRoute } from "./routes/sessions.ts";
import { scopesRoute } from "./routes/scopes.ts";
import { servingRoute } from "./routes/serving.ts";
import { usersRoute } from "./routes/users.ts";

/** All routes that app.ts lists. */
export function routesOf(parts: RouteParts): readonly Route[] {
  return [
    ...probesOf(parts),
    countsRoute(parts),
    countsLookupRoute(parts),
    historyRoute(parts),
    scopesRoute(parts),
    usersRoute(parts),
    userRoute(parts),
    sessionsRoute(parts),
    lookupRoute(parts),
    processesRoute(parts),
    subscribersRoute(parts),
    changesRoute(parts),
    ...dashboardRoute(parts),
  ];
}

/** The routes of createProbes(): those that are about the server. */
export function probesOf(parts: RouteParts): readonly Route[] {
  return [healthRoute, servingRoute(parts), readyRoute(parts), metricsRoute(parts)];
}
