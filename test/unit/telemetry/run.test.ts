/**
 * Goal: traces and metrics say what a server does, to OpenTelemetry and prom-client alike; they name no user, namespace or room; and
 * docs/operations.md lists every one.
 * Method: one real run with everything on: Socket.IO, Redis behind a proxy that is cut, FLUSHALL, subscribers that fail, a webhook. Its
 * spans and metrics are read from the real SDK and the real registry.
 */
import { context, propagation, type Attributes, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { Redis } from "ioredis";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect, startNode, type TestNode } from "../../../rig/node.ts";
import { type Proxy, startProxy } from "../../../rig/proxy.ts";
import { type Receiver, startReceiver } from "../../../rig/receiver.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { until } from "../../../rig/until.ts";
import { SECONDS_BUCKETS } from "../../../src/core/measures.ts";
import { openTelemetry } from "../../../src/otel.ts";
import { createProjector } from "../../../src/projector/create.ts";
import { prometheus } from "../../../src/prometheus.ts";
import { readPage, sectionOf } from "../docs/markdown.ts";

const exporter = new InMemorySpanExporter();
const metricsExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({
  exporter: metricsExporter,
  exportIntervalMillis: 3_600_000,
});
const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
const meterProvider = new MeterProvider({ readers: [reader] });
const registry = new Registry();
const telemetry = [openTelemetry({ tracerProvider, meterProvider }), prometheus(registry)];

/** What must not be in any of it. */
const USER = "alice-who-is-private";
const ROOM = "room-that-is-private";
const SECRET = "key-in-the-url";
const SETTINGS = { ttl: 1_500, heartbeat: 200 };

let server: RedisServer;
let proxy: Proxy;
let receiver: Receiver;
let node: TestNode;
let redis: Redis;

const spans = (name: string | RegExp): ReadableSpan[] =>
  exporter
    .getFinishedSpans()
    .filter((span) => (typeof name === "string" ? span.name === name : name.test(span.name)));
const ofDelivery = (subscriber: string): ReadableSpan[] =>
  spans("deliver presence:changes").filter(
    ({ attributes }) => attributes["messaging.destination.subscription.name"] === subscriber,
  );
const lines = () => registry.metrics();

async function metrics(): Promise<MetricData[]> {
  metricsExporter.reset();
  await reader.forceFlush();
  return metricsExporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
}

/** The points of a metric: attributes and value, of a histogram the count. */
async function points(name: string): Promise<[Attributes, number][]> {
  const found = (await metrics()).find(({ descriptor }) => descriptor.name === name);
  return (found?.dataPoints ?? []).map(({ attributes, value }) => [
    attributes,
    typeof value === "number" ? value : value.count,
  ]);
}

/** The value of a series of prom-client; undefined: there is none. */
async function series(start: string): Promise<number | undefined> {
  const line = (await lines()).split("\n").find((one) => one.startsWith(start));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(" ")));
}

beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  server = await startRedis();
  redis = new Redis(server.url);
  proxy = await startProxy(server);
  receiver = await startReceiver(() => 204);
  const tracer = tracerProvider.getTracer("application");
  // What the application does when it starts is traced, too: no span of Rollcall may become part of that.
  node = await tracer.startActiveSpan("start of the application", async (span) => {
    const made = await startNode({
      redis: proxy.url, ...SETTINGS, rooms: [ROOM], changes: [ROOM], socketIds: true, telemetry,
    }); // prettier-ignore
    span.end();
    return made;
  });
  await node.presence.ready;
  let calls = 0;
  const billing = node.presence.subscribe(
    "billing",
    () => {
      // A span of the application, in its handler.
      tracer.startSpan("bill").end();
      if (++calls === 1) throw new Error(`no money from ${USER}`);
    },
    { retries: [0] },
  );
  const lost = node.presence.subscribe(
    "lost",
    () => {
      throw new Error("never");
    },
    { retries: [] },
  );
  const crm = node.presence.webhook("crm", {
    url: `${receiver.url}/hooks?key=${SECRET}`,
    secrets: [`whsec_${Buffer.alloc(32, 1).toString("base64")}`],
    allow: ["127.0.0.1"],
  });
  await Promise.all([billing.ready, lost.ready, crm.ready]);
  node.io.on("connection", (socket) => void socket.join(ROOM));
  await connect(node.url, USER);
  await until("the webhook and the dead letter", async () => {
    const buried = await series("rollcall_node_dead_letters_total");
    // The receiver has it before its span is over, and that of the delivery around it.
    const isTraced = spans("POST").length > 0 && ofDelivery("crm").length > 0;
    return receiver.taken.length > 0 && isTraced && buried === 1 && calls > 1;
  });
});

