/**
 * Goal: every alert and every panel of the dashboard asks for what GET /metrics really has, and every alert says what to do.
 * Method: a real server with a history and a durable subscriber, its metrics and a worker's; each expression is parsed with Prometheus's
 * grammar and its names and labels are looked up.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import * as v from "valibot";
import { beforeAll, expect, it } from "vitest";
import { WorkerHealth } from "../../../src/node/worker-health.ts";
import { connect, startNode } from "../../../rig/node.ts";
import { startRedis } from "../../../rig/redis.ts";
import { until } from "../../../rig/until.ts";
import { createProbes } from "../../../src/http/app.ts";
import { createProjector } from "../../../src/projector/create.ts";
import { createReader } from "../../../src/reader/create.ts";
import { readPage, ROOT, sectionOf } from "../docs/markdown.ts";
import { documents, imageEnvironment, read } from "./support.ts";
import { type Metrics, metricsIn, problemsOf } from "./promql.ts";

let metrics: Metrics;

beforeAll(async () => {
  await using redis = await startRedis();
  await using node = await startNode({ redis: redis.url, history: true });
  const subscription = node.presence.subscribe("billing", async () => {});
  const client = await connect(node.url, "alice");
  const reader = createReader({ redis: redis.url });
  const probes = createProbes({ reader, timeout: 10_000 });
  // The counter of changes begins with the first one, and the subscriber with its first turn.
  const ofReader = await until("all metrics are there", async () => {
    const text = await (await probes.request("/metrics")).text();
    return /^rollcall_changes_total/m.test(text) && /^rollcall_subscriber_stale/m.test(text)
      ? text
      : undefined;
  });
  const projector = createProjector({ redis: redis.url });
  const worker = new WorkerHealth(projector, new AbortController().signal);
  const ofWorker = await (await worker.app.fetch(new Request("http://localhost/metrics"))).text();
  metrics = metricsIn(ofReader, ofWorker);
  await projector.close();
  reader.close();
  client.disconnect();
  await subscription.close();
});

const rule = v.strictObject({
  alert: v.pipe(v.string(), v.regex(/^Rollcall[A-Z]\w+$/)),
  expr: v.string(),
  for: v.pipe(v.string(), v.regex(/^\d+[sm]$/)),
  labels: v.strictObject({ severity: v.picklist(["critical", "warning"]) }),
  annotations: v.strictObject({ summary: v.string(), description: v.string(), runbook_url: v.string() }),
});
const ruleFile = v.strictObject({
  groups: v.array(v.strictObject({ name: v.string(), rules: v.array(rule) })),
});
const rules = v.parse(ruleFile, documents("prometheus/rules.yaml")[0]).groups.flatMap((group) => group.rules);

it("the check finds what is wrong", () => {
  for (const [expression, said] of [
    ["max(rollcall_users", /no PromQL/],
    ["rollcall_userz", /no metric rollcall_userz/],
    ['rollcall_users{room="a"}', /no label room/],
    ['rate(rollcall_changes_total{cause="crash"}[5m])', /no rollcall_changes_total has cause="crash"/],
    ["max by (cause) (rollcall_users)", /no label cause to group by/],
    ["rate(rollcall_users[5m])", /rollcall_users is no counter/],
    ["rollcall_folded_records_total > 0", /is a counter/],
  ] as const) expect(problemsOf(expression, metrics).join(), expression).toMatch(said);
}); // prettier-ignore

it("every alert asks for metrics and labels that there are", () => {
  expect(rules.length).toBeGreaterThan(10);
  for (const { alert, expr, annotations } of rules) {
    expect(problemsOf(expr, metrics), alert).toEqual([]);
    // A text that names a label which the expression has lost would have a hole.
    for (const [, label = ""] of annotations.description.matchAll(/\$labels\.(\w+)/g))
      expect(expr, alert).toMatch(new RegExp(`by \\([^)]*\\b${label}\\b`));
  }
});

it("every alert has its own section of the runbook, which names it, and a test", () => {
  const page = sectionOf(readPage("docs/operations.md"), "Alerts");
  const sections = new Map(
    page
      .split(/^### /m)
      .slice(1)
      .map((text) => [text.split("\n", 1)[0]!.toLowerCase().replaceAll(" ", "-"), text]),
  );
  const tests = read("prometheus/rules.test.yaml");
  const linked = rules.map(({ alert, annotations }) => {
    const anchor = /^docs\/operations\.md#(.+)$/.exec(annotations.runbook_url)?.[1] ?? "";
    expect(sections.get(anchor), alert).toContain(`\`${alert}\``);
    expect(tests).toMatch(new RegExp(`\\b${alert}\\b`));
    return anchor;
  });
  expect(linked.sort()).toEqual([...sections.keys()].sort());
});

it("the jobs of the alerts are scraped, at the port of the image", () => {
  const job = v.object({
    job_name: v.string(),
    static_configs: v.tuple([v.object({ targets: v.tuple([v.string()]) })]),
  });
  const jobs = v.parse(v.array(job), documents("prometheus/scrape.yaml")[0]);
  const names = jobs.map(({ job_name: name }) => name);
  for (const { expr } of rules)
    for (const [, name] of expr.matchAll(/job="([^"]+)"/g)) expect(names).toContain(name);
  for (const { static_configs: [{ targets }] } of jobs)
    expect(targets[0]).toMatch(new RegExp(`:${imageEnvironment()["ROLLCALL_HEALTH_PORT"]}$`));
}); // prettier-ignore

const panel = v.object({
  id: v.number(),
  type: v.picklist(["row", "stat", "timeseries"]),
  title: v.pipe(v.string(), v.minLength(1)),
  gridPos: v.object({ x: v.number(), y: v.number(), w: v.number(), h: v.number() }),
  datasource: v.optional(v.object({ uid: v.literal("${datasource}") })),
  fieldConfig: v.optional(v.object({ defaults: v.object({ unit: v.picklist(["none", "s", "cps"]) }) })),
  targets: v.optional(
    v.array(v.object({ expr: v.string(), legendFormat: v.string(), refId: v.string() })),
    [],
  ),
});
const dashboard = v.object({
  uid: v.string(),
  panels: v.array(panel),
  templating: v.object({ list: v.array(v.object({ name: v.string(), type: v.string() })) }),
});

it("every panel of the dashboard asks for metrics and labels that there are, and has a unit", () => {
  const { panels, templating } = v.parse(dashboard, JSON.parse(read("grafana/rollcall.json")));
  expect(templating.list.map(({ name }) => name)).toEqual(["datasource", "job"]);
  const ids = panels.map(({ id }) => id);
  expect(ids).toEqual([...new Set(ids)]);
  const shown = panels.filter(({ type }) => type !== "row");
  expect(shown.length).toBeGreaterThan(12);
  for (const { title, targets, datasource, fieldConfig, gridPos } of shown) {
    expect(targets.length, title).toBeGreaterThan(0);
    expect([datasource, fieldConfig], title).not.toContain(undefined);
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
    expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length);
    for (const { expr, legendFormat } of targets) {
      expect(problemsOf(expr, metrics), title).toEqual([]);
      expect(expr, title).toContain('job="$job"');
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        expect(expr, title).toMatch(new RegExp(`by \\([^)]*\\b${label}\\b`));
    }
  }
});

it("every metric of GET /metrics is on the dashboard, or of a worker", () => {
  const text = read("grafana/rollcall.json");
  for (const name of metrics.keys()) if (!name.startsWith("rollcall_worker_")) expect(text).toContain(name);
});

it("promtool takes the alerts, and their tests pass", (context) => {
  try {
    execFileSync("promtool", ["--version"], { stdio: "pipe" });
  } catch {
    process.stderr.write("skipped: no promtool in PATH: install Prometheus\n");
    context.skip("no promtool in PATH");
  }
  for (const args of [["check", "rules", "rules.yaml"], ["test", "rules", "rules.test.yaml"]])
    expect(execFileSync("promtool", args, { cwd: join(ROOT, "deploy/prometheus"), encoding: "utf8" })).toContain("SUCCESS");
}); // prettier-ignore
