/**
 * Goal: who comes and goes in a namespace or room is told on every server, as for the whole (INV-13), while it has listeners.
 * Method: real Socket.IO servers on a real Redis, and a process that records memberships by hand; Redis's list of clients shows who
 * follows.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { startServer, userOfAuth } from "../../../rig/node.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { BLOCK_MS, SCOPES_FOLLOWED_MAX } from "../../../src/core/limits.ts";
import type { PresenceError } from "../../../src/core/errors.ts";
import type { PresenceScope } from "../../../src/presence/scope-objects.ts";
import { createPresence, type PresenceOptions } from "../../../src/presence/presence.ts";
import { ScopeWriter } from "./scope-writer.ts";

const KEYS = keysOf("presence", 0, 1);
const TRACKS = ["/", "*/,*", "*/chat", "*/chat,*"];

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
  const { io } = await startServer();
  const errors: PresenceError[] = [];
  const logged: string[] = [];
  const log = (message: string) => void logged.push(message);
  const presence = createPresence(io, {
    redis: server.url,
    user: userOfAuth,
    ttl: 500,
    logger: { info() {}, warn: log, error: log },
    ...options,
  });
  presence.on("error", (error) => errors.push(error));
  open.push(async () => {
    await presence.close();
    await io.close();
  });
  await presence.ready;
  return { presence, errors, logged };
}

/** With a short lease, which it renews: departures wait for the longest one. */
function kept(): ScopeWriter {
  const writer = new ScopeWriter(redis, { tracks: TRACKS, ttl: 500 });
  const stop = writer.keep();
  open.push(async () => stop());
  return writer;
}

const codes = (errors: readonly PresenceError[]) => errors.map(({ code }) => code);

const tails = async () =>
  ((await redis.client("LIST")) as string).split("\n").filter((line) => line.includes("name=rollcall-tail"))
    .length;

function hear(scope: PresenceScope): string[] {
  const heard: string[] = [];
  scope.on("online", (user, { cause }) => heard.push(`+${user} ${cause}`));
  scope.on("offline", (user, { cause }) => heard.push(`-${user} ${cause}`));
  scope.on("gap", ({ reason }) => heard.push(`gap ${reason}`));
  return heard;
}

it("tells who comes and goes in a scope, on every server, and nothing of other scopes", async () => {
  const [one, two] = [await start(), await start()];
  const writer = new ScopeWriter(redis, { tracks: TRACKS });
  await writer.do("/,news", "+alice");
  const news = [one, two].map(({ presence }) => hear(presence.in("news")));
  const [chat, room] = [hear(one.presence.of("/chat")), hear(one.presence.of("/chat").in("news"))];
  await Promise.all([one.presence.ready, two.presence.ready]);
  await writer.do("/,games", "+ben");
  await writer.do("/,news", "+carol", "~alice");
  await writer.do("/chat", "+dan");
  await writer.do("/chat,news", "+eve");
  for (const each of news) await untilEqual(() => [...each].sort(), ["+carol connect", "-alice leave"]);
  await untilEqual(() => [chat, room], [["+dan connect"], ["+eve connect"]]);
  expect([...one.errors, ...two.errors]).toEqual([]);
});

describe("listeners", () => {
  it("are those of the scope, whichever object they were added to", async () => {
    const { presence } = await start();
    const writer = new ScopeWriter(redis, { tracks: TRACKS });
    const heard: string[] = [];
    const listener = (user: string) => heard.push(user);
    presence.in("news").on("online", listener).on("online", (user) => heard.push(`kept ${user}`)); // prettier-ignore
    presence.of("/").in("news").once("online", (user) => heard.push(`once ${user}`)); // prettier-ignore
    await presence.ready;
    await writer.do("/,news", "+alice");
    await untilEqual(() => heard, ["alice", "kept alice", "once alice"]);
    presence.in("news").off("online", listener);
    await writer.do("/,news", "+ben");
    await untilEqual(() => heard.slice(3), ["kept ben"]);
  });

  it("that throw or reject do not stop the others: one error for all", async () => {
    const { presence, errors } = await start();
    const writer = new ScopeWriter(redis, { tracks: TRACKS });
    for (const room of ["news", "games"])
      presence.in(room).on("online", () => Promise.reject(new Error("mine")));
    presence.in("news").on("online", () => {
      throw new Error("mine");
    });
    const heard = hear(presence.in("news"));
    await presence.ready;
    await writer.do("/,games", "+alice");
    await writer.do("/,news", "+alice");
    await untilEqual(() => heard, ["+alice connect"]);
    const failed = () => errors.filter(({ code }) => code === "LISTENER_FAILED");
    await untilEqual(() => failed().length, 1);
    expect(failed()[0]!.message).toContain("of a namespace or room");
  });

  it("removed by another are not called any more", async () => {
    const { presence } = await start();
    const writer = new ScopeWriter(redis, { tracks: TRACKS });
    const called: string[] = [];
    const second = () => called.push("second");
    const room = presence.in("news");
    room.on("online", () => {
      called.push("first");
      presence.in("news").off("online", second);
    });
    room.on("online", second).on("online", () => called.push("third")); // prettier-ignore
    await presence.ready;
    await writer.do("/,news", "+alice");
    await untilEqual(() => called, ["first", "third"]);
  });

  it("must be functions, of events that a scope has, in names that make a scope", async () => {
    const { presence } = await start();
    const refused = (code: string) => expect.objectContaining({ code }) as Error;
    expect(() => presence.in("news").on("online", "x" as never)).toThrow(refused("OPTIONS_INVALID"));
    expect(() => presence.in("news").on("error" as never, () => {})).toThrow(refused("OPTIONS_INVALID"));
    expect(() => presence.of("/a,b")).toThrow(refused("SCOPE_INVALID"));
    expect(() => presence.of("/").in("x".repeat(512))).toThrow(refused("SCOPE_INVALID"));
    expect(await tails()).toBe(0);
  });
});

