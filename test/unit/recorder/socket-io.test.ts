/**
 * Goal: the counts equal the connected sockets, for every way a Socket.IO socket connects, changes and disconnects.
 * Method: real servers and real clients; presence is polled until it has the expected state.
 */
import { execFileSync } from "node:child_process";
import { Cluster, Redis } from "ioredis";
import type { Socket } from "socket.io";
import { Manager } from "socket.io-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { createPresence, type Presence } from "../../../src/index.ts";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import { connect, counts, startNode, startServer, type TestNode, userOfAuth } from "../../../rig/node.ts";
import { until, untilEqual } from "../../../rig/until.ts";

let server: RedisServer;
let prefix: string;
let prefixes = 0;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  prefix = `s${prefixes++}`;
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((node) => node.close()));
});

async function node(
  ...[options, io]: [Partial<Parameters<typeof startNode>[0]>?, Parameters<typeof startNode>[1]?]
): Promise<TestNode> {
  // A short heartbeat: a connection that closes after its socket is reported with the next one.
  const started = await startNode({ redis: server.url, prefix, heartbeat: 200, ...options }, io);
  open.push(started);
  return started;
}

describe("sockets", () => {
  it("are counted, anonymous ones too, and their users are counted once", async () => {
    const a = await node();
    const clients = [
      await connect(a.url, "alice"),
      await connect(a.url, "alice"),
      await connect(a.url, "bob"),
      await connect(a.url),
    ];
    await untilEqual(() => counts(a.presence), { users: 2, sockets: 4, connections: 4 });
    expect(await a.presence.user("alice")).toMatchObject({ online: true, sockets: 2 });
    for (const client of clients) client.disconnect();
    await untilEqual(() => counts(a.presence), { users: 0, sockets: 0, connections: 0 });
    await untilEqual(
      () => a.heard.toSorted(),
      ["+alice connect", "+bob connect", "-alice leave", "-bob leave"],
    );
  });

  it("that were open before presence was attached are counted", async () => {
    const bare = await startServer();
    const client = await connect(bare.url, "alice");
    const a = await node({}, bare);
    await untilEqual(() => counts(a.presence), { users: 1, sockets: 1, connections: 1 });
    client.disconnect();
    // That she came may have been before this server listened.
    await untilEqual(() => a.heard.at(-1), "-alice leave");
  });

  it("disconnect when the transport drops, and leave after a goodbye from either side", async () => {
    const a = await node();
    const [drops, leaves, kicked] = [
      await connect(a.url, "drops"),
      await connect(a.url, "leaves"),
      await connect(a.url, "kicked"),
    ];
    await untilEqual(async () => (await counts(a.presence)).users, 3);
    drops.io.engine.close();
    leaves.disconnect();
    [...a.io.of("/").sockets.values()]
      .find((socket) => socket.handshake.auth["user"] === "kicked")!
      .disconnect();
    await untilEqual(
      () => a.heard.filter((line) => line.startsWith("-")).sort(),
      ["-drops disconnect", "-kicked leave", "-leaves leave"],
    );
    kicked.disconnect();
  });

  it("keep their user present for the grace after a dropped transport, not after a goodbye", async () => {
    const a = await node({ grace: 60_000 });
    const first = await connect(a.url, "alice");
    await untilEqual(() => a.heard, ["+alice connect"]);
    first.io.engine.close();
    await untilEqual(() => counts(a.presence), { users: 1, sockets: 0, connections: 0 });
    expect(await a.presence.user("alice")).toMatchObject({ online: true, sockets: 0 });
    const second = await connect(a.url, "alice");
    await untilEqual(async () => (await counts(a.presence)).sockets, 1);
    second.disconnect();
    await untilEqual(() => a.heard, ["+alice connect", "-alice leave"]);
  });
});

