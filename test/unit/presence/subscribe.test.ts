/**
 * Goal: presence.subscribe() hands each change to one of the servers, soon; what a server leaves goes on elsewhere; failures are events.
 * Method: real servers and clients in this process.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { connect, startNode, type TestNode } from "../../../rig/node.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import type { Delivery } from "../../../src/core/delivery.ts";
import { createSubscriber } from "../../../src/subscriber/create.ts";
import { short } from "../subscriber/support.ts";

let server: RedisServer;
let prefixes = 0;
let prefix: string;
const nodes: TestNode[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
});

async function start(count: number, shards = 1): Promise<TestNode[]> {
  prefix = `subscribe${prefixes++}`;
  for (let i = 0; i < count; i++) nodes.push(await startNode({ redis: server.url, prefix, shards }));
  return nodes;
}

describe.each([1, 3])("with %i shard(s)", (shards) => {
  it("each change is handled once on three servers", async () => {
    await start(3, shards);
    const got: string[] = [];
    for (const [i, { presence }] of nodes.entries())
      presence.subscribe("billing", (delivery, { id }) => void got.push(`${short(delivery)} ${id} ${i}`), {
        filter: { types: ["offline"] },
        from: "start",
      });
    const clients = [];
    for (let i = 0; i < 6; i++) {
      clients.push(
        await connect(nodes[i % 3]!.url, `u${i}`),
        await connect(nodes[(i + 1) % 3]!.url, `u${i}`),
      );
    }
    await untilEqual(async () => (await nodes[0]!.presence.counts()).sockets, 12);
    for (const client of clients) client.disconnect();
    await untilEqual(
      () => got.map((line) => line.split(" ")[0]).toSorted((a, b) => a!.localeCompare(b!)),
      Array.from({ length: 6 }, (_, i) => `-u${i}`),
    );
    expect(new Set(got.map((line) => line.split(" ")[2])).size).toBe(6);
    expect(nodes.flatMap(({ errors }) => errors)).toEqual([]);
  });
});

it("a server that closes gives its turn away at once", async () => {
  const [a, b] = await start(2);
  const got: string[] = [];
  const first = a!.presence.subscribe("billing", (delivery) => void got.push(`a ${short(delivery)}`), {
    turn: 1_500,
  });
  await first.ready;
  const one = await connect(b!.url, "alice");
  await untilEqual(() => got, ["a +alice connect"]);
  b!.presence.subscribe("billing", (delivery) => void got.push(`b ${short(delivery)}`), { turn: 1_500 });
  await first.close();
  one.disconnect();
  await untilEqual(() => got.at(-1), "b -alice leave");
  // And the name is free again.
  a!.presence.subscribe("billing", () => {});
  expect(() => a!.presence.subscribe("billing", () => {})).toThrow("already serves");
});

it("a handler that fails is an error event and is called again", async () => {
  const [a] = await start(1);
  const attempts: number[] = [];
  a!.presence.subscribe(
    "billing",
    (_, { attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error("down");
    },
    { retries: [1, 1], from: "start" },
  );
  await connect(a!.url, "alice");
  await untilEqual(() => attempts, [1, 2, 3]);
  expect(a!.errors).toEqual([expect.objectContaining({ code: "DELIVERY_FAILED" })]);
});

it("close() fires the signal and does not count what it interrupts as a failure", async () => {
  const [a, b] = await start(2);
  let begun = false;
  const first = a!.presence.subscribe("billing", async (_, { signal }) => {
    begun = true;
    const closed = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    await closed;
    throw new Error("interrupted");
  });
  await first.ready;
  await connect(b!.url, "alice");
  await until("the handler runs", () => begun);
  await a!.close();
  const got: [string, number][] = [];
  b!.presence.subscribe("billing", (delivery, { attempt }) => void got.push([short(delivery), attempt]));
  await untilEqual(() => got, [["+alice connect", 1]]);
  expect(a!.errors).toEqual([]);
});

it("a worker serves it while Redis comes and goes, with what happened meanwhile", async () => {
  const [a] = await start(1);
  const got: Delivery[] = [];
  await using worker = createSubscriber({
    redis: server.url,
    prefix,
    name: "billing",
    logger: false,
    handle: (delivery) => void got.push(delivery),
  });
  const ended = new AbortController();
  const run = worker.run({ signal: ended.signal });
  await worker.ready;
  const alice = await connect(a!.url, "alice");
  await untilEqual(() => got.map(short), ["+alice connect"]);
  ended.abort();
  await run;
  alice.disconnect();
  await untilEqual(async () => (await a!.presence.counts()).users, 0);
  const again = worker.run();
  await untilEqual(() => got.map(short), ["+alice connect", "-alice leave"]);
  await worker.close();
  await again;
  await expect(worker.run()).rejects.toMatchObject({ code: "CLOSED" });
});

it("options are checked", async () => {
  const [a] = await start(1);
  const { presence } = a!;
  const wrong =
    (options: object, name = "billing") =>
    () =>
      presence.subscribe(name, () => {}, options);
  expect(wrong({}, "a b")).toThrow("name must be");
  expect(wrong({ batch: 0 })).toThrow("batch");
  expect(wrong({ retrys: [] })).toThrow("did you mean retries");
  expect(wrong({ filter: { types: ["away"] } })).toThrow("filter.types[0]");
  expect(wrong({ filter: { kind: [] } })).toThrow("filter.kind");
  expect(wrong({ filter: { users: [] } })).toThrow("filter.users");
  expect(wrong({ retries: [-1] })).toThrow("retries[0]");
  expect(wrong({ from: "yesterday" })).toThrow("from");
  expect(wrong({ turn: 10 })).toThrow("turn");
});

it.each([
  ["prefix", "other"],
  ["shards", 2],
  ["name", "other"],
  ["logger", false],
  ["telemetry", []],
])("what is the presence's own is refused, not ignored: %s", async (option, value) => {
  const [a] = await start(1);
  const { presence } = a!;
  const options = { [option]: value };
  expect(() => presence.subscribe("billing", () => {}, options)).toThrow(
    `unknown option ${option} of subscribe()`,
  );
  const hook = { url: "https://example.com/hook", secrets: ["whsec_MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"] };
  expect(() => presence.webhook("hook", { ...hook, ...options })).toThrow(
    `unknown option ${option} of webhook()`,
  );
});
