/**
 * Goal: the recipes with Express and a session, a JSON Web Token, and Fastify do what their pages say.
 * Method: each as a process, with real clients: cookies of a login, tokens good and bad, sockets that are open while it closes.
 */
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { sign } from "hono/jwt";
import { Redis } from "ioredis";
import { io as connectClient } from "socket.io-client";
import { startRedis as startLocalRedis } from "../../../packages/local-redis/src/index.ts";
import { createReader } from "../../../src/index.ts";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { PATIENT, startExample, tab } from "./support.ts";

let redis: RedisServer;
let client: Redis;
beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.url);
});
beforeEach(() => client.flushdb());
afterAll(async () => {
  client.disconnect();
  await redis.stop();
});

/** Why a server does not let a client in. */
async function refusal(url: string, auth: Record<string, unknown>): Promise<string> {
  const socket = connectClient(url, { auth, forceNew: true, transports: ["websocket"], reconnection: false });
  onTestFinished(() => void socket.disconnect());
  return new Promise((resolve) => {
    socket.once("connect_error", ({ message }) => resolve(message));
    socket.once("connect", () => resolve("let in"));
  });
}

it(
  "express-session: the login names the sockets, and logging out ends them, all of one user's",
  PATIENT,
  async () => {
    const own = await startLocalRedis();
    onTestFinished(() => own.stop());
    const { url, stop } = await startExample("express-session/server.ts", own.url);
    const post = (path: string, body: unknown, cookie = "") =>
      fetch(url + path, {
        method: "POST",
        headers: { "content-type": "application/json", cookie },
        body: JSON.stringify(body),
      });
    async function login(user: string): Promise<string> {
      const response = await post("/login", { user });
      expect(response.status).toBe(204);
      return response.headers.getSetCookie()[0]!.split(";")[0]!;
    }
    const online = async (cookie: string) =>
      (await fetch(`${url}/online`, { headers: { cookie } })).json() as Promise<unknown>;
    const withCookie = (cookie: string) => tab(url, undefined, { extraHeaders: { cookie } });

    expect(await refusal(url, {})).toBe("log in first");
    expect((await post("/login", { user: "mallory" })).status).toBe(401);
    expect((await post("/login", [])).status).toBe(401);
    expect((await fetch(`${url}/online`)).status).toBe(401);

    const [alice, phone, bob] = [await login("alice"), await login("alice"), await login("bob")];
    const tabs = [await withCookie(alice), await withCookie(phone)];
    const other = await withCookie(bob);
    await untilEqual(() => online(bob), { online: ["alice", "bob"] });

    const reasons: string[] = [];
    for (const one of tabs) one.on("disconnect", (reason) => reasons.push(reason));
    expect((await post("/logout", {}, alice)).status).toBe(204);
    // This reason is the one after which a client does not connect again by itself.
    await untilEqual(() => reasons, ["io server disconnect", "io server disconnect"]);
    await untilEqual(() => online(bob), { online: ["bob"] });
    expect(other.connected).toBe(true);
    expect((await fetch(`${url}/online`, { headers: { cookie: alice } })).status).toBe(401);
    await own.stop();
    expect((await fetch(`${url}/online`, { headers: { cookie: bob } })).status).toBe(503);
    expect(await stop()).toBe(0);
  },
);

it(
  "jwt-middleware: a good token lets in as its subject until it expires; others are refused",
  PATIENT,
  async () => {
    const secret = "a-secret-of-thirty-two-characters";
    const { url, stop } = await startExample("jwt-middleware/server.ts", redis.url, { JWT_SECRET: secret });
    const now = Math.floor(Date.now() / 1_000);
    const token = (payload: object, key = secret) =>
      sign({ sub: "alice", exp: now + 600, ...payload }, key, "HS256");
    const unsigned = ["none", "HS256"].map((alg) =>
      [
        { alg, typ: "JWT" },
        { sub: "alice", exp: now + 600 },
      ]
        .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
        .join("."),
    );
    const bad = [
      undefined,
      42,
      "no token",
      `${unsigned[0]}.`,
      `${unsigned[1]}.`,
      await token({}, "another-secret-of-thirty-two-char"),
      await token({ exp: now - 1 }),
      await token({ exp: undefined }),
      await token({ sub: "" }),
      await token({ sub: 7 }),
    ];
    for (const one of bad) expect(await refusal(url, { token: one }), String(one)).toBe("unauthorized");

    const alice = await tab(url, undefined, { auth: { token: await token({}) } });
    await untilEqual(() => alice.emitWithAck("who is online"), { users: ["alice"] });
    const soon = Math.ceil(Date.now() / 1_000) + 2;
    const bob = await tab(url, undefined, { auth: { token: await token({ sub: "bob", exp: soon }) } });
    await untilEqual(() => alice.emitWithAck("who is online"), { users: ["alice", "bob"] });
    await until("the token has expired", () => !bob.connected);
    expect(Date.now()).toBeGreaterThanOrEqual(soon * 1_000 - 5);
    await untilEqual(() => alice.emitWithAck("who is online"), { users: ["alice"] });
    expect(await stop()).toBe(0);
  },
);

it("fastify: it closes although sockets are open, and says goodbye for them", PATIENT, async () => {
  const reader = createReader({ redis: redis.url });
  onTestFinished(() => reader.close());
  const { url, stop } = await startExample("fastify/server.ts", redis.url);
  const ask = async (path: string) => (await fetch(url + path)).json() as Promise<unknown>;
  await tab(url, "alice");
  await tab(url, "alice", { transports: ["polling"] });
  await untilEqual(() => ask("/counts"), { users: 1, sockets: 2 });
  expect(await ask("/users/alice")).toEqual({ id: "alice", online: true });
  expect(await ask("/users/bob")).toEqual({ id: "bob", online: false });
  expect(await ask(`/users/${"€".repeat(90)}`)).toEqual({ error: "USER_INVALID" });
  const start = performance.now();
  expect(await stop()).toBe(0);
  expect(performance.now() - start).toBeLessThan(25_000); // a poll that is never answered holds the server for 30 s
  expect((await reader.processes()).processes).toEqual([]); // one that is killed stays until its lease ends
});
