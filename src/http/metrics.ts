/**
 * GET /metrics: the text format of Prometheus, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Written by hand: a metrics library collects values inside a
 * process, and these are read from Redis on request.
 */
import type { SubscriberStatus, Totals } from "../reader/reader.ts";

/** The media type of that format. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

type Metric = readonly [
  name: string,
  type: "gauge" | "counter",
  help: string,
  value: (totals: Totals) => number | null,
];

const METRICS: readonly Metric[] = [
  ["users", "gauge", "Users present, including those in grace.", (t) => t.users],
  ["sockets", "gauge", "Open sockets.", (t) => t.sockets],
  ["connections", "gauge", "Low-level connections of the processes.", (t) => t.connections],
  ["processes", "gauge", "Processes with a lease.", (t) => t.processes],
  ["lag_records", "gauge", "Records appended and not folded yet.", (t) => t.asOf.lag.records],
  ["lag_seconds", "gauge", "Age of the oldest of them.", (t) => t.asOf.lag.ms / 1000],
  ["stale", "gauge", "1 when the projector is overdue, or never ran.", (t) => Number(t.asOf.stale)],
  [
    "projected_timestamp_seconds",
    "gauge",
    "When the projector last ran.",
    (t) => (t.asOf.projectedAt === null ? null : t.asOf.projectedAt.getTime() / 1000),
  ],
  ["folded_records_total", "counter", "Records folded.", (t) => t.records],
  ["rejected_records_total", "counter", "Entries of the log that were not valid records.", (t) => t.rejected],
  ["fenced_processes_total", "counter", "Processes fenced, counted in each shard.", (t) => t.fenced],
  [
    "reaped_processes_total",
    "counter",
    "Processes whose lease expired, counted in each shard.",
    (t) => t.reaped,
  ],
  [
    "oldest_lease_age_seconds",
    "gauge",
    "Time since the lease that expires first was renewed.",
    (t) => seconds(t.oldestLease?.age),
  ],
  [
    "oldest_lease_left_seconds",
    "gauge",
    "Time until that lease expires; negative once it has expired and the process is not reaped yet.",
    (t) => seconds(t.oldestLease?.left),
  ],
];

type SubscriberMetric = readonly [
  name: string,
  type: "gauge" | "counter",
  help: string,
  value: (subscriber: SubscriberStatus) => number,
];

/** One line a subscriber: there are at most a hundred. */
const OF_SUBSCRIBERS: readonly SubscriberMetric[] = [
  ["stale", "gauge", "1 when nobody serves it.", (s) => Number(s.stale)],
  ["disabled", "gauge", "1 when it is disabled.", (s) => Number(s.disabled !== null)],
  [
    "behind_seconds",
    "gauge",
    "For how long the oldest change not handled yet has waited.",
    (s) => s.behind / 1000,
  ],
  ["dead_letters", "gauge", "Deliveries that were given up and are kept.", (s) => s.deadLetters],
  ["handled_total", "counter", "Deliveries that were handled.", (s) => s.handled],
  ["failed_total", "counter", "Attempts that failed.", (s) => s.failed],
  ["gaps_total", "counter", "Times that changes were missed.", (s) => s.gaps],
];

function seconds(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : ms / 1000;
}

/** createSubscriber() takes no name with such a character, but Redis holds what somebody wrote to it. */
function labelOf(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** Metrics without a value are left out. */
export function metricsOf(totals: Totals, subscribers: readonly SubscriberStatus[] = []): string {
  const blocks: string[] = [];
  for (const [name, type, help, valueOf] of METRICS) {
    const value = valueOf(totals);
    if (value === null) continue;
    blocks.push(
      `# HELP rollcall_${name} ${help}\n# TYPE rollcall_${name} ${type}\nrollcall_${name} ${value}\n`,
    );
  }
  const { changes } = totals;
  if (changes !== null) {
    const name = "rollcall_changes_total";
    const lines = Object.entries(changes).map(([cause, count]) => {
      const type = cause === "connect" ? "online" : "offline";
      return `${name}{type="${type}",cause="${cause}"} ${count}\n`;
    });
    blocks.push(
      `# HELP ${name} Changes by cause, folded by callers with a history.\n# TYPE ${name} counter\n${lines.join("")}`,
    );
  }
  if (subscribers.length > 0) {
    for (const [end, type, help, valueOf] of OF_SUBSCRIBERS) {
      const name = `rollcall_subscriber_${end}`;
      const lines = subscribers.map((one) => `${name}{name="${labelOf(one.name)}"} ${valueOf(one)}\n`);
      blocks.push(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`);
    }
  }
  return blocks.join("");
}