describe("an async user function", () => {
  it("lets its socket be counted once it resolves; a socket that has left by then is never counted", async () => {
    const pending = new Map<string, (user: string) => void>();
    const a = await node({
      user: (socket) =>
        new Promise((resolve) => pending.set(socket.handshake.auth["user"] as string, resolve)),
    });
    const stays = await connect(a.url, "stays");
    const goes = await connect(a.url, "goes");
    await until("both asked", () => pending.size === 2);
    goes.disconnect();
    await until("the server noticed", () => a.io.of("/").sockets.size === 1);
    pending.get("goes")!("goes");
    pending.get("stays")!("stays");
    await untilEqual(() => counts(a.presence), { users: 1, sockets: 1, connections: 1 });
    stays.disconnect();
    await untilEqual(() => a.heard, ["+stays connect", "-stays leave"]);
    expect(await counts(a.presence)).toMatchObject({ users: 0, sockets: 0 });
  });

  it("that fails leaves an anonymous socket and an error", async () => {
    const a = await node({
      user: (socket) => {
        const { user } = socket.handshake.auth as { user: string };
        if (user === "throws") throw new Error("no");
        return user === "rejects" ? Promise.reject(new Error("no")) : user;
      },
    });
    const clients = [
      await connect(a.url, "throws"),
      await connect(a.url, "rejects"),
      await connect(a.url, "x".repeat(300)),
      await connect(a.url, "\ud800"),
    ];
    await untilEqual(() => counts(a.presence), { users: 0, sockets: 4, connections: 4 });
    // One error a kind while it lasts, not one a socket.
    expect(a.errors.map(({ code }) => code).sort()).toEqual(["USER_FUNCTION_FAILED", "USER_INVALID"]);
    for (const client of clients) client.disconnect();
    await untilEqual(async () => (await counts(a.presence)).sockets, 0);
  });
});

describe("identify", () => {
  it("changes the user of an open socket", async () => {
    const a = await node();
    const client = await connect(a.url, "guest");
    await untilEqual(() => a.heard, ["+guest connect"]);
    const [socket] = [...a.io.of("/").sockets.values()];
    a.presence.identify(socket!, "alice");
    await untilEqual(() => a.heard.slice(1).sort(), ["+alice connect", "-guest leave"]);
    a.presence.identify(socket!, null);
    await untilEqual(() => counts(a.presence), { users: 0, sockets: 1, connections: 1 });
    a.presence.identify(socket!, "alice");
    client.disconnect();
    await untilEqual(() => counts(a.presence), { users: 0, sockets: 0, connections: 0 });
    a.presence.identify(socket!, "too late");
    expect(await counts(a.presence)).toMatchObject({ users: 0, sockets: 0 });
  });

  it("overrides a user function that is still pending", async () => {
    let answer: (user: string) => void = () => {};
    const a = await node({ user: () => new Promise((resolve) => (answer = resolve)) });
    const client = await connect(a.url);
    const socket = await until("a socket", () => [...a.io.of("/").sockets.values()][0]);
    a.presence.identify(socket, "alice");
    answer("somebody else");
    await untilEqual(() => a.heard, ["+alice connect"]);
    client.disconnect();
    await untilEqual(() => a.heard, ["+alice connect", "-alice leave"]);
  });

  it("reports invalid ids and sockets that are not counted, and throws nothing into the application's handler", async () => {
    const a = await node({ heartbeat: 5_000 });
    a.io.of("/other");
    const client = await connect(`${a.url}/other`, "alice");
    const main = await connect(a.url, "alice");
    const [other] = [...a.io.of("/other").sockets.values()];
    const [socket] = [...a.io.of("/").sockets.values()];
    await untilEqual(() => a.heard, ["+alice connect"]);
    const invalid: unknown[] = ["", "x".repeat(257), "\ud800", 42];
    for (const id of invalid) a.presence.identify(socket!, id as string);
    const noSockets: unknown[] = [other, undefined, {}, { id: "x", nsp: "/" }];
    for (const odd of noSockets) a.presence.identify(odd as Socket, "bob");
    expect(a.errors.map(({ code }) => code)).toEqual(["USER_INVALID", "OPTIONS_INVALID"]);
    // A client may have chosen the name.
    expect(a.errors[1]!.message).not.toContain("/other");
    expect(await counts(a.presence)).toMatchObject({ users: 1, sockets: 1 });
    main.disconnect();
    client.disconnect();
    await untilEqual(() => a.heard, ["+alice connect", "-alice leave"]);
  });

  it("works from a middleware and from a handler registered earlier, and is ignored once the presence closes", async () => {
    const bare = await startServer();
    let presence: Presence | undefined;
    bare.io.use((socket, next) => {
      if (socket.handshake.auth["in"] === "middleware") presence!.identify(socket, "early");
      next();
    });
    bare.io.on("connection", (socket) => {
      if (socket.handshake.auth["in"] === "handler") presence!.identify(socket, "earlier");
      socket.on("disconnect", () => presence!.identify(socket, "too late"));
    });
    const a = await node({}, bare);
    ({ presence } = a);
    const clients = [
      await connect(a.url, undefined, { auth: { in: "middleware" } }),
      await connect(a.url, "replaced", { auth: { in: "handler", user: "replaced" } }),
    ];
    await untilEqual(() => a.heard.toSorted(), ["+earlier connect", "+early connect"]);
    for (const client of clients) client.disconnect();
    await untilEqual(() => counts(a.presence), { users: 0, sockets: 0, connections: 0 });
    const last = await connect(a.url, "carol");
    const [socket] = [...a.io.of("/").sockets.values()];
    const closing = a.presence.close();
    a.presence.identify(socket!, "dave");
    await closing;
    a.presence.identify(socket!, "dave");
    last.disconnect();
    expect(a.heard.filter((line) => line.includes("dave"))).toEqual([]);
    expect(a.errors).toEqual([]);
  });
});

