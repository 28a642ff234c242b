/** What is wrong with a PromQL expression, given the metrics that there are. Prometheus's own grammar, without Prometheus. */
import { parser } from "@prometheus-io/lezer-promql";

/** The values of each label that a metric was seen with. */
export type Metrics = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

/** Labels that Prometheus adds to whatever it scrapes. */
const TARGET: ReadonlySet<string> = new Set(["job", "instance"]);

/** Reads the text format: labels and their values by metric. */
export function metricsIn(...texts: string[]): Metrics {
  const metrics = new Map<string, Map<string, Set<string>>>();
  for (const [, name = "", labels = ""] of texts.join("").matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const known = metrics.get(name) ?? new Map<string, Set<string>>();
    metrics.set(name, known);
    for (const [, label = "", value = ""] of labels.matchAll(/(\w+)="([^"]*)"/g))
      known.set(label, (known.get(label) ?? new Set()).add(value));
  }
  return metrics;
}

/** `own`: labels whose values are names that users give, so any will do. */
export function problemsOf(input: string, metrics: Metrics, own: readonly string[] = ["name"]): string[] {
  const expression = input.replaceAll("$__rate_interval", "1m").replaceAll("$job", "rollcall");
  const problems: string[] = [];
  const text = ({ from, to }: { readonly from: number; readonly to: number }) => expression.slice(from, to);
  const used: string[] = [];
  const tree = parser.parse(expression);
  tree.iterate({
    enter(node) {
      if (node.type.isError) problems.push(`no PromQL at ${node.from}: ${expression}`);
      if (node.name === "VectorSelector") {
        const selector = /^(\w+)\s*(?:\{(.*)\})?$/s.exec(text(node));
        const name = selector?.[1] ?? "";
        const labels = name === "up" ? new Map<string, ReadonlySet<string>>() : metrics.get(name);
        if (labels === undefined) {
          problems.push(`there is no metric ${name}`);
          return;
        }
        used.push(name);
        for (const [, label = "", operator = "", value = ""] of (selector?.[2] ?? "").matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)) {
          if (TARGET.has(label)) continue;
          const values = labels.get(label);
          if (values === undefined) problems.push(`${name} has no label ${label}`);
          else if (operator === "=" && !own.includes(label) && !values.has(value)) problems.push(`no ${name} has ${label}="${value}"`);
        }
        let isRated = false;
        for (let up = node.node.parent; up !== null; up = up.parent)
          isRated ||= up.name === "FunctionCall" && /^(rate|increase)\(/.test(text(up));
        if (isRated !== name.endsWith("_total")) problems.push(`${name} is ${isRated ? "no" : "a"} counter`);
      }
    },
  });
  tree.iterate({
    enter(node) {
      if (node.name !== "GroupingLabels") return;
      for (const [label] of text(node).matchAll(/\w+/g))
        for (const name of used)
          if (!TARGET.has(label) && metrics.get(name)?.has(label) !== true) problems.push(`${name} has no label ${label} to group by`);
    },
  });
  return problems;
} // prettier-ignore
