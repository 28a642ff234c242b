/**
 * Goal: each change reaches a receiver at least once, signed, in order and with one id, whatever the receiver does; what it says is heeded;
 * no secret shows up in an error, a log or Redis.
 * Method: createWebhook over a real Redis, posting to a real server that fails in each way.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { until } from "../../../rig/until.ts";
import type { Logger } from "../../../src/core/options.ts";
import { createWebhook } from "../../../src/webhooks/create.ts";
import type { NamedWebhookOptions } from "../../../src/webhooks/options.ts";
import type { LoopSubscriber } from "../../../src/subscriber/loop.ts";
import { Crowd } from "../subscriber/support.ts";
import { type Answer, brief, newSecret, type Receiver, startReceiver, status, verified } from "./support.ts";

let server: RedisServer;
let crowd: Crowd;
let receiver: Receiver;
let open: LoopSubscriber[] = [];
const secret = newSecret();
const lines: string[] = [];
const note = (...what: unknown[]) => void lines.push(JSON.stringify(what));
const logger: Logger = { info: note, warn: note, error: note };

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  crowd = new Crowd(server.url);
  receiver = await startReceiver();
  lines.length = 0;
});
afterEach(async () => {
  await Promise.all(open.map((one) => one.close()));
  open = [];
  await crowd.close();
  await receiver[Symbol.asyncDispose]();
});

function webhook(options: Partial<NamedWebhookOptions> = {}): LoopSubscriber {
  const made = createWebhook({
    redis: server.url,
    prefix: crowd.prefix,
    name: "crm",
    url: `http://127.0.0.1:${receiver.port}/hooks?key=key-in-the-url`,
    secrets: [secret],
    allow: ["127.0.0.1"],
    retries: [0, 0],
    logger,
    ...options,
  });
  open.push(made);
  return made;
}

const events = (key = secret) => receiver.received.flatMap((one) => verified(one, key));
const told = () => events().map(brief);

describe("a change", () => {
  it("is a signed request of its own, in order", async () => {
    const hook = webhook();
    await hook.deliver();
    await crowd.say("+alice", "+bob");
    await crowd.say("~alice");
    expect(await hook.deliver()).toEqual({ handled: 3, idle: true, due: null, disabled: false });
    expect(told()).toEqual(["+alice connect", "+bob connect", "-alice leave"]);
    const [first] = receiver.received;
    const [entry] = await crowd.redis.xrange(crowd.keys.changes, "-", "+");
    expect(first).toMatchObject({
      method: "POST",
      path: "/hooks?key=key-in-the-url",
      headers: {
        "content-type": "application/json",
        "user-agent": expect.stringMatching(/^Rollcall\/\d/),
        "webhook-id": `0_${entry![0]}_0`,
        connection: "close",
      },
    });
    expect(Math.abs(Number(first!.headers["webhook-timestamp"]) - Date.now() / 1_000)).toBeLessThan(10);
    expect(new Set(events().map(({ id }) => id)).size).toBe(3);
  });

  it("of another type is not sent, and a gap always is", async () => {
    const hook = webhook({ types: ["user.offline"], userAgent: "crm/1" });
    await hook.deliver();
    await crowd.say("+alice", "+bob");
    await crowd.say("~alice");
    expect(await hook.deliver()).toMatchObject({ handled: 1 });
    await crowd.redis.del(crowd.keys.changes);
    await until("the gap is told", async () => {
      await hook.deliver();
      return told().includes("gap lost");
    });
    expect(told().slice(0, 2)).toEqual(["-alice leave", "gap lost"]);
    expect(receiver.received[0]!.headers["user-agent"]).toBe("crm/1");
  });

  it("comes with others in one request, if a batch is asked for", async () => {
    const hook = webhook({ batch: 3 });
    await hook.deliver();
    await crowd.say("+a", "+b", "+c", "+d");
    await hook.deliver();
    expect(told()).toEqual(["+a connect", "+b connect", "+c connect", "+d connect"]);
    expect(receiver.received.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual([
      "presence.batch",
      "presence.batch",
    ]);
    expect(receiver.received.map(({ headers }) => String(headers["webhook-id"]).split("_").at(-1))).toEqual([
      "3",
      "1",
    ]);
  });

  it("is sent as it happens by run()", async () => {
    const hook = webhook();
    const running = hook.run();
    await hook.ready;
    await crowd.say("+alice");
    await until("it came", () => told().length === 1);
    await hook.close();
    await running;
  });
});

it("while a secret is replaced, each of both verifies", async () => {
  const next = newSecret();
  const hook = webhook({ secrets: [next, secret] });
  await hook.deliver();
  await crowd.say("+alice");
  await hook.deliver();
  expect(events(next)).toEqual(events(secret));
  expect(() => events(newSecret())).toThrow(/signature/i);
});

describe("a receiver that fails", () => {
  const ways: [string, Answer, string][] = [
    ...[300, 301, 302, 307, 308, 400, 401, 403, 404, 408, 413, 422, 429, 500, 501, 502, 503, 504].map(
      (code): [string, Answer, string] => [
        `with ${code}`,
        status(code, { location: "/" }),
        `answered with status ${code}`,
      ],
    ),
    ["by a reset", (response) => response.socket!.resetAndDestroy(), "no answer: ECONNRESET"],
    ["by no answer", () => {}, "no answer within 300 ms"],
    ["by half a head", (response) => response.socket!.end("HTTP/1.1 200"), "no answer: "],
  ];

  it.each(ways)(
    "%s gets it again, with the same id and another signature, then it is a dead letter",
    async (_, answer, error) => {
      const hook = webhook({ timeout: 300 });
      await hook.deliver();
      await crowd.say("+alice");
      receiver.answer = answer;
      await until("it is given up", async () => {
        const { idle } = await hook.deliver();
        return idle;
      });
      expect(receiver.received).toHaveLength(3);
      expect(new Set(events().map(({ id }) => id)).size).toBe(1);
      const { letters } = await hook.deadLetters.list();
      expect(letters).toMatchObject([{ attempts: 3, error: expect.stringContaining(error) }]);
      // It comes again when an operator wishes, with the id it had.
      receiver.answer = status(204);
      await hook.deadLetters.retry(letters[0]!.id);
      await hook.deliver();
      expect(new Set(events().map(({ id }) => id)).size).toBe(1);
      expect(told()).toHaveLength(4);
    },
  );

  it("holds up what comes later, which then is sent in order", async () => {
    const hook = webhook({ retries: [0, 0, 0, 0] });
    await hook.deliver();
    await crowd.say("+alice");
    await crowd.say("+bob", "~alice");
    let failures = 2;
    receiver.answer = (response) => status(failures-- > 0 ? 500 : 200)(response, response.req);
    await until("all came", async () => (await hook.deliver()).idle);
    expect(told()).toEqual([
      "+alice connect",
      "+alice connect",
      "+alice connect",
      "+bob connect",
      "-alice leave",
    ]);
  });

  it.each([
    ["a slow body", (response: Parameters<Answer>[0]) => response.writeHead(200).write("a")],
    [
      "a huge body",
      (response: Parameters<Answer>[0]) => response.writeHead(202).end(Buffer.alloc(5_000_000)),
    ],
  ])("only with %s has it", async (_, answer) => {
    const hook = webhook({ timeout: 2_000 });
    await hook.deliver();
    await crowd.say("+alice");
    receiver.answer = answer;
    expect(await hook.deliver()).toMatchObject({ handled: 1, idle: true });
    await until("no connection is left", () => receiver.sockets.size === 0);
  });

  it("by 410 gets nothing more until it is enabled", async () => {
    const hook = webhook();
    await hook.deliver();
    await crowd.say("+alice");
    receiver.answer = status(410);
    expect(await hook.deliver()).toMatchObject({ handled: 0, disabled: true });
    expect(await hook.deliver()).toMatchObject({ disabled: true });
    expect(receiver.received).toHaveLength(1);
    expect(lines.join("\n")).toContain("SUBSCRIBER_DISABLED");
    receiver.answer = status(204);
    await hook.enable();
    expect(await hook.deliver()).toMatchObject({ handled: 1, disabled: false });
    expect(told()).toEqual(["+alice connect", "+alice connect"]);
  });

  it.each([429, 502, 503, 504])("by %i with Retry-After is left alone for as long", async (code) => {
    const hook = webhook();
    await hook.deliver();
    await crowd.say("+alice");
    receiver.answer = status(code, { "retry-after": "600" });
    expect((await hook.deliver()).due).toBeGreaterThan(595_000);
    receiver.answer = status(204);
    expect(await hook.deliver()).toMatchObject({ handled: 0, due: expect.any(Number) });
    expect(receiver.received).toHaveLength(1);
  });

  it("with Retry-After as a date is left alone until then, and for a day at most", async () => {
    const hook = webhook();
    await hook.deliver();
    await crowd.say("+alice");
    receiver.answer = status(503, { "retry-after": new Date(Date.now() + 3_600_000).toUTCString() });
    const { due } = await hook.deliver();
    expect(due).toBeGreaterThan(3_590_000);
    expect(due).toBeLessThanOrEqual(3_601_000);
    await hook.enable();
    receiver.answer = status(503, { "retry-after": new Date(Date.now() + 30 * 86_400_000).toUTCString() });
    expect((await hook.deliver()).due).toBe(86_400_000);
  });
});

it("a request under way at close() may end, and is not sent again", async () => {
  const hook = webhook();
  const running = hook.run();
  await hook.ready;
  const gate = Promise.withResolvers<void>();
  receiver.answer = async (response) => {
    await gate.promise;
    response.writeHead(204).end();
  };
  await crowd.say("+alice");
  await until("it is under way", () => receiver.received.length === 1);
  const closed = hook.close();
  // Long enough for an abort to get there, if there were one.
  for (let i = 0; i < 200; i++) await crowd.redis.ping();
  expect(receiver.sockets.size).toBe(1);
  gate.resolve();
  await closed;
  await running;
  const next = webhook();
  expect(await next.deliver()).toMatchObject({ handled: 0, idle: true });
  expect(receiver.received).toHaveLength(1);
});

it("neither secrets nor the URL are in what is logged, thrown or kept in Redis", async () => {
  const hook = webhook({ retries: [], timeout: 300 });
  await hook.deliver();
  for (const answer of [status(500), status(302), status(410), () => {}] as Answer[]) {
    receiver.answer = answer;
    await crowd.say("+alice");
    await crowd.say("~alice");
    await hook.enable();
    await hook.deliver();
  }
  const redis = new Redis(server.url);
  try {
    const kept: string[] = [];
    for (const key of await redis.keys(`*${crowd.prefix}*`)) kept.push((await redis.dump(key)) ?? "");
    const { letters } = await hook.deadLetters.list();
    const all = [...lines, ...kept, JSON.stringify(letters), JSON.stringify(hook)].join("\n");
    expect(lines).not.toEqual([]);
    expect(letters).not.toEqual([]);
    for (const hidden of [secret.slice(6), "key-in-the-url", "whsec_"]) expect(all).not.toContain(hidden);
  } finally {
    redis.disconnect();
  }
});
