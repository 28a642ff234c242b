/** prometheus(): the metrics of a process in a registry of prom-client. */
import { Counter, Gauge, Histogram } from "prom-client";
import {
  type Labels,
  levelOver,
  type Measure,
  measureBegun,
  measureEnded,
  measureEvent,
  type Metric,
  METRICS,
  type MetricName,
  SECONDS_BUCKETS,
} from "../core/measures.ts";
import { invalid } from "../core/options.ts";
import type {
  Begun,
  OperationName,
  RunningOperation,
  Telemetry,
  TelemetrySource,
} from "../core/telemetry.ts";

/** What is used of a Registry of prom-client 15. */
export interface PrometheusRegistry {
  registerMetric(metric: never): void;
  removeSingleMetric(name: string): void;
}

/** What is in one registry, for everything that is measured there. */
interface Collected {
  readonly measure: Measure;
  readonly sources: Set<TelemetrySource>;
  readonly names: readonly string[];
}

const shared = new WeakMap<PrometheusRegistry, Collected>();

/**
 * The metrics of a process in a registry of prom-client, for the option `telemetry` of createPresence(), createProjector(),
 * createSubscriber() and createWebhook(). They are named `rollcall_node_*`, and docs/operations.md lists them. What shares a registry
 * shares its metrics, summed; they are removed when the last of it is closed. Throws PresenceError OPTIONS_INVALID.
 *
 *   import { register } from "prom-client";
 *   const presence = createPresence(io, { redis, user, telemetry: prometheus(register) });
 */
export function prometheus(registry: PrometheusRegistry): Telemetry {
  const has = (name: keyof PrometheusRegistry) =>
    typeof registry === "object" && registry !== null && typeof registry[name] === "function";
  if (!has("registerMetric") || !has("removeSingleMetric"))
    invalid(
      `prometheus() takes a Registry of prom-client, got ${registry === null ? "null" : typeof registry}`,
    );

  return {
    attach(source) {
      const collected = shared.get(registry) ?? collect(registry);
      shared.set(registry, collected);
      const { measure, sources, names } = collected;
      sources.add(source);

      function begin<Name extends OperationName>(name: Name, begun: Begun<Name>): RunningOperation<Name> {
        measureBegun(measure, name, begun);
        const startedAt = performance.now();
        const seconds = () => (performance.now() - startedAt) / 1_000;
        return {
          done: (done) => measureEnded(measure, name, begun, seconds(), { done }),
          failed: (failed) => measureEnded(measure, name, begun, seconds(), { failed }),
        };
      }

      return {
        begin,
        happened: (name, facts) => measureEvent(measure, name, facts),
        close() {
          sources.delete(source);
          if (sources.size > 0 || shared.get(registry) !== collected) return;
          shared.delete(registry);
          for (const name of names) registry.removeSingleMetric(name);
        },
      };
    },
  };
}

function collect(registry: PrometheusRegistry): Collected {
  const sources = new Set<TelemetrySource>();
  const told = new Map<MetricName, (value: number, labels: Labels) => void>();
  const names: string[] = [];
  try {
    for (const [key, metric] of Object.entries(METRICS) as [MetricName, Metric][]) {
      const name = `rollcall_node_${metric.prometheus}`;
      const common = { name, help: metric.help, labelNames: [...metric.labels], registers: [] };
      const { level } = metric;
      if (level !== undefined) {
        const gauge = new Gauge({
          ...common,
          collect() {
            const value = levelOver(sources, level);
            if (value === undefined) this.remove();
            else this.set(value);
          },
        });
        registry.registerMetric(gauge as never);
      } else if (metric.kind === "histogram") {
        const histogram = new Histogram({ ...common, buckets: [...SECONDS_BUCKETS] });
        registry.registerMetric(histogram as never);
        told.set(key, (value, labels) => histogram.observe(labels, value));
      } else {
        const counter = new Counter(common);
        registry.registerMetric(counter as never);
        told.set(key, (value, labels) => counter.inc(labels, value));
      }
      names.push(name);
    }
  } catch (error) {
    // One of the names is taken: all or nothing.
    for (const name of names) registry.removeSingleMetric(name);
    throw error;
  }
  return { sources, names, measure: (name, value, labels = {}) => told.get(name)?.(value, labels) };
}
