/**
 * Goal: socketsOf() is Socket.IO's operator for the counted sockets of a user, what cannot work is refused, and a server that reaches
 * only itself although others are live is warned about once.
 * Method: real servers and clients and a real Redis; the clock of the warning is the test's, the other process a record of one.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createPresence, createReader, type PresenceOptions } from "../../../src/index.ts";
import { ADAPTER_LOOK_MS } from "../../../src/core/limits.ts";
import { AdapterCheck } from "../../../src/presence/adapter-check.ts";
import { connect, startNode, startServer, type TestNode } from "../../../rig/node.ts";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { populate } from "../http/support.ts";

let server: RedisServer;
let prefix: string;
let prefixes = 0;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  prefix = `us${prefixes++}`;
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((node) => node.close()));
});

async function node(options: Partial<PresenceOptions> = {}): Promise<TestNode> {
  const started = await startNode({
    redis: server.url,
    prefix,
    heartbeat: 100,
    userRooms: true,
    ...options,
  });
  open.push(started);
  return started;
}

describe("socketsOf()", () => {
  it("reaches each socket of the user in the namespace, and no other", async () => {
    const a = await node({ namespaces: [/^\/(chat)?$/] });
    a.io.of("/chat");
    const [one, two, bob] = [
      await connect(a.url, "alice"),
      await connect(a.url, "alice"),
      await connect(a.url, "bob"),
    ];
    const chat = await connect(`${a.url}/chat`, "alice");
    await untilEqual(async () => (await a.presence.counts()).sockets, 4);
    expect(await a.presence.socketsOf("alice").fetchSockets()).toHaveLength(2);
    const heard: string[] = [];
    for (const [name, client] of Object.entries({ one, two, bob, chat })) {
      client.on("mail", (answer: (name: string) => void) => answer(name));
      client.on("disconnect", (reason) => heard.push(`${name} ${reason}`));
    }
    const answers = await a.presence.socketsOf("alice").timeout(5_000).emitWithAck("mail");
    expect((answers as string[]).sort()).toEqual(["one", "two"]);
    a.presence.socketsOf("alice").socketsJoin("room");
    expect(await a.io.in("room").fetchSockets()).toHaveLength(2);
    a.presence.socketsOf("alice", { namespace: "/chat" }).disconnectSockets(true);
    await untilEqual(() => heard, ["chat io server disconnect"]);
    a.presence.socketsOf("alice").disconnectSockets(true);
    await untilEqual(
      () => heard.toSorted(),
      ["chat io server disconnect", "one io server disconnect", "two io server disconnect"],
    );
    expect(bob.connected).toBe(true);
  });

  it("takes the prefix of its rooms", async () => {
    const a = await node({ userRooms: { prefix: "mine:" } });
    await connect(a.url, "alice");
    await untilEqual(async () => (await a.presence.socketsOf("alice").fetchSockets()).length, 1);
    expect(await a.io.in("mine:alice").fetchSockets()).toHaveLength(1);
  });

  it("refuses what cannot work", async () => {
    const a = await node({ namespaces: ["/chat"] });
    const code = (act: () => unknown) => {
      try {
        return act();
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code(() => a.presence.socketsOf(""))).toBe("USER_INVALID");
    expect(code(() => a.presence.socketsOf(7 as never))).toBe("USER_INVALID");
    expect(code(() => a.presence.socketsOf("alice"))).toBe("OPTIONS_INVALID");
    expect(code(() => a.presence.socketsOf("alice", { namespace: "chat" }))).toBe("OPTIONS_INVALID");
    expect(code(() => a.presence.socketsOf("alice", { room: "x" } as never))).toBe("OPTIONS_INVALID");
    expect(a.io._nsps.has("/chat")).toBe(false);
    a.presence.socketsOf("alice", { namespace: "/chat" });
    await a.presence.close();
    expect(code(() => a.presence.socketsOf("alice", { namespace: "/chat" }))).toBe("CLOSED");
    const b = await node({ userRooms: false });
    expect(() => b.presence.socketsOf("alice")).toThrow(/userRooms: true/);
  });
});

describe("the options", () => {
  it.each<[Partial<PresenceOptions>, RegExp]>([
    [{ onlyOne: true }, /onlyOne needs userRooms/],
    [{ onlyOne: 1 as never }, /onlyOne must be true or false/],
    [{ userRooms: "x" as never }, /userRooms must be true, false or \{ prefix \}/],
    [{ userRooms: null as never }, /userRooms must be an object/],
    [{ userRooms: { prefix: "" } }, /userRooms.prefix must be 1 to 64 characters/],
    [{ userRooms: { prefix: "x".repeat(65) } }, /userRooms.prefix must be 1 to 64 characters/],
    [{ userRooms: { prefx: "x" } as never }, /did you mean userRooms.prefix/],
  ])("%o is refused", async (options, message) => {
    const { io } = await startServer();
    const make = () => createPresence(io, { redis: server.url, prefix, user: () => null, ...options });
    expect(make).toThrow(message);
    await io.close();
  });

  it("two presences of a server need rooms of different names", async () => {
    const a = await node();
    const other = { redis: server.url, prefix: `${prefix}-2`, user: () => null, logger: false } as const;
    expect(() => createPresence(a.io, { ...other, userRooms: true })).toThrow(/another presence/);
    const prefixed = { prefix: "rollcall:user:x" };
    expect(() => createPresence(a.io, { ...other, userRooms: prefixed })).toThrow(/another presence/);
    await createPresence(a.io, other).close();
    await a.presence.close();
    await createPresence(a.io, { ...other, userRooms: true }).close();
  });
});

describe("a server that reaches only itself", () => {
  it("is warned about once, after two looks, while others are live; not on its own", async () => {
    const redis = new Redis(server.url);
    const reader = createReader({ redis: server.url, prefix });
    const { io } = await startServer();
    const lines: string[] = [];
    let now = 0;
    let servers = 1;
    const check = new AdapterCheck({
      io,
      host: "host.example",
      pid: 7,
      processes: () => reader.processes(),
      logger: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
      now: () => now,
    });
    const look = async () => {
      now += ADAPTER_LOOK_MS;
      await check.heartbeat();
      return lines.length;
    };
    expect([await look(), await look()]).toEqual([0, 0]);
    // Of another pid on the same host.
    await populate(redis, { prefix, process: "web-2", users: ["bob"] });
    expect(await look()).toBe(0);
    await check.heartbeat();
    expect(lines, "sooner it does not look").toEqual([]);
    expect([await look(), await look(), await look()]).toEqual([1, 1, 1]);
    expect(lines[0]).toMatch(/1 other process is live.*\(Adapter\).*@socket.io\/redis-adapter/);
    io.sockets.adapter.serverCount = () => Promise.resolve(servers);
    servers = 2;
    expect([await look(), await look()]).toEqual([2, 2]);
    servers = 1;
    expect([await look(), await look()]).toEqual([2, 3]);
    reader.close();
    redis.disconnect();
    await io.close();
  });
});

describe("onlyOne on one server", () => {
  it("ends the older sockets of a user in the namespace, with the reason of a server's disconnect", async () => {
    const a = await node({ onlyOne: true, namespaces: ["/", "/chat"] });
    const reasons: string[] = [];
    for (const namespace of ["/", "/chat"])
      a.io.of(namespace).on("connection", (socket) => {
        socket.on("disconnect", (reason) => reasons.push(`${namespace} ${reason}`));
      });
    const first = await connect(a.url, "alice");
    const chat = first.io.socket("/chat", { auth: { user: "alice" } });
    await until("both are counted", async () => (await a.presence.counts()).sockets === 2);
    const bob = await connect(a.url, "bob");
    const second = await connect(a.url, "alice");
    await untilEqual(() => reasons, ["/ server namespace disconnect"]);
    await untilEqual(
      () => [first, second, chat, bob].map(({ connected }) => connected),
      [false, true, true, true],
    );
    await untilEqual(async () => (await a.presence.user("alice")).sockets, 2);
    // Nobody went offline in between.
    expect(a.heard.filter((line) => line.includes("alice"))).toEqual(["+alice connect"]);
    // The last of a connection takes it along.
    const other = await connect(`${a.url}/chat`, "alice");
    await untilEqual(() => reasons.at(-1), "/chat server namespace disconnect");
    await untilEqual(() => a.io.engine.clientsCount, 3);
    expect([second, other, bob].map(({ connected }) => connected)).toEqual([true, true, true]);
  });

  it("identify() is a connect of the new user, and anonymous sockets are not concerned", async () => {
    const a = await node({ onlyOne: true });
    const [alice, x, y] = [await connect(a.url, "alice"), await connect(a.url), await connect(a.url)];
    await untilEqual(async () => (await a.presence.counts()).sockets, 3);
    const socket = a.io.sockets.sockets.get(x.id!)!;
    a.presence.identify(socket, "alice");
    a.presence.identify(socket, "alice");
    await until("the older one is ended", () => !alice.connected);
    expect([x.connected, y.connected]).toEqual([true, true]);
  });

  it("a listener that throws when its socket is ended is reported, and the newer one is counted", async () => {
    const a = await node({ onlyOne: true });
    a.io.on("connection", (socket) => {
      socket.on("disconnect", () => {
        throw new Error("no");
      });
    });
    const first = await connect(a.url, "alice");
    await untilEqual(async () => (await a.presence.counts()).sockets, 1);
    const second = await connect(a.url, "alice");
    await until("it is ended", () => !first.connected);
    await untilEqual(() => a.errors.map(({ code }) => code), ["LISTENER_FAILED"]);
    await untilEqual(async () => (await a.presence.user("alice")).sockets, 1);
    expect(second.connected).toBe(true);
    for (const socket of a.io.sockets.sockets.values()) socket.removeAllListeners("disconnect");
  });
});
