import { METRICS_TYPE, metricsOf } from "../metrics.ts";
import type { Route, RouteParts } from "../route.ts";

/** Reader.totals(), as text. */
export function metricsRoute({ reader, options }: RouteParts): Route {
  return {
    method: "GET",
    path: "/metrics",
    id: "metrics",
    summary: "Counts, lag, leases and what the projector has done, for Prometheus.",
    scope: options.probes === "open" ? undefined : "counts",
    answer: "text",
    problems: [503],
    respond: async (c) =>
      c.body(metricsOf(await reader.totals(), (await reader.subscribersTold()).subscribers), 200, {
        "content-type": METRICS_TYPE,
      }),
  };
}
