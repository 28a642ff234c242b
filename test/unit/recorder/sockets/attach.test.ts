/**
 * Goal: each ordinary way in which an event does not reach us ends in the right count within a heartbeat, with the right departure;
 * what the application's functions do is reported once a state; and a heartbeat holds the loop for a slice only.
 * Method: a real Socket.IO server and real clients, with a list for a journal; heartbeats are called, and the clock is the test's.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Server, Socket } from "socket.io";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { USER_MS } from "../../../../src/core/limits.ts";
import { attach, type Attachment, type AttachOptions } from "../../../../src/recorder/socket-io.ts";
import { connect, startServer } from "../../../../rig/node.ts";
import { until, untilEqual } from "../../../../rig/until.ts";

let io: Server;
let url: string;
let attachment: Attachment | undefined;
/** `+alice`, `-alice leave` … as they were recorded. */
let told: string[];
let errors: string[];
let lines: string[];
let now: number;
let timers: (() => void)[];

beforeEach(async () => {
  ({ io, url } = await startServer());
  [told, errors, lines, timers, now] = [[], [], [], [], 0];
});
afterEach(async () => {
  attachment?.detach();
  await io.close();
});

function count(options: Partial<AttachOptions> = {}): Attachment {
  return (attachment = attach({
    io,
    user: (socket) => socket.handshake.auth["user"] as string,
    namespaces: ["/"],
    connect: (user) => told.push(`+${user}`),
    disconnect: (user, departure) => told.push(`-${user} ${departure}`),
    join() {},
    part() {},
    onError: ({ code, message }) => errors.push(`${code}: ${message}`),
    logger: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
    heartbeat: 1_000,
    runtime: {
      now: () => now,
      after(_, then) {
        timers.push(then);
        return () => timers.splice(timers.indexOf(then), 1);
      },
    },
    ...options,
  }));
}

/** Lets the heartbeat come. */
const beat = () => timers.shift()!();
const sockets = (): Socket[] => [...io.sockets.sockets.values()];

describe("what the application's `user` does meanwhile", () => {
  it.each(["nothing", "a user", "a promise"] as const)(
    "a socket that it identifies stays so, if it returns %s",
    async (returned) => {
      const { promise, resolve } = Promise.withResolvers<string>();
      const answers = { nothing: undefined, "a user": "bob", "a promise": promise };
      const counting = count({
        user(socket) {
          counting.identify(socket, "alice");
          return answers[returned];
        },
      });
      await connect(url, "");
      await untilEqual(() => told[0], "+alice");
      resolve("bob");
      await turn();
      expect(told).toEqual(["+alice"]);
    },
  );

  it("a socket that it disconnects is not waited for", async () => {
    count({
      user(socket) {
        socket.disconnect(true);
        return new Promise(() => {});
      },
    });
    const client = await connect(url, "");
    await until("it is gone", () => !client.connected);
    now += USER_MS + 1;
    beat();
    expect([errors, told]).toEqual([[], []]);
  });

  it("an application that closes us when it hears of an error is listened to no more", async () => {
    const before = io.sockets.listenerCount("new_namespace");
    const counting = count({
      user: () => new Promise(() => {}),
      namespaces: [() => true],
      onError({ code }) {
        errors.push(code);
        counting.detach();
      },
    });
    await connect(url, "");
    await until("it was asked", () => sockets().length === 1);
    await turn();
    now += USER_MS + 1;
    beat();
    expect(errors).toEqual(["USER_FUNCTION_FAILED"]);
    expect(io.sockets.listenerCount("new_namespace")).toBe(before);
    expect(io.of("/later").listenerCount("connection")).toBe(0);
    expect(timers).toEqual([]);
  });
});

describe("what the application does to events", () => {
  it("`disconnecting` and `disconnect` listeners that were there first go after ours", async () => {
    const order: string[] = [];
    io.use((socket, next) => {
      socket.on("disconnecting", () => order.push(...told));
      next();
    });
    count();
    const client = await connect(url, "alice");
    client.disconnect();
    await untilEqual(() => order, ["+alice", "-alice leave"]);
  });

  it("`user` is asked after the `connection` listeners of the application, whenever they were added", async () => {
    io.on("connection", (socket) => void (socket.data = { user: "ali" }));
    count({ user: ({ data }) => (data as { user: string }).user });
    io.on("connection", (socket) => void ((socket.data as { user: string }).user += "ce"));
    const client = await connect(url);
    await untilEqual(() => told, ["+alice"]);
    client.disconnect();
  });

  it("a socket that its `connection` listener disconnects is never counted", async () => {
    count();
    io.on("connection", (socket) => socket.disconnect());
    const client = await connect(url, "alice");
    await until("it is gone", () => !client.connected);
    beat();
    expect(told).toEqual([]);
  });

  it("a socket that Socket.IO keeps as connected although its connection has closed is not counted", async () => {
    count();
    const client = await connect(url, "alice");
    await untilEqual(() => told, ["+alice"]);
    const [socket] = sockets();
    socket!.removeAllListeners();
    // As after a listener of `disconnecting` that throws: its own clean-up does not run.
    socket!._onclose = () => socket!;
    socket!.conn.close();
    beat();
    expect([io.sockets.sockets.size, socket!.connected]).toEqual([1, true]);
    expect(told).toEqual(["+alice", "-alice disconnect"]);
    beat();
    expect(told.length).toBe(2);
    client.disconnect();
  });

  it("a socket whose goodbye was heard does not come back, although Socket.IO keeps it", async () => {
    count();
    const client = await connect(url, "alice");
    const [socket] = sockets();
    socket!.on("disconnecting", () => {
      throw new Error("a bug of the application");
    });
    expect(() => socket!.disconnect()).toThrow("a bug of the application");
    beat();
    await turn();
    expect([io.sockets.sockets.size, socket!.conn.readyState]).toEqual([1, "open"]);
    expect(told).toEqual(["+alice", "-alice leave"]);
    socket!.removeAllListeners("disconnecting");
    client.disconnect();
  });

  it("corrections are one line while they last, and one when they are over", async () => {
    count();
    io.sockets.removeAllListeners("connection");
    const clients = [await connect(url, "alice"), await connect(url, "bob")];
    beat();
    await untilEqual(() => told, ["+alice", "+bob"]);
    beat();
    beat();
    expect(lines.map((line) => line.replace(/:.*/, ""))).toEqual([
      "sockets came or went unnoticed and were counted late",
      "no more sockets corrected by a level check; 2 in all",
    ]);
    // And we listen again.
    clients.push(await connect(url, "carol"));
    await untilEqual(() => told.at(-1), "+carol");
    for (const client of clients) client.disconnect();
  });
});