describe("namespaces", () => {
  it("only the main one is counted by default, and Rollcall opens none", async () => {
    const a = await node();
    a.io.of("/orders");
    const manager = new Manager(a.url, { transports: ["websocket"], reconnection: false });
    const main = manager.socket("/", { auth: { user: "alice" } });
    const orders = manager.socket("/orders", { auth: { user: "alice" } });
    await until("both connected", () => main.connected && orders.connected);
    await untilEqual(() => counts(a.presence), { users: 1, sockets: 1, connections: 1 });
    main.disconnect();
    orders.disconnect();
  });

  it("several over one connection are several sockets of one connection", async () => {
    const a = await node({ namespaces: ["/", "/orders"] });
    expect([...a.io._nsps.keys()]).toEqual(["/"]);
    a.io.of("/orders");
    const manager = new Manager(a.url, { transports: ["websocket"], reconnection: false });
    const main = manager.socket("/", { auth: { user: "alice" } });
    const orders = manager.socket("/orders", { auth: { user: "alice" } });
    await untilEqual(() => counts(a.presence), { users: 1, sockets: 2, connections: 1 });
    orders.disconnect();
    await untilEqual(() => counts(a.presence), { users: 1, sockets: 1, connections: 1 });
    main.disconnect();
    await untilEqual(() => a.heard, ["+alice connect", "-alice leave"]);
  });

  it.each([
    ["a pattern", /^\/room-\d+$/],
    ["a function", (name: string) => name.startsWith("/room-")],
  ])("dynamic ones are matched by %s", async (_, namespaces) => {
    const a = await node({ namespaces });
    a.io.of(/^\/(room|hall)-\d+$/);
    const clients = [
      await connect(`${a.url}/room-1`, "alice"),
      await connect(`${a.url}/room-2`, "bob"),
      await connect(`${a.url}/hall-1`, "carol"),
      await connect(a.url, "dave"),
    ];
    await untilEqual(
      async () =>
        (await a.presence.lookup(["alice", "bob", "carol", "dave"])).users.map(({ online }) => online),
      [true, true, false, false],
    );
    for (const client of clients) client.disconnect();
    await untilEqual(async () => (await counts(a.presence)).sockets, 0);
  });
});

