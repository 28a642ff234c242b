/**
 * The metrics of a process, and what they take from what it tells. Pure: one table for OpenTelemetry and Prometheus, so that the two
 * agree. docs/operations.md lists them.
 */
import type { Begun, Done, EventName, OperationName, TelemetryEvents, TelemetryLevels } from "./telemetry.ts";

/** What a measurement is split by. Each has few values: error codes, reasons, statuses, names of subscribers. */
export type Label = "error" | "reason" | "connection" | "subscriber" | "status";
export type Labels = { readonly [Name in Label]?: string };

export interface Metric {
  /** A level is read when it is collected, the others are told. */
  readonly kind: "histogram" | "counter" | "level";
  /** In UCUM's words, as OpenTelemetry asks for them. */
  readonly unit: string;
  readonly help: string;
  readonly labels: readonly Label[];
  /** Its name in Prometheus, after `rollcall_node_`. */
  readonly prometheus: string;
  readonly level?: keyof TelemetryLevels;
}

/** Seconds: from a Redis beside the process to one that hardly answers. */
export const SECONDS_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

const histogram = (prometheus: string, help: string, ...labels: readonly Label[]) =>
  ({ kind: "histogram", unit: "s", help, labels, prometheus }) as const;
const counter = (prometheus: string, unit: string, help: string, ...labels: readonly Label[]) =>
  ({ kind: "counter", unit, help, labels, prometheus }) as const;
const level = (prometheus: string, unit: string, help: string, of: keyof TelemetryLevels) =>
  ({ kind: "level", unit, help, labels: [], prometheus, level: of }) as const;

/** By their names in OpenTelemetry, after `rollcall.`. */
export const METRICS = {
  sockets: level("sockets", "{socket}", "Open sockets that this process counts.", "sockets"),
  "append.duration": histogram(
    "append_duration_seconds",
    "Time of one attempt to append a record, with the projector's call that goes along.",
    "error",
  ),
  "append.operations": counter(
    "appended_operations_total",
    "{operation}",
    "Operations in the records appended.",
  ),
  "append.in_flight": level(
    "records_in_flight",
    "{record}",
    "Records made and not acknowledged, at most one per shard.",
    "inFlight",
  ),
  "append.pending": level(
    "pending_operations",
    "{operation}",
    "Operations that are in no record yet; they gather while Redis is away.",
    "pending",
  ),
  registrations: counter(
    "registrations_total",
    "{registration}",
    "Times a shard of this process registered, by reason.",
    "reason",
  ),
  reconnections: counter(
    "reconnections_total",
    "{reconnection}",
    "Connections to Redis restored after a loss.",
    "connection",
  ),
  "fold.duration": histogram("fold_duration_seconds", "Time of one request that folds records.", "error"),
  "fold.records": counter("folded_records_total", "{record}", "Records that this process's calls folded."),
  "fold.operations": counter("folded_operations_total", "{operation}", "Operations in them."),
  "fold.rejected": counter(
    "rejected_records_total",
    "{record}",
    "Entries of the log that its calls set aside, since they were not valid records.",
  ),
  "fold.fenced": counter("fenced_processes_total", "{process}", "Processes that its calls fenced."),
  "fold.reaped": counter(
    "reaped_processes_total",
    "{process}",
    "Processes that its calls ended, since their lease had expired.",
  ),
  lag: level("lag_records", "{record}", "Records left in the log after the last fold of each shard.", "lag"),
  "mirror.users": level("mirror_users", "{user}", "Users in the mirror of this process.", "mirror"),
  "mirror.resync.duration": histogram(
    "mirror_resync_duration_seconds",
    "Time to compare a mirror with Redis after changes were lost.",
    "reason",
    "error",
  ),
  "delivery.duration": histogram(
    "delivery_duration_seconds",
    "Time of one call of a durable subscriber's handler.",
    "subscriber",
    "error",
  ),
  "delivery.handled": counter(
    "handled_deliveries_total",
    "{delivery}",
    "Deliveries that were handled.",
    "subscriber",
  ),
  "delivery.dead_letters": counter(
    "dead_letters_total",
    "{delivery}",
    "Deliveries that were given up.",
    "subscriber",
  ),
  "webhook.duration": histogram(
    "webhook_duration_seconds",
    "Time of one request of a webhook, until the status of the answer.",
    "status",
    "error",
  ),
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;

/** Takes a measurement: an amount of a counter, or seconds of a histogram. */
export type Measure = (name: MetricName, value: number, labels?: Labels) => void;

/** How an operation ended. */
export type Outcome<Name extends OperationName> = { readonly done: Done<Name> } | { readonly failed: string };

/** What is measured when an operation begins. */
export function measureBegun<Name extends OperationName>(
  measure: Measure,
  name: Name,
  begun: Begun<Name>,
): void {
  if (name === "register") measure("registrations", 1, { reason: (begun as Begun<"register">).reason });
}

/** What is measured when one ends. */
export function measureEnded<Name extends OperationName>(
  measure: Measure,
  name: Name,
  begun: Begun<Name>,
  seconds: number,
  outcome: Outcome<Name>,
): void {
  const error = "failed" in outcome ? { error: outcome.failed } : {};
  const isDone = "done" in outcome;
  switch (name) {
    case "append":
      measure("append.duration", seconds, error);
      if (isDone) count("append.operations", (begun as Begun<"append">).operations);
      break;
    case "fold":
      measure("fold.duration", seconds, error);
      if (!isDone) break;
      for (const fact of ["records", "operations", "rejected", "fenced", "reaped"] as const)
        count(`fold.${fact}`, (outcome.done as Done<"fold">)[fact]);
      break;
    case "register":
      // Counted when it began.
      break;
    case "resync":
      measure("mirror.resync.duration", seconds, { reason: (begun as Begun<"resync">).reason, ...error });
      break;
    case "deliver": {
      const { subscriber, deliveries } = begun as Begun<"deliver">;
      measure("delivery.duration", seconds, { subscriber, ...error });
      if (isDone) measure("delivery.handled", deliveries, { subscriber });
      break;
    }
    case "post": {
      const status = isDone ? String((outcome.done as Done<"post">).status) : undefined;
      measure("webhook.duration", seconds, {
        ...(status !== undefined && { status }),
        ...(status !== undefined && isErrorStatus(Number(status)) && { error: status }),
        ...error,
      });
      break;
    }
  }

  function count(metric: MetricName, amount: number): void {
    if (amount > 0) measure(metric, amount);
  }
}

/** What is measured of an event. */
export function measureEvent<Name extends EventName>(
  measure: Measure,
  name: Name,
  facts: TelemetryEvents[Name],
): void {
  if (name === "reconnected") {
    const { connection } = facts as TelemetryEvents["reconnected"];
    measure("reconnections", 1, { connection });
  } else {
    const { subscriber, deliveries } = facts as TelemetryEvents["buried"];
    measure("delivery.dead_letters", deliveries, { subscriber });
  }
}

/** Whether HTTP's conventions call the answer to a client an error. */
export function isErrorStatus(status: number): boolean {
  return status >= 400;
}

/** A level over all sources: undefined where none knows it. */
export function levelOver(
  sources: Iterable<{ levels(): TelemetryLevels }>,
  name: keyof TelemetryLevels,
): number | undefined {
  let sum: number | undefined;
  for (const source of sources) {
    const value = source.levels()[name];
    if (value !== undefined) sum = (sum ?? 0) + value;
  }
  return sum;
}
