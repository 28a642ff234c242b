/**
 * Goal: a presence follows the cluster's changes while it has listeners, and a listener that fails does not affect others.
 * Method: real Socket.IO servers on a real Redis; its list of clients shows who follows.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { connect, startServer, userOfAuth } from "../../../rig/node.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import type { PresenceError } from "../../../src/core/errors.ts";
import { OutageLog } from "../../../src/core/outage-log.ts";
import { Events } from "../../../src/presence/events.ts";
import { processRuntime } from "../../../src/time/runtime.ts";
import { createPresence, type Presence, type PresenceOptions } from "../../../src/presence/presence.ts";

let server: RedisServer;
let redis: Redis;
const open: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
  await redis.flushdb();
});
afterAll(async () => {
  await redis.quit();
  await server.stop();
});

async function start(options: Partial<PresenceOptions> = {}) {
  const { io, url } = await startServer();
  const logged: string[] = [];
  const log = (message: string) => void logged.push(message);
  const presence = createPresence(io, {
    redis: server.url,
    user: userOfAuth,
    ttl: 1_000,
    logger: { info() {}, warn: log, error: log },
    ...options,
  });
  open.push(async () => {
    await presence.close();
    await io.close();
  });
  return { io, url, presence, logged };
}

/** Until when somebody is known to listen, ms. */
const listened = async () => Number(await redis.hget("{presence}:totals", "listened"));

it("the projection knows that somebody listens, since nobody else needs changes soon", async () => {
  const { presence } = await start();
  await presence.ready;
  await until(
    "two heartbeats have been folded",
    async () => Number(await redis.hget("{presence}:totals", "records")) > 2,
  );
  expect(await listened()).toBe(0);
  presence.on("online", () => {});
  await until("it is noted", async () => (await listened()) > 0);
});

async function come(url: string, user: string) {
  const client = await connect(url, user);
  open.push(async () => client.disconnect());
  return client;
}

const tails = async () =>
  ((await redis.client("LIST")) as string).split("\n").filter((line) => line.includes("name=rollcall-tail"))
    .length;

function hear(presence: Presence): string[] {
  const heard: string[] = [];
  presence.on("online", (user) => heard.push(`+${user}`));
  presence.on("offline", (user) => heard.push(`-${user}`));
  return heard;
}

describe("following", () => {
  it("begins with the first listener; ready waits for it", async () => {
    const { presence, url } = await start();
    await presence.ready;
    expect(await tails()).toBe(0);
    presence.on("error", () => {});
    expect(await tails()).toBe(0);
    await come(url, "alice");
    await until("alice is online", () => presence.isOnline("alice"));
    const heard = hear(presence);
    await presence.ready;
    expect(await tails()).toBe(1);
    const ben = await come(url, "ben");
    await untilEqual(() => heard, ["+ben"]);
    ben.disconnect();
    await untilEqual(() => heard, ["+ben", "-ben"]);
  });

  it("ends with the last one, and can begin again", async () => {
    const { presence, url } = await start();
    const heard: string[] = [];
    const listener = (user: string) => heard.push(user);
    presence
      .on("online", listener)
      .once("offline", listener)
      .on("gap", listener as never);
    await presence.ready;
    presence.off("online", listener).off("gap", listener as never);
    expect(await tails()).toBe(1);
    presence.off("offline", listener);
    await untilEqual(tails, 0);
    await come(url, "alice");
    await until("alice is online", () => presence.isOnline("alice"));
    presence.on("online", listener);
    await presence.ready;
    await come(url, "ben");
    await untilEqual(() => heard, ["ben"]);
  });

  it("continues from one once() to the next", async () => {
    const { presence, url } = await start();
    const next = (event: "online" | "offline") =>
      new Promise<string>((resolve) => {
        presence.once(event, (user, _change) => resolve(user));
      });
    let heard = next("online");
    await presence.ready;
    const client = await come(url, "alice");
    expect(await heard).toBe("alice");
    heard = next("offline");
    client.disconnect();
    expect(await heard).toBe("alice");
  });

  it("close ends it, and a listener added later starts nothing", async () => {
    const { presence } = await start();
    hear(presence);
    await presence.ready;
    await presence.close();
    await untilEqual(tails, 0);
    hear(presence);
    expect(await tails()).toBe(0);
    expect(() => presence.mirror).toThrow(expect.objectContaining({ code: "CLOSED" }));
  });
});

