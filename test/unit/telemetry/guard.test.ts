/**
 * Goal: whatever a telemetry does, the work that it is told of is done, once, and its result is that of the work; what it throws is logged
 * once. Options that cannot work are refused by name.
 */
import { Redis } from "ioredis";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, startNode } from "../../../rig/node.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { until } from "../../../rig/until.ts";
import { attachTelemetry, lent, type Telemetry, type TelemetrySink } from "../../../src/core/telemetry.ts";
import { openTelemetry } from "../../../src/otel.ts";
import { createProjector } from "../../../src/projector/create.ts";
import { prometheus } from "../../../src/prometheus.ts";
import { createSubscriber } from "../../../src/subscriber/create.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  await redis.quit();
  await server.stop();
});

const throws = (): never => {
  throw new Error("broken telemetry");
};
const rejects = (): never => Promise.reject(new Error("broken telemetry")) as never;
const working: TelemetrySink = {
  begin: () => ({ done() {}, failed() {} }),
  happened() {},
  close() {},
};
const source = { prefix: "presence", levels: () => ({}) };

function attached(...all: TelemetrySink[]) {
  const lines: string[] = [];
  const telemetries = all.map((sink): Telemetry => ({ attach: () => sink }));
  const sink = attachTelemetry(telemetries, source, { error: (line) => void lines.push(line) })!;
  return { sink, lines };
}

const fold = { records: 1, operations: 1, rejected: 0, fenced: 0, reaped: 0, changes: 0 };

describe.each([
  ["throws", throws],
  ["rejects", rejects],
])("a telemetry that %s", (_, breaks) => {
  const broken: [string, TelemetrySink][] = [
    ["begin", { ...working, begin: breaks }],
    ["happened", { ...working, happened: breaks }],
    ["close", { ...working, close: breaks }],
    ["apart", { ...working, apart: breaks }],
    ...(["done", "failed", "within", "headers"] as const).map((name): [string, TelemetrySink] => [
      name,
      { ...working, begin: () => ({ done() {}, failed() {}, [name]: breaks }) },
    ]),
  ];

  it.each(broken)("in %s changes nothing, and is logged once", async (_name, sink) => {
    const { sink: guarded, lines } = attached(sink);
    for (let i = 0; i < 2; i++) {
      const one = guarded.begin("fold", { shard: 0 });
      let calls = 0;
      expect(one.within(() => ++calls)).toBe(1);
      expect(guarded.apart(() => ++calls)).toBe(2);
      expect(one.headers()).toEqual({});
      expect(() => one.within(() => throws())).toThrow("broken telemetry");
      one.done(fold);
      guarded.begin("fold", { shard: 0 }).failed("PERMISSION");
      guarded.happened("reconnected", { connection: "tail" });
      lent(guarded)!.close();
    }
    guarded.close();
    await new Promise(setImmediate);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^LISTENER_FAILED: telemetry threw: fix it/);
    expect(lines[0]).not.toContain("broken telemetry");
  });
});

it("calls the work once, whatever the one around it does", () => {
  const never = { ...working, apart: () => undefined as never };
  const twice: TelemetrySink = { ...working, apart: (call) => (call(), call()) };
  for (const sink of [never, twice]) {
    let calls = 0;
    expect(attached(sink, sink).sink.apart(() => ++calls)).toBe(1);
  }
});

it("an operation ends once", () => {
  const ends: string[] = [];
  const { sink } = attached({
    ...working,
    begin: () => ({ done: () => void ends.push("done"), failed: (type) => void ends.push(type) }),
  });
  const one = sink.begin("fold", { shard: 0 });
  one.done(fold);
  one.failed("INTERNAL");
  one.done(fold);
  expect(ends).toEqual(["done"]);
});

it("headers that a request cannot have are left out", () => {
  const headers = {
    TraceParent: "00-1-2-01",
    "bad name": "x",
    "x-lines": "a\r\nb",
    "x-long": "x".repeat(2_000),
  };
  const { sink } = attached({
    ...working,
    begin: () => ({ done() {}, failed() {}, headers: () => headers }),
  });
  expect(sink.begin("post", { host: "h", port: 1, bytes: 1 }).headers()).toEqual({
    traceparent: "00-1-2-01",
  });
});

it("a server with a telemetry that always throws counts, delivers and closes", async () => {
  const all: TelemetrySink = {
    begin: () => ({ within: throws, headers: throws, done: throws, failed: throws }),
    happened: throws,
    apart: throws,
    close: throws,
  };
  const lines: string[] = [];
  const logger = { info() {}, warn() {}, error: (line: string) => void lines.push(line) };
  const node = await startNode({
    redis: server.url, prefix: "broken", logger, telemetry: [{ attach: () => all }, { attach: throws }],
  }); // prettier-ignore
  const handled: string[] = [];
  const billing = node.presence.subscribe("billing", (change) => void handled.push(change.type));
  await billing.ready;
  await connect(node.url, "alice");
  await until("it is delivered", () => handled.length > 0);
  expect(await node.presence.isOnline("alice")).toBe(true);
  await node.close();
  expect(node.errors).toEqual([]);
  expect(lines).toHaveLength(1);
});

it("a name that the registry has already is logged, and nothing of Rollcall stays in it", async () => {
  const registry = new Registry();
  const { Counter } = await import("prom-client");
  const own = new Counter({ name: "rollcall_node_lag_records", help: "another one", registers: [registry] });
  own.inc(3);
  const lines: string[] = [];
  const logger = { info() {}, warn() {}, error: (line: string) => void lines.push(line) };
  const projector = createProjector({ redis: server.url, logger, telemetry: prometheus(registry) });
  await projector.step();
  await projector.close();
  expect(lines).toHaveLength(1);
  expect(Array.from((await registry.metrics()).matchAll(/^# TYPE (\S+)/gm), ([, name]) => name)).toEqual([
    "rollcall_node_lag_records",
  ]);
});

it("options that cannot work are refused by name", () => {
  const invalid = (message: RegExp) =>
    expect.objectContaining({ code: "OPTIONS_INVALID", message: expect.stringMatching(message) as string });
  const refused = (call: () => unknown) => {
    try {
      call();
    } catch (error) {
      return error;
    }
    return undefined;
  };
  const bad = {} as Telemetry;
  expect(refused(() => createProjector({ redis: server.url, telemetry: bad }))).toEqual(
    invalid(/^telemetry must be/),
  );
  expect(refused(() => createProjector({ redis: server.url, telemetry: [bad] }))).toEqual(
    invalid(/^telemetry must be/),
  );
  expect(
    refused(() => createSubscriber({ redis: server.url, name: "x", handle() {}, telemetry: bad })),
  ).toEqual(invalid(/^telemetry must be/));
  expect(refused(() => openTelemetry({ traceProvider: {} } as object))).toEqual(
    invalid(/did you mean tracerProvider/),
  );
  expect(refused(() => openTelemetry({ tracerProvider: {} as never }))).toEqual(
    invalid(/^tracerProvider must have/),
  );
  expect(refused(() => prometheus({} as never))).toEqual(invalid(/Registry of prom-client/));
});

it("without an SDK nothing is told and nothing fails", async () => {
  const projector = createProjector({
    redis: server.url,
    prefix: "plain",
    logger: false,
    telemetry: openTelemetry(),
  });
  await expect(projector.step()).resolves.toMatchObject({ records: 0 });
  await projector.close();
});