afterAll(async () => {
  await node.close();
  await receiver[Symbol.asyncDispose]();
  await proxy.close();
  await redis.quit();
  await server.stop();
  await tracerProvider.shutdown();
  await meterProvider.shutdown();
  context.disable();
  propagation.disable();
});

it("an append is a trace of its own, and has the fold that goes along in it", () => {
  const appends = spans("append presence:records");
  expect(appends[0]).toMatchObject({ kind: SpanKind.PRODUCER, parentSpanContext: undefined });
  expect(appends[0]!.attributes).toMatchObject({
    "messaging.system": "redis",
    "messaging.operation.type": "send",
    "messaging.destination.name": "presence:records",
    "messaging.destination.partition.id": "0",
    "db.system.name": "redis",
    "rollcall.operations": 0,
  });
  expect(appends.every(({ parentSpanContext }) => parentSpanContext === undefined)).toBe(true);
  // The socket, its membership of the namespace and that of the room; and its id.
  expect(appends.some(({ attributes }) => Number(attributes["rollcall.operations"]) >= 3)).toBe(true);
  expect(appends.every(({ attributes }) => Number(attributes["messaging.message.body.size"]) > 50)).toBe(
    true,
  );
  const ids = new Set(appends.map((span) => span.spanContext().spanId));
  const folds = spans("fold presence:records");
  expect(folds.some(({ parentSpanContext }) => ids.has(parentSpanContext?.spanId ?? ""))).toBe(true);
  expect(folds.some(({ attributes }) => Number(attributes["rollcall.operations"]) >= 3)).toBe(true);
});

it("what is made while the application traces something is no part of it", () => {
  const [start] = spans("start of the application");
  const { traceId } = start!.spanContext();
  const part = exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === traceId);
  expect(part.map(({ name }) => name)).toEqual(["start of the application"]);
});

it("a delivery has what its handler does in it, and says why it failed", () => {
  const deliveries = spans("deliver presence:changes").filter(
    ({ attributes }) => attributes["messaging.destination.subscription.name"] === "billing",
  );
  expect(deliveries[0]).toMatchObject({
    kind: SpanKind.CONSUMER,
    status: { code: SpanStatusCode.ERROR },
    attributes: { "error.type": "DELIVERY_FAILED", "rollcall.attempt": 1 },
  });
  expect(deliveries[1]).toMatchObject({
    status: { code: SpanStatusCode.UNSET },
    attributes: { "rollcall.attempt": 2 },
  });
  const [bill] = spans("bill");
  expect(bill!.parentSpanContext?.spanId).toBe(deliveries[0]!.spanContext().spanId);
});

it("a webhook's receiver gets the trace of its delivery", () => {
  const [post] = spans("POST");
  expect(post).toMatchObject({
    kind: SpanKind.CLIENT,
    attributes: {
      "http.request.method": "POST",
      "http.response.status_code": 204,
      "server.address": "127.0.0.1",
      "server.port": Number(new URL(receiver.url).port),
    },
  });
  const { traceId, spanId } = post!.spanContext();
  const { headers } = receiver.taken[0]!;
  expect(headers["traceparent"]).toBe(`00-${traceId}-${spanId}-01`);
  expect(headers["webhook-signature"]).toMatch(/^v1,/);
  const parent = spans("deliver presence:changes").find(
    (span) => span.spanContext().spanId === post!.parentSpanContext?.spanId,
  );
  expect(parent?.attributes["messaging.destination.subscription.name"]).toBe("crm");
});

it("levels are those of the process", async () => {
  expect(await points("rollcall.sockets")).toEqual([[{}, 1]]);
  expect(await series("rollcall_node_sockets")).toBe(1);
  expect(await points("rollcall.mirror.users")).toEqual([[{}, 1]]);
  expect(await points("rollcall.append.pending")).toEqual([[{}, 0]]);
});

it("durations are in seconds, in the buckets advised", async () => {
  const duration = (await metrics()).find(({ descriptor }) => descriptor.name === "rollcall.append.duration");
  expect(duration!.descriptor.unit).toBe("s");
  const [point] = duration!.dataPoints;
  const { buckets, sum, count } = point!.value as {
    buckets: { boundaries: number[] };
    sum: number;
    count: number;
  };
  expect(buckets.boundaries).toEqual([...SECONDS_BUCKETS]);
  expect(sum / count).toBeGreaterThan(0.00005);
  expect(sum / count).toBeLessThan(1);
});