it("FLUSHALL while ben leaves: every server emits his offline once, and nothing for users who stayed", async () => {
  const [one, two, three] = [await start(), await start(), await start()];
  const heard = [one, two, three].map(({ presence }) => hear(presence));
  await Promise.all([one, two, three].map(({ presence }) => presence.ready));
  await come(one.url, "alice");
  const ben = await come(one.url, "ben");
  await come(two.url, "carol");
  for (const each of heard) await untilEqual(() => [...each].sort(), ["+alice", "+ben", "+carol"]);
  for (const each of heard) each.length = 0;
  await redis.flushdb();
  ben.disconnect();
  for (const each of heard) await untilEqual(() => each, ["-ben"]);
  await come(three.url, "dan");
  for (const each of heard) await untilEqual(() => each, ["-ben", "+dan"]);
});

describe("the mirror", () => {
  it("answers from memory, without a listener", async () => {
    const [one, two] = [await start(), await start()];
    await come(one.url, "alice");
    await until("alice is online", () => two.presence.isOnline("alice"));
    await two.presence.mirror.ready;
    const { mirror } = two.presence;
    expect([mirror.has("alice"), mirror.has("ben"), mirror.size]).toEqual([true, false, 1]);
    const ben = await come(one.url, "ben");
    await until("ben is in it", () => mirror.has("ben"));
    ben.disconnect();
    await until("ben is out of it", () => !mirror.has("ben"));
    expect(await tails()).toBe(1);
    await two.presence.close();
    expect(() => mirror.has("alice")).toThrow(expect.objectContaining({ code: "CLOSED" }));
  });

  it("is kept when the last listener is removed", async () => {
    const { presence, url } = await start();
    const { mirror } = presence;
    const listener = () => {};
    presence.on("online", listener);
    await mirror.ready;
    presence.off("online", listener);
    await come(url, "alice");
    await until("alice is in it", () => mirror.has("alice"));
    expect(presence.mirror).toBe(mirror);
  });

  it("with more than mirrorMax users online there is none: gap is emitted, and listeners receive later changes", async () => {
    const { presence, url } = await start({ mirrorMax: 1 });
    const heard = hear(presence);
    const gaps: unknown[] = [];
    presence.on("gap", (gap) => gaps.push(gap));
    await presence.ready;
    await come(url, "alice");
    const ben = await come(url, "ben");
    await untilEqual(() => heard, ["+alice", "+ben"]);
    ben.disconnect();
    await untilEqual(() => heard, ["+alice", "+ben", "-ben"]);
    expect(gaps).toEqual([{ reason: "full" }]);
    expect(() => presence.mirror.size).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
  });

  it.each([0, -1, 1.5, 16_000_001])("mirrorMax cannot be %d", async (mirrorMax) => {
    await expect(start({ mirrorMax })).rejects.toMatchObject({
      code: "OPTIONS_INVALID",
      message: expect.stringContaining("mirrorMax") as string,
    });
  });
});

