/** The metrics: the instruments of one meter, shared by everything that is measured with it. */
import type { Meter, Observable } from "@opentelemetry/api";
import {
  type Label,
  type Labels,
  levelOver,
  type Measure,
  type Metric,
  METRICS,
  type MetricName,
  SECONDS_BUCKETS,
} from "../core/measures.ts";
import type { TelemetrySource } from "../core/telemetry.ts";

const ATTRIBUTES: Readonly<Record<Label, string>> = {
  error: "error.type",
  reason: "rollcall.reason",
  connection: "rollcall.connection",
  subscriber: "messaging.destination.subscription.name",
  status: "http.response.status_code",
};

export interface Meters {
  readonly measure: Measure;
  add(source: TelemetrySource): void;
  remove(source: TelemetrySource): void;
}

/** Instruments of one name are the same in one meter: two callbacks for one of them would overwrite each other. */
const shared = new WeakMap<Meter, Meters>();

export function metersOf(meter: Meter): Meters {
  const known = shared.get(meter) ?? made(meter);
  shared.set(meter, known);
  return known;
}

function made(meter: Meter): Meters {
  const told = new Map<MetricName, (value: number, labels?: Labels) => void>();
  const levels: { readonly level: NonNullable<Metric["level"]>; readonly instrument: Observable }[] = [];
  for (const [key, metric] of Object.entries(METRICS) as [MetricName, Metric][]) {
    const name = `rollcall.${key}`;
    const { kind, unit, help: description, labels: split, level } = metric;
    if (level !== undefined) {
      levels.push({ level, instrument: meter.createObservableUpDownCounter(name, { unit, description }) });
    } else if (kind === "histogram") {
      const advice = { explicitBucketBoundaries: [...SECONDS_BUCKETS] };
      const histogram = meter.createHistogram(name, { unit, description, advice });
      told.set(key, (value, labels) => histogram.record(value, attributesOf(labels)));
    } else {
      const counter = meter.createCounter(name, { unit, description });
      told.set(key, (value, labels) => counter.add(value, attributesOf(labels)));
      // So that the first one counts: a rate needs a value before.
      if (split.length === 0) counter.add(0);
    }
  }

  const sources = new Set<TelemetrySource>();
  const instruments = levels.map(({ instrument }) => instrument);
  const seen = new Set<string>();
  // It stays when the last source has gone: an SDK would go on to tell what it was told last.
  meter.addBatchObservableCallback((result) => {
    for (const { level, instrument } of levels) {
      const value = levelOver(sources, level);
      if (value !== undefined) seen.add(level);
      if (seen.has(level)) result.observe(instrument, value ?? 0);
    }
  }, instruments);
  return {
    measure: (name, value, labels) => told.get(name)?.(value, labels),
    add: (source) => void sources.add(source),
    remove: (source) => void sources.delete(source),
  };
}

function attributesOf(labels: Labels = {}): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(labels).map(([label, value]) => [
      ATTRIBUTES[label as Label],
      label === "status" ? Number(value) : value,
    ]),
  );
}