it("a socket id restored by connection state recovery is counted once", async () => {
  const a = await node({ grace: 60_000 }, { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } });
  const recovered: boolean[] = [];
  a.io.on("connection", (socket) => {
    recovered.push(socket.recovered);
  });
  const client = await connect(a.url, "alice", {
    reconnection: true,
    reconnectionDelay: 10,
    reconnectionDelayMax: 20,
  });
  // Recovery needs an offset, which comes with the first event a client receives.
  const hello = new Promise<void>((resolve) => client.once("hello", () => resolve()));
  a.io.emit("hello");
  await hello;
  const { id } = client;
  client.io.engine.close();
  await untilEqual(() => recovered, [false, true]);
  await until("reconnected", () => client.connected);
  expect(client.id).toBe(id);
  await untilEqual(() => counts(a.presence), { users: 1, sockets: 1, connections: 1 });
  client.disconnect();
  await untilEqual(() => counts(a.presence), { users: 0, sockets: 0, connections: 0 });
  await untilEqual(() => a.heard, ["+alice connect", "-alice leave"]);
});

describe("A3: the sockets counted are compared with those of Socket.IO", () => {
  const sockets = async (a: TestNode) => (await counts(a.presence)).sockets;

  it("a socket whose listeners were all removed is not counted after a heartbeat", async () => {
    const a = await node({ grace: 60_000 });
    const clients = [await connect(a.url, "alice"), await connect(a.url, "bob"), await connect(a.url)];
    await untilEqual(() => sockets(a), 3);
    for (const socket of a.io.of("/").sockets.values()) {
      socket.removeAllListeners();
      socket.conn.close();
    }
    await untilEqual(() => sockets(a), 0);
    // How they went is unknown: grace applies.
    expect((await counts(a.presence)).users).toBe(2);
    for (const client of clients) client.disconnect();
    expect(a.errors).toEqual([]);
  });

  it("listeners that were removed are put back by the next heartbeat, so that a later goodbye is one", async () => {
    const a = await node({ grace: 60_000 });
    const client = await connect(a.url, "alice");
    await untilEqual(() => sockets(a), 1);
    const [socket] = [...a.io.of("/").sockets.values()];
    socket!.removeAllListeners();
    await until("listening again", () => socket!.listenerCount("disconnecting") === 1);
    client.disconnect();
    await untilEqual(() => a.heard, ["+alice connect", "-alice leave"]);
  });

  it("a goodbye in one namespace of a connection is one although nothing was heard of it", async () => {
    const a = await node({ grace: 60_000 });
    a.io.of("/other");
    const manager = new Manager(a.url, { transports: ["websocket"], reconnection: false });
    const other = manager.socket("/other");
    const client = manager.socket("/", { auth: { user: "alice" } });
    await until("both connected", () => other.connected && client.connected);
    await untilEqual(() => a.heard, ["+alice connect"]);
    const [socket] = [...a.io.of("/").sockets.values()];
    socket!.removeAllListeners();
    client.disconnect();
    await untilEqual(() => a.heard, ["+alice connect", "-alice leave"]);
    other.disconnect();
  });

  it("a listener that throws as a socket leaves makes no difference", async () => {
    const a = await node();
    const client = await connect(a.url, "alice");
    await untilEqual(() => sockets(a), 1);
    const [socket] = [...a.io.of("/").sockets.values()];
    socket!.prependListener("disconnect", () => {
      throw new Error("a bug of the application");
    });
    expect(() => socket!.disconnect()).toThrow("a bug of the application");
    await untilEqual(() => a.heard, ["+alice connect", "-alice leave"]);
    client.disconnect();
  });

  it("one whose user is still unknown is never counted", async () => {
    const answers: ((user: string) => void)[] = [];
    const a = await node({ user: () => new Promise((resolve) => answers.push(resolve)) });
    const client = await connect(a.url);
    await until("asked", () => answers.length === 1);
    const [socket] = [...a.io.of("/").sockets.values()];
    socket!.removeAllListeners("disconnect");
    client.disconnect();
    await until("gone", () => a.io.of("/").sockets.size === 0);
    const stays = await connect(a.url);
    await until("asked", () => answers.length === 2);
    answers[1]!("bob");
    await untilEqual(() => a.heard, ["+bob connect"]);
    answers[0]!("alice");
    stays.disconnect();
    await untilEqual(() => a.heard, ["+bob connect", "-bob leave"]);
  });

  it("sockets and namespaces that were missed are counted within a heartbeat, each once", async () => {
    const asked: string[] = [];
    const a = await node({ namespaces: (name) => (asked.push(name), name !== "/odd") });
    a.io.of("/").removeAllListeners("connection");
    a.io.removeAllListeners("new_namespace");
    a.io.of("/late");
    a.io.of("/odd");
    const clients = [
      await connect(a.url, "alice"),
      await connect(`${a.url}/late`, "bob"),
      await connect(`${a.url}/odd`, "carol"),
    ];
    await untilEqual(() => a.heard.toSorted(), ["+alice connect", "+bob connect"]);
    await untilEqual(() => sockets(a), 2);
    clients[0]!.disconnect();
    await untilEqual(() => sockets(a), 1);
    // Once each, and not at every heartbeat.
    expect(asked.toSorted()).toEqual(["/", "/late", "/odd"]);
    for (const client of clients) client.disconnect();
  });

  it("an empty child of a dynamic namespace that Socket.IO removed is counted again when it is back", async () => {
    const a = await node({ namespaces: /^\/room/ }, { cleanupEmptyChildNamespaces: true });
    a.io.of(/^\/room-\d+$/);
    for (let i = 0; i < 2; i++) {
      const client = await connect(`${a.url}/room-1`, "alice");
      await untilEqual(() => sockets(a), 1);
      client.disconnect();
      await untilEqual(() => sockets(a), 0);
      await until("taken away", () => !a.io._nsps.has("/room-1"));
    }
  });
});