describe("following", () => {
  it("has one connection for all scopes, which begins with the first listener and ends after the last", async () => {
    const { presence } = await start();
    presence.on("online", () => {});
    await presence.ready;
    expect(await tails()).toBe(1);
    const listener = () => {};
    const rooms = Array.from({ length: 50 }, (_, i) => presence.in(`room-${i}`));
    for (const room of rooms) room.on("online", listener);
    await presence.ready;
    expect(await tails()).toBe(2);
    for (const room of rooms) room.off("online", listener);
    await untilEqual(tails, 1);
    rooms[0]!.on("online", listener);
    await presence.ready;
    expect(await tails()).toBe(2);
    await presence.close();
    await untilEqual(tails, 0);
    presence.in("news").on("online", listener);
    expect(await tails()).toBe(0);
  });

  it("of one more scope begins at once, although the stream is being waited for", async () => {
    const { presence } = await start();
    const writer = new ScopeWriter(redis, { tracks: TRACKS });
    await writer.do("/,games", "+ben");
    hear(presence.in("news"));
    await presence.ready;
    const began = performance.now();
    const games = hear(presence.in("games"));
    await presence.ready;
    expect(performance.now() - began).toBeLessThan(BLOCK_MS * 0.8);
    await writer.do("/,games", "+carol", "~ben");
    await untilEqual(() => [...games].sort(), ["+carol connect", "-ben leave"]);
  });

  it("is known to the projection, so that nobody delays what is waited for", async () => {
    const { presence } = await start();
    const listened = async () => Number(await redis.hget(KEYS.totals, "listened"));
    expect(await listened()).toBe(0);
    hear(presence.in("news"));
    await until("it is noted", async () => (await listened()) > 0);
  });

  it(`of more than ${SCOPES_FOLLOWED_MAX} scopes is refused; those without listeners give way`, async () => {
    const { presence } = await start();
    const listener = () => {};
    for (let i = 0; i < SCOPES_FOLLOWED_MAX; i++) presence.in(`room-${i}`).on("online", listener);
    const more = () => presence.in("more").on("online", listener);
    expect(more).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
    presence.in("room-7").on("offline", listener);
    presence.in("room-7").off("online", listener);
    expect(more).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
    presence.in("room-7").off("offline", listener);
    more();
    await presence.ready;
    const writer = new ScopeWriter(redis, { tracks: TRACKS });
    const heard = hear(presence.in("room-999"));
    await writer.do("/,room-999", "+alice");
    await untilEqual(() => heard, ["+alice connect"]);
  });
});

