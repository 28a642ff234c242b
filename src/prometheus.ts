/** The entry point `rollcall/prometheus`: metrics of a process in a registry of prom-client. */
export { prometheus, type PrometheusRegistry } from "./prometheus/prometheus.ts";
export type { Telemetry } from "./core/telemetry.ts";