describe("A6: two presences on one server", () => {
  it("with one prefix are refused, since each socket would count twice; a closed one does not matter", async () => {
    const a = await node();
    const options = { redis: server.url, prefix, user: userOfAuth };
    expect(() => createPresence(a.io, options)).toThrow(
      expect.objectContaining({ code: "OPTIONS_INVALID", message: expect.stringContaining(`"${prefix}"`) }),
    );
    await a.presence.close();
    const again = createPresence(a.io, options);
    await again.ready;
    // A call that is refused leaves nothing behind.
    await again.close();
    expect(() => createPresence(a.io, { ...options, redis: "http://x" })).toThrow(/redis:/);
    const last = createPresence(a.io, options);
    await last.ready;
    await last.close();
  });

  it("with two prefixes both count", async () => {
    const a = await node();
    const b = await node({ prefix: `${prefix}-other` }, a);
    const client = await connect(a.url, "alice");
    await untilEqual(() => a.heard, ["+alice connect"]);
    await untilEqual(() => b.heard, ["+alice connect"]);
    client.disconnect();
  });
});

describe("close", () => {
  it("is graceful, idempotent, and leaves neither users nor connections behind", async () => {
    const a = await node();
    const b = await node();
    const client = await connect(a.url, "alice");
    await untilEqual(() => b.heard, ["+alice connect"]);
    await Promise.all([a.presence.close(), a.presence.close()]);
    await a.presence.close();
    await untilEqual(() => b.heard, ["+alice connect", "-alice bye"]);
    expect((await b.presence.processes()).processes.length).toBe(1);
    client.disconnect();
    await b.close();
    const redis = new Redis(server.url);
    await until(
      "no connection of ours is left",
      async () => !String(await redis.client("LIST")).includes("name=rollcall"),
    );
    await redis.quit();
  });

  it("leaves nothing that keeps the process alive, even without Redis, and one error is emitted, not one per retry", () => {
    const script = `
      import { createServer } from "node:http";
      import { createServer as createTcpServer } from "node:net";
      import { Server } from "socket.io";
      import { createPresence } from "./src/index.ts";
      import { startRedis } from "./packages/local-redis/src/index.ts";
      // Every timer that has not run out, and how long it is.
      const pending = new Map();
      const { setTimeout: set, clearTimeout: clear } = globalThis;
      globalThis.setTimeout = (then, ms, ...args) => {
        const timer = set(() => (pending.delete(timer), then(...args)), ms);
        pending.set(timer, ms);
        return timer;
      };
      globalThis.clearTimeout = (timer) => (pending.delete(timer), clear(timer));
      const redis = await startRedis();
      const io = new Server(createServer());
      const presence = createPresence(io, { redis: redis.url, ttl: 60_000, heartbeat: 200, user: () => null, logger: { info() {}, warn() {}, error() {} } });
      const told = [];
      presence.on("error", ({ code }) => told.push(code));
      // There is a listener, so there is a tail.
      presence.on("online", () => {});
      await presence.ready;
      await redis.stop();
      // Where Redis was, every attempt to connect is turned away and counted: some before it is told that it is away, and a dozen
      // after.
      let attempts = 0;
      await new Promise((enough) => {
        const refuser = createTcpServer((socket) => {
          socket.destroy();
          if (told.length >= 1 && ++attempts === 12) refuser.close(enough);
        }).listen(redis.port, "127.0.0.1");
      });
      await presence.close({ timeout: 100 });
      await io.close();
      const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
      const left = [...pending].flatMap(([timer, ms]) => (timer.hasRef() ? [ms] : []));
      process.on("exit", () => console.log(JSON.stringify({ told, timers, left })));`;
    const out = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
      timeout: 50_000,
    });
    const said = JSON.parse(out.trim().split("\n").at(-1)!) as Record<"told" | "left", unknown[]>;
    // One of the recorder and the tail together.
    expect(said.told).toEqual(["REDIS_UNAVAILABLE"]);
    // It has ended by itself. No timer was left for it to wait for but the 100 ms that a socket has to end by itself.
    expect(said).toMatchObject({ timers: said.left.length, left: said.left.map(() => 100) });
  });

  it("appends the pending operations", async () => {
    const a = await node();
    const b = await node();
    const clients = await Promise.all(Array.from({ length: 150 }, (_, i) => connect(a.url, `u${i}`)));
    await a.presence.close();
    // Who was not told yet comes and goes within one fold; everybody else is told twice.
    const said = (sign: string) => b.heard.filter((line) => line.startsWith(sign)).length;
    const redis = new Redis(server.url);
    const { states } = keysOf(prefix, 0, 1);
    const state = () => redis.hget(states, a.presence.processIds[0]!);
    await until("all folded", async () => (await state())?.startsWith("ended") === true);
    await until("as many went as came", () => said("-") === said("+"));
    await redis.quit();
    for (const client of clients) client.disconnect();
  });

  it.each([1, 2, 3, 4, 5])(
    "does not wait for a Redis that is away, whatever the connections are about (%i)",
    async (attempt) => {
      const own = await startRedis();
      const a = await startNode({ redis: own.url, prefix, heartbeat: 20 });
      await own.stop();
      // Between two attempts to connect, more often than not.
      await until("noticed", () => a.errors.length >= (attempt === 1 ? 0 : 1));
      // Redis does not come back: whatever waited for it would wait for ever.
      await a.presence.close({ timeout: 100 });
      await a.io.close();
    },
  );
});

