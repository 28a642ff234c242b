/**
 * Goal: presence.webhook() posts each change once from one of the servers; failures are events; it ends with the server.
 * Method: real servers and clients in this process, and a receiver.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { connect, startNode, type TestNode } from "../../../rig/node.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { brief, newSecret, type Receiver, startReceiver, status, verified } from "../webhooks/support.ts";

let server: RedisServer;
let receiver: Receiver;
let prefixes = 0;
const nodes: TestNode[] = [];
const secret = newSecret();
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
  await receiver[Symbol.asyncDispose]();
});

async function start(count: number): Promise<TestNode[]> {
  const prefix = `webhook${prefixes++}`;
  for (let i = 0; i < count; i++) nodes.push(await startNode({ redis: server.url, prefix, shards: 1 }));
  return nodes;
}

const told = () => receiver.received.flatMap((one) => verified(one, secret)).map(brief);
const options = () => ({
  url: `http://127.0.0.1:${receiver.port}/`,
  secrets: [secret],
  allow: ["127.0.0.1"],
  from: "start" as const,
});

it("each change is posted once from two servers, also after one of them has closed", async () => {
  const [a, b] = await start(2);
  for (const { presence } of nodes) presence.webhook("crm", options());
  const alice = await connect(a!.url, "alice");
  await untilEqual(told, ["+alice connect"]);
  const bob = await connect(b!.url, "bob");
  await untilEqual(told, ["+alice connect", "+bob connect"]);
  await a!.presence.close();
  bob.disconnect();
  await until("bob has gone", () => told().some((one) => one.startsWith("-bob")));
  expect(new Set(told()).size).toBe(told().length);
  alice.disconnect();
});

it("a failure is an event, which does not show where it was to go; then it is sent again", async () => {
  const [a] = await start(1);
  receiver.answer = status(500);
  a!.presence.webhook("crm", { ...options(), retries: [0, 0, 0, 0, 0, 0, 0, 0] });
  const alice = await connect(a!.url, "alice");
  await until("the failure is told", () => a!.errors.some(({ code }) => code === "DELIVERY_FAILED"));
  for (const error of a!.errors)
    expect(`${error.message} ${String(error.cause)}`).not.toContain(String(receiver.port));
  receiver.answer = status(204);
  await until("it came", () => told().length >= 2);
  expect(new Set(told())).toEqual(new Set(["+alice connect"]));
  alice.disconnect();
});

it("options are checked, a name is served once, and nothing begins after close()", async () => {
  const [a] = await start(1);
  const { presence } = a!;
  expect(() => presence.webhook("crm", { ...options(), allow: [] })).toThrow("private or reserved");
  expect(() => presence.webhook("crm", { ...options(), secrets: ["whsec_"] })).toThrow("secrets[0]");
  const first = presence.webhook("crm", options());
  expect(() => presence.webhook("crm", options())).toThrow("already serves");
  expect(() => presence.subscribe("crm", () => {})).toThrow("already serves");
  await first.close();
  await presence.webhook("crm", options()).ready;
  await presence.close();
  expect(() => presence.webhook("other", options())).toThrow("closed");
});