it("a standalone projector tells of its folds and leaves the others' metrics when it closes", async () => {
  const before = (await series("rollcall_node_folded_records_total"))!;
  const projector = createProjector({ redis: server.url, prefix: "other", telemetry });
  await redis.xadd("{other}:records", "*", "not", "a record");
  const parent = tracerProvider.getTracer("application").startSpan("cron");
  await context.with((await import("@opentelemetry/api")).trace.setSpan(context.active(), parent), () =>
    projector.step(),
  );
  parent.end();
  await projector.close();
  const [fold] = spans("fold other:records");
  expect(fold!.parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
  expect(fold!.attributes["rollcall.rejected"]).toBe(1);
  expect(await series("rollcall_node_rejected_records_total")).toBe(1);
  expect(await series("rollcall_node_folded_records_total")).toBeGreaterThanOrEqual(before);
});

it("a connection that is cut is counted when it is back", async () => {
  proxy.cut();
  await until("every connection is back", async () => {
    const counted = await points("rollcall.reconnections");
    return ["recorder", "tail", "subscriber"].every((name) =>
      counted.some(([attributes, value]) => attributes["rollcall.connection"] === name && value > 0),
    );
  });
  expect(await series('rollcall_node_reconnections_total{connection="recorder"}')).toBe(1);
});

it("operations gather while Redis is away", async () => {
  proxy.refuse = true;
  proxy.cut();
  const [, second] = [
    await connect(node.url, "bob-who-is-private"),
    await connect(node.url, "carol-who-is-private"),
  ];
  await until("they are pending or in flight", async () => {
    const pending = (await series("rollcall_node_pending_operations")) ?? 0;
    return pending > 0 && (await series("rollcall_node_records_in_flight")) === 1;
  });
  proxy.refuse = false;
  await until("they are not any more", async () => (await series("rollcall_node_pending_operations")) === 0);
  second.disconnect();
});

it("a flush makes it register again and compare its mirror, with the reasons", async () => {
  await redis.flushdb();
  await until("it has registered again", () =>
    spans("register").some(({ attributes }) => attributes["rollcall.reason"] === "gone"),
  );
  await until("the mirror was compared", () => spans("resync").length > 0);
  expect(await points("rollcall.registrations")).toEqual(
    expect.arrayContaining([
      [{ "rollcall.reason": "start" }, 1],
      [{ "rollcall.reason": "gone" }, 1],
    ]),
  );
  expect(spans("resync")[0]!.attributes).toMatchObject({ "rollcall.reason": "lost" });
});

it("docs/operations.md lists every metric and every span", async () => {
  const section = sectionOf(readPage("docs/operations.md"), "Traces and metrics of a server");
  const cells = (column: number) =>
    section
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .flatMap((line) =>
        Array.from((line.split("|")[column] ?? "").matchAll(/`([^`]+)`/g), ([, name]) => name!),
      );
  const sorted = (names: Iterable<string>) => [...new Set(names)].sort();
  const listed = cells(1);
  const emitted = (await metrics()).map(({ descriptor }) => descriptor.name);
  expect(sorted(listed.filter((name) => name.startsWith("rollcall.")))).toEqual(sorted(emitted));

  const inRegistry = Array.from((await lines()).matchAll(/^# TYPE (\S+)/gm), ([, name]) => name!);
  expect(sorted(cells(2).filter((name) => name.startsWith("rollcall_node_")))).toEqual(sorted(inRegistry));

  const own = exporter.getFinishedSpans().filter((span) => span.instrumentationScope.name === "rollcall");
  const names = own.map(({ name }) => name.replace(/(presence|other):/, "<prefix>:"));
  expect(sorted(listed.filter((name) => !name.startsWith("rollcall.")))).toEqual(sorted(names));
  const attributes = own.flatMap((span) => Object.keys(span.attributes));
  for (const name of sorted(attributes))
    expect(section.includes(`\`${name}\``) || section.includes(name.replace(/^messaging\./, "")), name).toBe(
      true,
    );
});

it("no user, no room and no secret is in any of it", async () => {
  const all = JSON.stringify([
    exporter
      .getFinishedSpans()
      .map(({ name, attributes, status, events, links }) => ({ name, attributes, status, events, links })),
    await metrics(),
    await lines(),
  ]);
  expect(all).toContain("billing");
  for (const name of [USER, "bob-who", "carol-who", ROOM, SECRET, "no money"])
    expect(all).not.toContain(name);
});

it("the metrics leave the registry with the last that is closed, and levels are 0", async () => {
  await node.close();
  expect(await lines()).toBe("\n");
  expect(await points("rollcall.sockets")).toEqual([[{}, 0]]);
});