describe("the arguments of createPresence", () => {
  it.each([
    ["an ioredis client with RESP2", () => new Redis(server.url, { protocol: 2, keyPrefix: "app:" }), 1],
    ["an ioredis client with RESP3", () => new Redis(server.url, { protocol: 3, keyPrefix: "app:" }), 4],
    [
      "an ioredis client with RESP3 and its reply mapping",
      () => new Redis(server.url, { protocol: 3, replyMapping: "resp3" }),
      1,
    ],
  ] as const)("may be %s, which the application can still use", async (_, make, shards) => {
    const redis = make();
    const a = await node({ redis, shards });
    const client = await connect(a.url, "alice");
    await untilEqual(() => a.heard, ["+alice connect"]);
    expect((await a.presence.processes()).processes).toMatchObject([{ state: "live", sockets: 1 }]);
    await redis.set("theirs", "1");
    client.disconnect();
    await untilEqual(() => a.heard, ["+alice connect", "-alice leave"]);
    await a.close();
    expect(await redis.get("theirs")).toBe("1");
    await redis.quit();
  });

  it("may be a Cluster, with each shard in its own slot", async () => {
    const own = await startRedis({
      args: ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"],
    });
    const plain = new Redis(own.url);
    await plain.cluster("ADDSLOTSRANGE", 0, 16383);
    await until("the cluster is up", async () => (await plain.cluster("INFO")).includes("cluster_state:ok"));
    const cluster = new Cluster([{ host: "127.0.0.1", port: own.port }]);
    const a = await startNode({ redis: cluster, prefix, shards: 4 });
    const b = await startNode({ redis: cluster, prefix, shards: 4 });
    const names = Array.from({ length: 20 }, (_, i) => `u${i}`);
    const clients = await Promise.all(names.map((name) => connect(a.url, name)));
    await untilEqual(() => counts(b.presence), { users: 20, sockets: 20, connections: 20 });
    await a.close();
    await until("all told, everywhere", () => b.heard.length === 40);
    for (const client of clients) client.disconnect();
    await b.close();
    cluster.disconnect();
    await plain.quit();
    await own.stop();
  });

  it("are refused with a reason when they are invalid", async () => {
    const { io } = await startServer();
    const options = { redis: server.url, user: userOfAuth };
    const refuse = (bad: object, message: RegExp) => {
      expect(() => createPresence(io, { ...options, ...bad })).toThrow(message);
    };
    refuse({ redis: "http://x" }, /redis:\/\//);
    refuse({ redis: 42 }, /redis:\/\//);
    refuse({ user: "alice" }, /function/);
    refuse({ namespaces: [] }, /at least one/);
    refuse({ namespaces: ["orders"] }, /start with/);
    refuse({ ttl: 1000, heartbeat: 900 }, /heartbeat \(900 ms\).*ttl \(1000 ms\)/);
    refuse({ hearbeat: 900 }, /unknown option hearbeat of createPresence: did you mean heartbeat\?/);
    refuse({ logger: { warn() {} } }, /logger must be false, or have the functions info, warn and error/);
    for (const [other, message] of [
      [io.of("/"), /must be a Socket.IO server.*a namespace: pass its server/],
      [{}, /must be a Socket.IO server/],
      [undefined, /must be a Socket.IO server/],
      [options, /must be a Socket.IO server/],
    ] as const) {
      expect(() => createPresence(other as never, options)).toThrow(message);
    }
    await io.close();
  });

  it("a prefix in use with another number of shards is reported through `ready` and `error`", async () => {
    await node();
    const { io } = await startServer();
    const presence = createPresence(io, { redis: server.url, prefix, shards: 4, user: userOfAuth });
    const errors: string[] = [];
    presence.on("error", ({ code }) => errors.push(code));
    await expect(presence.ready).rejects.toMatchObject({ code: "SHARDS_MISMATCH" });
    expect(errors[0]).toBe("SHARDS_MISMATCH");
    await presence.close();
    await io.close();
  });

  it("an unknown option of close() is refused, and nothing is closed", async () => {
    const a = await node();
    const slip = { timeuot: 1_000 } as object;
    await expect(a.presence.close(slip)).rejects.toThrow(/timeuot of close\(\): did you mean timeout\?/);
    const client = await connect(a.url, "alice");
    await untilEqual(() => a.heard, ["+alice connect"]);
    client.disconnect();
  });

  it("a function in `namespaces` that throws is reported, and its namespace is not counted", async () => {
    const a = await node({
      namespaces: [
        (name) => {
          if (name === "/odd") throw new Error("a bug of the application");
          return name === "/";
        },
      ],
    });
    a.io.of("/odd");
    const client = await connect(a.url, "alice");
    await untilEqual(() => a.heard, ["+alice connect"]);
    expect(a.errors.map(({ code }) => code)).toEqual(["OPTIONS_INVALID"]);
    expect(a.errors[0]!.message).not.toContain("/odd");
    client.disconnect();
  });

  it("a listener that throws stops nothing", async () => {
    const a = await node();
    a.presence.on("online", () => {
      throw new Error("a bug of the application");
    });
    const clients = [await connect(a.url, "alice"), await connect(a.url, "bob")];
    await untilEqual(() => a.heard, ["+alice connect", "+bob connect"]);
    expect(a.errors.map(({ code }) => code)).toEqual(["LISTENER_FAILED"]);
    for (const client of clients) client.disconnect();
  });
});