describe("a listener that fails", () => {
  it.each([
    [
      "throws",
      () => {
        throw new Error("mine");
      },
    ],
    ["rejects", () => Promise.reject(new Error("mine"))],
  ])("%s: LISTENER_FAILED is emitted, and the others are called", async (_, fails) => {
    const { presence, url } = await start();
    const errors: PresenceError[] = [];
    presence.on("error", (error) => errors.push(error));
    presence.on("online", fails);
    const heard = hear(presence);
    await presence.ready;
    await come(url, "alice");
    await untilEqual(() => heard, ["+alice"]);
    await untilEqual(() => errors.map(({ code }) => code), ["LISTENER_FAILED"]);
    expect(errors[0]!.message).toMatch(/"online"/);
    expect(errors[0]!.cause).toMatchObject({ message: "mine" });
  });

  it("of error itself, is only logged, once for all of them", async () => {
    const { presence, url, logged } = await start();
    const codes: string[] = [];
    presence.on("error", () => Promise.reject(new TypeError("mine")));
    presence.on("error", ({ code }) => {
      codes.push(code);
      throw new RangeError("mine");
    });
    presence.on("online", () => {
      throw new Error("mine");
    });
    await presence.ready;
    await come(url, "alice");
    await until("both are told", () => logged.length === 2);
    // With the place, not with the message.
    for (const [i, event, kind] of [[0, "online", "Error"], [1, "error", "RangeError"]] as const)
      expect(logged[i]).toMatch(
        new RegExp(
          `^a listener of "${event}" fails: LISTENER_FAILED: a listener of "${event}" threw: fix it; \`cause\` is what it threw ` +
            `\\(${kind}\\) at .*events\\.test\\.ts:\\d+:\\d+\\)?$`,
        ),
      ); // prettier-ignore
    expect(logged.join()).not.toContain("mine");
    expect(codes).toEqual(["LISTENER_FAILED"]);
  });

  it("ten thousand times, in every way, is one line and one error a kind of event", async () => {
    const logged: string[] = [];
    const codes: string[] = [];
    const say = (line: string) => void logged.push(line);
    const logger = { info: say, warn: say, error: say };
    const outages = new OutageLog({
      logger,
      onError: (error) => events.emit("error", error),
      runtime: processRuntime,
    });
    const events: Events = new Events(
      logger,
      () => {},
      (...failed) => outages.occurred(...failed),
    );
    events.add("error", ({ code }) => codes.push(code), false);
    const gap = { reason: "lost" } as const;
    events.add("gap", () => Promise.reject(new TypeError("mine")), false);
    // oxlint-disable-next-line only-throw-error -- an application may
    events.add("gap", () => { throw "text"; }, false); // prettier-ignore
    // A promise of another library, and one whose `then` throws.
    // oxlint-disable-next-line unicorn/no-thenable
    events.add("gap", () => ({ then: (_: unknown, no: (cause: unknown) => void) => no(null) }), false);
    // oxlint-disable-next-line unicorn/no-thenable
    events.add("gap", () => ({ get then(): never { throw new Error("mine"); } }), false); // prettier-ignore
    let last = 0;
    events.add("gap", () => last++, false);
    for (let i = 0; i < 10_000; i++) events.emit("gap", gap);
    await new Promise(setImmediate);
    expect(last).toBe(10_000);
    expect(codes).toEqual(["LISTENER_FAILED"]);
    expect(logged.length).toBe(1);
    outages.close();
    // What rejects later is still handled, and told nobody.
    events.emit("gap", gap);
    await new Promise(setImmediate);
    expect(logged.length).toBe(1);
  });

  it("removed by another, or by itself, is not called any more, and one that is added is not called yet", async () => {
    const { presence, url } = await start();
    const called: string[] = [];
    const second = () => called.push("second");
    const first = () => {
      called.push("first");
      presence.off("online", first).off("online", second);
      presence.on("online", () => called.push("added"));
    };
    presence.on("online", first).on("online", second).on("online", () => called.push("third")); // prettier-ignore
    await presence.ready;
    await come(url, "alice");
    await untilEqual(() => called, ["first", "third"]);
    await come(url, "bob");
    await untilEqual(() => called, ["first", "third", "third", "added"]);
  });

  it("must be a function", async () => {
    const { presence } = await start();
    expect(() => presence.on("online", "alice" as never)).toThrow(
      expect.objectContaining({ code: "OPTIONS_INVALID" }),
    );
  });
});

it("a listener of online and offline alike may take the user alone", () => {
  const say = () => {};
  const events = new Events({ info: say, warn: say, error: say }, say, say);
  const heard: string[] = [];
  // Compiled by tsc: the event is either of both here.
  for (const event of ["online", "offline"] as const) events.add(event, (user) => heard.push(user), false);
  const change = { id: "1-0", user: "alice", cause: "connect", at: new Date(0) } as const;
  events.emit("online", "alice", { ...change, type: "online" });
  events.emit("offline", "alice", { ...change, type: "offline", cause: "leave" });
  expect(heard).toEqual(["alice", "alice"]);
});
