/** The entry point `rollcall/otel`: traces and metrics of a process through @opentelemetry/api. */
export { openTelemetry, type OpenTelemetryOptions } from "./otel/open-telemetry.ts";
export type { Telemetry } from "./core/telemetry.ts";