describe("the `user` function", () => {
  it("a promise that never settles leaves an anonymous socket after a while, one error, and may still be answered", async () => {
    const answers: ((user: string) => void)[] = [];
    count({ user: () => new Promise((resolve) => answers.push(resolve)) });
    const clients = [await connect(url), await connect(url), await connect(url)];
    await until("all asked", () => answers.length === 3);
    now = USER_MS - 1;
    beat();
    expect(told).toEqual([]);
    now = USER_MS;
    beat();
    expect(told).toEqual(["+", "+", "+"]);
    expect(errors).toEqual([expect.stringMatching(/^USER_FUNCTION_FAILED: .* has not settled for 30 s/)]);
    answers[0]!("alice");
    await untilEqual(() => told.slice(3), ["- leave", "+alice"]);
    // One that has gone, or was identified meanwhile, no longer matters.
    const [, second, third] = sockets();
    attachment!.identify(second!, "bob");
    third!.disconnect();
    answers[1]!("nobody");
    answers[2]!("nobody");
    await turn();
    expect(told.slice(5)).toEqual(["- leave", "+bob", "- leave"]);
    for (const client of clients) client.disconnect();
  });

  it.each([
    ["undefined, for a guest", undefined, []],
    ["null, for a guest", null, []],
    ["a number", 42, ["USER_INVALID: a user id must be a string, got a number: pass String(id)"]],
    [
      "a promise of a number",
      Promise.resolve(42),
      ["USER_INVALID: a user id must be a string, got a number: pass String(id)"],
    ],
    ["an object", { id: 1 }, ["USER_INVALID: a user id must be a string, got object"]],
  ])(
    "may return %s: anonymous, with one error for many sockets if it is wrong",
    async (_, answer: unknown, wrong) => {
      count({ user: () => answer as string });
      const clients = [await connect(url), await connect(url), await connect(url)];
      await untilEqual(() => told, ["+", "+", "+"]);
      expect(errors).toEqual(wrong);
      for (const client of clients) client.disconnect();
    },
  );

  it("fails once a state: again only after a heartbeat without a failure", async () => {
    const user = () => {
      throw new Error("a bug of the application");
    };
    count({ user });
    const come = async () => {
      const before = told.length;
      const client = await connect(url);
      await until("counted", () => told.length > before);
      return client;
    };
    const clients = [await come(), await come()];
    beat();
    clients.push(await come());
    expect(errors.length).toBe(1);
    beat();
    beat();
    expect(lines).toEqual(["no more failures of the `user` function; 3 in all"]);
    clients.push(await come());
    expect(errors.length).toBe(2);
    for (const client of clients) client.disconnect();
  });
});

it("a heartbeat compares in slices, one pass at a time, and detaching ends it", async () => {
  count();
  const client = await connect(url, "alice");
  await untilEqual(() => told, ["+alice"]);
  // The same socket under many ids: looked at each time.
  const [socket] = sockets();
  let looks = 0;
  Object.defineProperty(socket!, "connected", { get: () => (looks++, true) });
  const missed = Object.create(socket!) as Socket;
  for (let i = 0; i < 10_000; i++) io.sockets.sockets.set(String(i), missed);
  Object.defineProperty(missed, "connected", { get: () => (looks++, false) });
  looks = 0;
  beat();
  expect(looks).toBeGreaterThan(500);
  expect(looks).toBeLessThanOrEqual(1_000);
  beat();
  expect(looks).toBeLessThanOrEqual(1_000);
  await until("all are compared", () => looks >= 10_000);
  await turn();
  looks = 0;
  beat();
  attachment!.detach();
  const soFar = looks;
  for (let i = 0; i < 20; i++) await turn();
  expect(looks).toBe(soFar);
  expect(timers).toEqual([]);
  for (let i = 0; i < 10_000; i++) io.sockets.sockets.delete(String(i));
  client.disconnect();
});
