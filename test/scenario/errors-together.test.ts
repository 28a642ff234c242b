/**
 * Goal: when everything that can be wrong with an application is wrong at once, during an outage too, each thing is one line and one error,
 * nothing is thrown or left unhandled, the counts are exact afterwards, and close() is quick (C1 to C8 together).
 * Method: a real server with 120 clients whose `user` is a number, a guest, or never known; listeners that throw and reject; ids that clients
 * choose; a Redis that cannot be reached meanwhile; the whole log is compared.
 */
import type { Socket } from "socket.io";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../packages/local-redis/src/index.ts";
import { connect, counts, startServer } from "../../rig/node.ts";
import { type Proxy, startProxy } from "../../rig/proxy.ts";
import { until, untilEqual } from "../../rig/until.ts";
import type { LogFields } from "../../src/core/options.ts";
import { createPresence, type Presence } from "../../src/presence/presence.ts";

let server: RedisServer;
let proxy: Proxy;
const unhandled: unknown[] = [];
const note = (error: unknown) => void unhandled.push(error);
beforeEach(async () => {
  server = await startRedis();
  proxy = await startProxy(server);
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
});
afterEach(async () => {
  process.off("unhandledRejection", note);
  process.off("uncaughtException", note);
  await proxy.close();
  await server.stop();
});

it("numbers for ids, listeners that reject, ids of 257 characters, a promise that never settles, and an outage", async () => {
  const lines: { level: string; text: string; fields: LogFields }[] = [];
  const say = (level: string) => (text: string, fields: LogFields = {}) => void lines.push({ level, text, fields });
  const { io, url } = await startServer();
  const thrown: unknown[] = [];
  let presence: Presence | undefined;
  /** As an application does that was there first. */
  io.on("connection", (socket: Socket) => {
    socket.on("i am", (id: string) => {
      try {
        presence!.identify(socket, id);
      } catch (error) {
        thrown.push(error);
      }
    });
  });
  const answers: Record<string, unknown> = { number: 42, guest: undefined, never: new Promise(() => {}) };
  presence = createPresence(io, {
    redis: proxy.url,
    // So long that a state is not over in between.
    ttl: 60_000,
    heartbeat: 20_000,
    user: ({ handshake: { auth } }) => {
      const { kind, user } = auth as { kind: string; user: string };
      return (kind in answers ? answers[kind] : user) as string;
    },
    logger: { info: say("info"), warn: say("warn"), error: say("error") },
  });
  const codes: string[] = [];
  presence.on("error", ({ code }) => void codes.push(code));
  presence.on("online", () => Promise.reject(new Error("of the application")));
  presence.on("offline", () => {
    throw new Error("of the application");
  });
  await presence.ready;

  const come = (kind: string, n: number, prefix = "") =>
    Promise.all(Array.from({ length: n }, (_, i) => connect(url, undefined, { auth: { kind, user: `${prefix}${i}` } })));
  // First, since a connection whose user is not known brings no record.
  const silent = await come("never", 10);
  const clients = [...(await come("number", 50)), ...(await come("guest", 20)), ...(await come("known", 20, "u"))];
  await untilEqual(() => counts(presence), { users: 20, sockets: 90, connections: 100 });
  for (const client of clients) client.emit("i am", "x".repeat(257));
  proxy.refuse = true;
  proxy.cut();
  clients.push(...(await come("number", 10)), ...(await come("known", 10, "late")));
  for (const client of clients) client.emit("i am", { toString: "not a function" });
  for (const client of silent) client.emit("i am", "\ud800");
  for (const client of clients.splice(85, 5)) client.disconnect();
  await until("the outage is told", () => lines.some(({ fields }) => fields.code === "REDIS_UNAVAILABLE"));
  proxy.refuse = false;
  await untilEqual(() => counts(presence).catch(() => ({})), { users: 25, sockets: 105, connections: 115 });
  await until("it is over", () => lines.some(({ fields }) => fields.code === "REDIS_UNAVAILABLE" && fields.ms !== undefined));

  const telling = (code: string, isOver: boolean) =>
    lines.filter(({ fields }) => fields.code === code && (fields.ms !== undefined) === isOver).length;
  expect([telling("REDIS_UNAVAILABLE", false), telling("REDIS_UNAVAILABLE", true)]).toEqual([1, 1]);
  // One for each event; a state that was over may begin again.
  const begun = telling("LISTENER_FAILED", false);
  expect(begun).toBeGreaterThan(0);
  expect(begun).toBeLessThanOrEqual(2 + telling("LISTENER_FAILED", true));
  // Once for what `user` returns, once for identify().
  const others = codes.filter((code) => code !== "LISTENER_FAILED");
  expect(others.toSorted()).toEqual(["REDIS_UNAVAILABLE", "USER_INVALID", "USER_INVALID"]);
  expect(lines.map(({ text }) => text).join()).not.toMatch(/xxx|late\d|"u\d/);
  expect([thrown, unhandled]).toEqual([[], []]);

  proxy.refuse = true;
  proxy.cut();
  await presence.close({ timeout: 300 });
  await io.close();
  expect(unhandled).toEqual([]);
}); // prettier-ignore