describe("what was lost", () => {
  it("FLUSHALL while ben leaves: his offline is told once, and nothing for users who stayed", async () => {
    const { presence } = await start();
    const writer = kept();
    await writer.do("/,news", "+alice", "+ben");
    await writer.do("/,games", "+ben", "+carol");
    const [news, games] = [hear(presence.in("news")), hear(presence.in("games"))];
    await presence.ready;
    await redis.flushdb();
    writer.forget("/,news", "ben");
    await writer.register();
    await untilEqual(() => news, ["-ben resync"]);
    await writer.do("/,games", "+dan");
    await untilEqual(() => games, ["+dan connect"]);
  });

  it("a rebuild: what scopes had is void, although it is deleted little by little", async () => {
    const { presence, logged } = await start();
    const writer = kept();
    await writer.do("/,news", "+alice", "+ben");
    const news = hear(presence.in("news"));
    await presence.ready;
    await redis.del(KEYS.users);
    await redis.hdel(KEYS.totals, "checked");
    await writer.fold();
    await until("it was made again", async () =>
      (await redis.xrange(KEYS.moves, "-", "+")).some(([, [name]]) => name === "rebuilt"),
    );
    writer.forget("/,news", "ben");
    await writer.register();
    await untilEqual(() => news, ["-ben resync"]);
    await writer.do("/,news", "+carol");
    await untilEqual(() => news, ["-ben resync", "+carol connect"]);
    expect(logged.filter((line) => line.includes("differs"))).toEqual([]);
  });

  it("mirrorMax is for all scopes together: the one that does not fit has a gap, and its changes go on", async () => {
    const { presence } = await start({ mirrorMax: 3 });
    const writer = kept();
    const [news, games] = [hear(presence.in("news")), hear(presence.in("games"))];
    await presence.ready;
    await writer.do("/,news", "+alice", "+ben");
    await untilEqual(() => news.length, 2);
    await writer.do("/,games", "+carol", "+dan");
    await untilEqual(() => games, ["+carol connect", "+dan connect", "gap full"]);
    await writer.do("/,games", "~dan");
    await writer.do("/,news", "+eve");
    await untilEqual(() => [games.at(-1), news.at(-1)], ["-dan leave", "+eve connect"]);
    await redis.flushdb();
    await writer.register();
    await untilEqual(() => games.at(-1), "gap lost");
    expect(news.filter((one) => one.startsWith("gap"))).toEqual([]);
  });
});

describe("a scope whose changes are not told", () => {
  it("is an error, once; when they are told later, following works", async () => {
    const { presence, errors, logged } = await start();
    const before = new ScopeWriter(redis, { tracks: ["/,*"], tells: false });
    await before.do("/,news", "+alice");
    const news = hear(presence.in("news"));
    await presence.ready;
    await untilEqual(() => codes(errors), ["SCOPE_UNTRACKED"]);
    expect(errors[0]!.message).toContain("add it to `changes`");
    expect(errors[0]!.stack).toContain("scopes.test.ts");
    await before.do("/,news", "+ben");
    const after = new ScopeWriter(redis, { tracks: TRACKS });
    await after.do("/,news", "+carol");
    await untilEqual(() => [...news].sort(), ["+ben resync", "+carol resync"]);
    await before.do("/,news", "~alice");
    await untilEqual(() => news.at(-1), "-alice leave");
    const listener = () => {};
    presence.in("news").on("gap", listener);
    expect(codes(errors)).toEqual(["SCOPE_UNTRACKED"]);
    expect(logged.filter((line) => line.includes("differs"))).toEqual([]);
  });

  it.each([
    ["a name", ["news"]],
    ["a RegExp", [/^news$/]],
  ])("is none where %s of this process says that they are, or may be", async (_, changes) => {
    const { presence, errors } = await start({ rooms: true, changes });
    hear(presence.in("news"));
    if (typeof changes[0] === "string") hear(presence.in("other"));
    await presence.ready;
    const expected = typeof changes[0] === "string" ? ["SCOPE_UNTRACKED"] : [];
    await untilEqual(() => codes(errors), expected);
  });

  it("is none where a pattern says that they will be", async () => {
    const { presence, errors } = await start();
    await new ScopeWriter(redis, { tracks: TRACKS }).do("/,other", "+alice");
    hear(presence.in("news"));
    hear(presence.of("/elsewhere"));
    await untilEqual(() => codes(errors), ["SCOPE_UNTRACKED"]);
    await presence.ready;
    expect(errors).toHaveLength(1);
  });
});

it("history() of a room, kept by the servers themselves", async () => {
  const { presence } = await start({ rooms: ["news", "late"], history: { scopes: ["/,news", "/"] } });
  const writer = new ScopeWriter(redis, { tracks: TRACKS });
  const now = async (scope: Pick<PresenceScope, "history">) =>
    (await scope.history()).points.at(-1)!.users?.last;
  // The writer folds by itself, without a history: the server's next call sees what that came to.
  await writer.do("/,news", "+alice", "+bob");
  await untilEqual(() => now(presence.in("news")), 2, { timeout: 10_000 });
  await writer.do("/,news", "~bob");
  await untilEqual(() => now(presence.in("news")), 1, { timeout: 10_000 });
  await untilEqual(() => now(presence.of("/")), 0);
  await expect(presence.in("late").history()).rejects.toMatchObject({ code: "HISTORY_UNTRACKED" });
});
