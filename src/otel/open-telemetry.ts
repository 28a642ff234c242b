/** openTelemetry(): spans and metrics of a process through @opentelemetry/api. */
import {
  context,
  type MeterProvider,
  metrics,
  propagation,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  type TracerProvider,
} from "@opentelemetry/api";
import { measureBegun, measureEnded, measureEvent, type Outcome } from "../core/measures.ts";
import { invalid, type Known, refuseUnknown } from "../core/options.ts";
import type { Begun, OperationName, RunningOperation, Telemetry } from "../core/telemetry.ts";
import { VERSION } from "../core/version.ts";
import { metersOf } from "./meters.ts";
import { SPANS } from "./spans.ts";

/** The options of openTelemetry(). */
export interface OpenTelemetryOptions {
  /** Default: the global one when a presence, projector or subscriber is made, so register the SDK before. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** The same for metrics. */
  readonly meterProvider?: MeterProvider | undefined;
}

const OPTIONS: Known<OpenTelemetryOptions> = { tracerProvider: true, meterProvider: true };

function provider<T>(name: "tracerProvider" | "meterProvider", method: string, value: T): T {
  const has = (one: unknown) =>
    typeof one === "object" && one !== null && typeof (one as Record<string, unknown>)[method] === "function";
  return value === undefined || has(value)
    ? value
    : invalid(`${name} must have the method ${method}, got ${typeof value}`);
}

/**
 * Spans and metrics of a process, for the option `telemetry` of createPresence(), createProjector(), createSubscriber() and
 * createWebhook(). docs/operations.md lists them; sampling and export are the SDK's. They name no user and no room. Without an SDK
 * it does nothing. Throws PresenceError OPTIONS_INVALID.
 *
 *   const presence = createPresence(io, { redis, user, telemetry: openTelemetry() });
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): Telemetry {
  refuseUnknown(options, OPTIONS, "openTelemetry");
  const tracerProvider = provider("tracerProvider", "getTracer", options.tracerProvider);
  const meterProvider = provider("meterProvider", "getMeter", options.meterProvider);

  return {
    attach(source) {
      const { prefix } = source;
      const tracer = (tracerProvider ?? trace).getTracer("rollcall", VERSION);
      const meters = metersOf((meterProvider ?? metrics).getMeter("rollcall", VERSION));
      const { measure } = meters;
      meters.add(source);

      function begin<Name extends OperationName>(name: Name, begun: Begun<Name>): RunningOperation<Name> {
        const shape = SPANS[name];
        measureBegun(measure, name, begun);
        const startedAt = performance.now();
        const span = tracer.startSpan(
          shape.name(prefix),
          { kind: shape.kind, attributes: shape.begun(begun, prefix) },
          context.active(),
        );
        const own = trace.setSpan(context.active(), span);
        function end(outcome: Outcome<Name>): void {
          const seconds = (performance.now() - startedAt) / 1_000;
          const error = "failed" in outcome ? outcome.failed : shape.error?.(outcome.done);
          if ("done" in outcome) span.setAttributes(shape.done(outcome.done));
          if (error !== undefined) {
            span.setAttribute("error.type", error);
            span.setStatus({ code: SpanStatusCode.ERROR });
          }
          span.end();
          measureEnded(measure, name, begun, seconds, outcome);
        }
        return {
          within: (call) => context.with(own, call),
          headers() {
            const headers: Record<string, string> = {};
            propagation.inject(own, headers);
            return headers;
          },
          done: (done) => end({ done }),
          failed: (failed) => end({ failed }),
        };
      }

      return {
        begin,
        happened: (name, facts) => measureEvent(measure, name, facts),
        apart: (call) => context.with(ROOT_CONTEXT, call),
        close: () => meters.remove(source),
      };
    },
  };
}
