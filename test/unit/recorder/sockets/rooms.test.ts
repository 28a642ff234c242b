/**
 * Goal: the rooms in which sockets are counted are those in which Socket.IO has them, whatever joins and leaves, and in whatever order
 * users become known, sockets go and listeners throw; without waiting for a heartbeat wherever any event is heard.
 * Method: a real Socket.IO server and real clients, with a ledger for a journal; heartbeats come when a test lets them.
 */
import { setImmediate as turn } from "node:timers/promises";
import { io as clientOf, Manager, type Socket as Client } from "socket.io-client";
import type { Server, ServerOptions, Socket } from "socket.io";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ROOMS_PER_SOCKET_MAX } from "../../../../src/core/limits.ts";
import { attach, type Attachment, type AttachOptions } from "../../../../src/recorder/socket-io.ts";
import { connect, startServer } from "../../../../rig/node.ts";
import { until, untilEqual } from "../../../../rig/until.ts";
import { adapterClassOf, Ledger, membersOf, openSockets } from "./ledger.ts";

let io: Server;
let url: string;
let ledger: Ledger;
let attachment: Attachment | undefined;
let errors: string[];
let lines: string[];
let timers: (() => void)[];
let clients: Client[];
const BUG = "a bug of the application";
const fail = (): never => {
  throw new Error(BUG);
};

beforeEach(() => serve());
afterEach(async () => {
  attachment?.detach();
  for (const client of clients) client.disconnect();
  await io.close();
});

async function serve(options: Partial<ServerOptions> = {}): Promise<void> {
  ({ io, url } = await startServer(options));
  [ledger, errors, lines, timers, clients] = [new Ledger(), [], [], [], []];
}

const ALL = { rooms: true, changes: [] } as const;

function count(options: Partial<AttachOptions> = {}): Attachment {
  return (attachment = attach({
    io,
    user: (socket) => socket.handshake.auth["user"] as string,
    namespaces: ["/"],
    rooms: ALL,
    ...ledger.counts,
    onError: ({ code, message }) => errors.push(`${code}: ${message}`),
    logger: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
    heartbeat: 1_000,
    runtime: {
      now: () => 0,
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

/** A client and its socket, which is counted. */
async function come(user = "alice", at = ""): Promise<{ client: Client; socket: Socket }> {
  const client = await connect(`${url}/${at}`, user);
  clients.push(client);
  const socket = io.of(`/${at}`).sockets.get(client.id!)!;
  await turn();
  return { client, socket };
}

const gone = (socket: Socket) => until("it has gone", () => !socket.connected);

describe("joining and leaving", () => {
  it("a room joined twice is left once, and its namespace is a scope (1)", async () => {
    count();
    const { socket } = await come();
    void socket.join("a");
    void socket.join("a");
    await turn();
    expect(ledger.members).toEqual({ "/ alice": 1, "/,a alice": 1 });
    void socket.leave("a");
    void socket.leave("never joined");
    await turn();
    expect(ledger.told).toEqual(["+alice", "+alice /", "+alice /,a", "-alice /,a leave"]);
    beat();
    expect(lines).toEqual([]);
  });

  it("what comes and goes within a turn is not recorded", async () => {
    count();
    const { socket } = await come();
    void socket.join("a");
    void socket.leave("a");
    await turn();
    expect(ledger.told).toEqual(["+alice", "+alice /"]);
  });

  it("two tabs of a user are two sockets and one user (2)", async () => {
    count();
    const [one, two] = [await come(), await come()];
    io.socketsJoin("a");
    await turn();
    expect([ledger.in("/,a"), ledger.users("/,a")]).toEqual([2, ["alice"]]);
    void one.socket.leave("a");
    await turn();
    expect([ledger.in("/,a"), ledger.users("/,a")]).toEqual([1, ["alice"]]);
    two.client.disconnect();
    await gone(two.socket);
    expect([ledger.in("/,a"), ledger.in("/")]).toEqual([0, 1]);
  });

  it("a room joined in a middleware counts from the connection on (3)", async () => {
    const nexts: (() => void)[] = [];
    io.use((socket, next) => {
      void socket.join("a");
      nexts.push(next);
    });
    count();
    const coming = connect(url, "alice");
    await until("it is in the middleware", () => nexts.length === 1);
    await turn();
    beat();
    expect(ledger.told).toEqual([]);
    nexts[0]!();
    clients.push(await coming);
    await untilEqual(() => ledger.told, ["+alice", "+alice /", "+alice /,a"]);
  });

  it.each(["refused", "gone before next()", "next() never called"])(
    "… and never if it is %s (4)",
    async (how) => {
      const held: { socket: Socket; next: () => void }[] = [];
      io.use((socket, next) => {
        void socket.join("a");
        if (how === "refused") next(new Error("refused"));
        else held.push({ socket, next });
      });
      count();
      if (how === "refused") await expect(connect(url, "alice")).rejects.toThrow("refused");
      else {
        const client = clientOf(url, { transports: ["websocket"], forceNew: true, reconnection: false });
        const [{ socket, next }] = (await until("it is held", () =>
          held.length > 0 ? held : undefined,
        )) as [(typeof held)[0]];
        client.disconnect();
        await until("its connection is closed", () => socket.conn.readyState === "closed");
        if (how.startsWith("gone")) next();
      }
      await turn();
      beat();
      expect([ledger.told, errors]).toEqual([[], []]);
    },
  );

  it("a room joined while it goes does not count, nor one added to the adapter after that (5, 6)", async () => {
    count();
    const { socket } = await come();
    socket.on("disconnecting", () => void socket.join("late"));
    socket.on("disconnect", () => void socket.nsp.adapter.addAll(socket.id, new Set(["ghost"])));
    socket.disconnect();
    await turn();
    beat();
    expect(io.sockets.adapter.rooms.has("ghost")).toBe(true);
    expect(ledger.members).toEqual({});
    expect(ledger.told.filter((line) => /late|ghost/.test(line))).toEqual([]);
  });

  it("`connection` listeners may join, whenever they were added (7)", async () => {
    io.on("connection", (socket) => void socket.join("a"));
    count();
    io.on("connection", (socket) => void socket.join("b"));
    await come();
    expect(ledger.told).toEqual(["+alice", "+alice /", "+alice /,a", "+alice /,b"]);
  });

  it("leaving all rooms leaves a socket in its namespace (12)", async () => {
    count();
    const { socket } = await come();
    void socket.join(["a", "b"]);
    await turn();
    socket["leaveAll"]();
    await turn();
    expect(ledger.members).toEqual({ "/ alice": 1 });
    beat();
    expect(lines).toEqual([]);
  });

  it("a socket's own room is no scope, a room with the name of another socket is (13, 14)", async () => {
    count();
    const [one, two] = [await come("alice"), await come("bob")];
    const { id } = one.socket;
    void one.socket.join("a");
    void two.socket.join(id);
    await turn();
    expect(ledger.members).toEqual({ "/ alice": 1, "/ bob": 1, "/,a alice": 1, [`/,${id} bob`]: 1 });
    void one.socket.leave(id);
    await turn();
    expect(ledger.in("/,a")).toBe(1);
    one.client.disconnect();
    await gone(one.socket);
    expect(ledger.members).toEqual({ "/ bob": 1, [`/,${id} bob`]: 1 });
  });

  it("sockets that were open before count with their rooms", async () => {
    const { socket } = await come();
    void socket.join("a");
    count();
    await turn();
    expect(ledger.members).toEqual({ "/ alice": 1, "/,a alice": 1 });
  });

  it("10,000 joins in one call are settled once, and counted up to a limit (36)", async () => {
    count();
    const { socket, client } = await come();
    let looks = 0;
    Object.defineProperty(socket, "connected", { get: () => (looks++, true), configurable: true });
    void socket.join(Array.from({ length: 10_000 }, (_, i) => `r${i}`));
    expect(looks).toBe(0);
    await turn();
    expect(looks).toBe(1);
    Reflect.deleteProperty(socket, "connected");
    socket.connected = true;
    expect(ledger.told.length).toBe(2 + ROOMS_PER_SOCKET_MAX);
    expect(errors).toEqual([
      expect.stringMatching(/^ROOM_NOT_COUNTED: a socket is in more than 2000 tracked rooms/),
    ]);
    // One that is counted goes, one that was not takes its place.
    void socket.leave("r7");
    await turn();
    expect(ledger.told.slice(-2)).toEqual(["-alice /,r7 leave", `+alice /,r${ROOMS_PER_SOCKET_MAX}`]);
    beat();
    await turn();
    beat();
    expect([errors.length, lines]).toEqual([1, []]);
    client.disconnect();
    await gone(socket);
    expect(ledger.members).toEqual({});
    beat();
    beat();
    expect(lines).toEqual(["no more sockets in more rooms than are counted; 1 in all"]);
  });

  it("a client may be in another namespace only, or in none (42, 43)", async () => {
    io.of("/only");
    count({ namespaces: ["/", "/only"] });
    const { client } = await come("alice", "only");
    const idle = new Manager(url, { transports: ["websocket"], reconnection: false });
    await until("two connections", () => io.engine.clientsCount === 2);
    expect(ledger.members).toEqual({ "/only alice": 1 });
    client.disconnect();
    idle._close();
  });

  it("two CONNECTs of a client are two sockets (31)", async () => {
    count();
    const manager = new Manager(url, { transports: ["websocket"], reconnection: false });
    await new Promise((resolve) => manager.once("open", resolve as () => void));
    const packet = (type: number, data?: object) => manager._packet({ type, nsp: "/", data });
    // Both before the server has answered.
    packet(0, { user: "alice" });
    packet(0, { user: "alice" });
    await untilEqual(() => ledger.in("/"), 2);
    io.socketsJoin("a");
    await turn();
    expect(ledger.in("/,a")).toBe(2);
    packet(1);
    await untilEqual(() => [ledger.in("/"), ledger.in("/,a")], [1, 1]);
    manager.engine.close();
    await untilEqual(() => ledger.members, {});
  });
});

describe("users", () => {
  it("a user who is known later comes with all rooms (8)", async () => {
    let answer!: (user: string) => void;
    count({ user: () => new Promise((resolve) => (answer = resolve)) });
    const { socket } = await come();
    void socket.join(["a", "b"]);
    await turn();
    beat();
    expect(ledger.told).toEqual([]);
    answer("alice");
    await turn();
    expect(ledger.told).toEqual(["+alice", "+alice /", "+alice /,a", "+alice /,b"]);
  });

  it("a user who is known when the socket has gone was in no room (9)", async () => {
    let answer!: (user: string) => void;
    count({ user: () => new Promise((resolve) => (answer = resolve)) });
    const { socket, client } = await come();
    void socket.join("a");
    client.disconnect();
    await gone(socket);
    answer("alice");
    await turn();
    beat();
    expect(ledger.told).toEqual([]);
  });

  it("identify() takes all rooms along, in one turn (10, 11)", async () => {
    const counting = count();
    const { socket } = await come();
    void socket.join(["a", "b"]);
    await turn();
    ledger.told.length = 0;
    counting.identify(socket, "bob");
    expect(ledger.told).toEqual([
      "-alice / leave",
      "-alice /,a leave",
      "-alice /,b leave",
      "-alice leave",
      "+bob",
      "+bob /",
      "+bob /,a",
      "+bob /,b",
    ]);
    counting.identify(socket, null);
    expect(ledger.members).toEqual({ "/ ": 1, "/,a ": 1, "/,b ": 1 });
    beat();
    expect(lines).toEqual([]);
  });

  it("identify() before a join is settled counts it once", async () => {
    const counting = count();
    const { socket } = await come();
    void socket.join("a");
    counting.identify(socket, "bob");
    await turn();
    expect(ledger.members).toEqual({ "/ bob": 1, "/,a bob": 1 });
    expect(ledger.told).not.toContain("+alice /,a");
  });
});

describe("the end of a socket", () => {
  it.each([
    ["a dropped transport", "disconnect", (_: Socket, client: Client) => client.io.engine.close()],
    ["a goodbye of the client", "leave", (_: Socket, client: Client) => client.disconnect()],
    ["disconnectSockets(true)", "leave", ({ nsp }: Socket) => nsp.disconnectSockets(true)],
    ["a connection that the server closes", "disconnect", ({ conn }: Socket) => conn.close()],
    ["a server that closes", "disconnect", () => io.close()],
  ])("%s is in its rooms what it is in all (38)", async (_, kind, end) => {
    count();
    const { socket, client } = await come();
    void socket.join("a");
    await turn();
    ledger.told.length = 0;
    void end(socket, client);
    await untilEqual(() => ledger.told, [`-alice / ${kind}`, `-alice /,a ${kind}`, `-alice ${kind}`]);
  });

  it("listeners that were removed from the socket do not matter: it leaves its own room (23)", async () => {
    count();
    const { socket, client } = await come();
    void socket.join("a");
    await turn();
    socket.removeAllListeners();
    client.io.engine.close();
    await untilEqual(
      () => ledger.told.slice(3),
      ["-alice / disconnect", "-alice /,a disconnect", "-alice disconnect"],
    );
    expect(lines).toEqual([expect.stringMatching(/^sockets came or went unnoticed/)]);
  });

  it.each(["disconnecting", "disconnect", "leave-room"] as const)(
    "nothing is left of one whose listener of `%s` throws (24)",
    async (event) => {
      io.use((socket, next) => {
        if (event !== "leave-room") socket.on(event, fail);
        next();
      });
      count();
      const { socket } = await come();
      if (event === "leave-room") io.sockets.adapter.on(event, fail);
      void socket.join("a");
      await turn();
      expect(() => socket.disconnect()).toThrow(BUG);
      await turn();
      beat();
      expect(ledger.members).toEqual({});
      expect(ledger.sockets).toEqual({});
      socket.removeAllListeners();
      io.sockets.adapter.removeAllListeners();
    },
  );
});

describe("listeners of the application", () => {
  it("one of `join-room` that throws ends the join for Socket.IO, and here (25)", async () => {
    count();
    const { socket } = await come();
    io.sockets.adapter.on("join-room", fail);
    expect(() => socket.join(["a", "b"])).toThrow(BUG);
    await turn();
    expect([...socket.rooms]).toEqual([socket.id, "a"]);
    expect(ledger.members).toEqual({ "/ alice": 1, "/,a alice": 1 });
  });

  it("after one of `create-room` that throws, what socket.rooms says counts, a heartbeat later (26)", async () => {
    count();
    const { socket } = await come();
    io.sockets.adapter.once("create-room", fail);
    expect(() => socket.join("a")).toThrow(BUG);
    beat();
    expect(ledger.members).toEqual({ "/ alice": 1, "/,a alice": 1 });
    expect(lines.length).toBe(1);
  });

  it("removed ones of the adapter are put back by a heartbeat, only ours, and only once (22)", async () => {
    count();
    const { socket } = await come();
    const { adapter } = io.sockets;
    adapter.removeAllListeners();
    void socket.join("a");
    await turn();
    expect(ledger.in("/,a")).toBe(0);
    beat();
    expect(ledger.in("/,a")).toBe(1);
    beat();
    expect(adapter.eventNames().map((name) => [name, adapter.listenerCount(name)])).toEqual([
      ["join-room", 1],
      ["leave-room", 1],
    ]);
    void socket.join("b");
    await turn();
    expect(ledger.in("/,b")).toBe(1);
    adapter.removeAllListeners("leave-room");
    beat();
    void socket.leave("b");
    await turn();
    expect(ledger.in("/,b")).toBe(0);
    expect(lines).toEqual([
      expect.stringMatching(/^sockets came or went unnoticed/),
      "no more sockets corrected by a level check; 1 in all",
    ]);
  });

  it("a room that took another's place unheard is found although there are as many", async () => {
    count();
    const { socket } = await come();
    void socket.join("a");
    await turn();
    io.sockets.adapter.removeAllListeners();
    void socket.leave("a");
    void socket.join("b");
    beat();
    expect(ledger.members).toEqual({ "/ alice": 1, "/,b alice": 1 });
    expect(lines).toEqual([expect.stringMatching(/^sockets came or went unnoticed/)]);
  });

  it("of `connection` that were all removed are found by a heartbeat, and the rooms of who came (27)", async () => {
    count();
    io.sockets.removeAllListeners("connection");
    const { socket } = await come();
    void socket.join("a");
    await turn();
    beat();
    await turn();
    expect(ledger.members).toEqual({ "/ alice": 1, "/,a alice": 1 });
  });

  it("nothing of ours is on the adapter of a namespace that is empty, or after detach()", async () => {
    const counting = count();
    const { adapter } = io.sockets;
    expect(adapter.eventNames()).toEqual([]);
    const one = await come();
    expect(adapter.eventNames()).toEqual(["join-room", "leave-room"]);
    one.client.disconnect();
    await gone(one.socket);
    expect(adapter.eventNames()).toEqual([]);
    await come();
    counting.detach();
    expect(adapter.eventNames()).toEqual([]);
    const { length } = ledger.told;
    io.socketsJoin("a");
    await turn();
    expect(ledger.told.length).toBe(length);
  });

  it("without `rooms` nothing is listened to and nothing told", async () => {
    count({ rooms: undefined });
    const { socket } = await come();
    void socket.join("a");
    await turn();
    beat();
    expect([io.sockets.adapter.eventNames(), ledger.told]).toEqual([[], ["+alice"]]);
  });
});

describe("adapters", () => {
  it("one that is set later is listened to, beside the one that earlier sockets keep (20)", async () => {
    count();
    const first = await come("first");
    io.adapter(class extends adapterClassOf(io) {});
    const second = await come("second");
    expect(first.socket.nsp.adapter).toBe(io.sockets.adapter);
    void first.socket.join("a");
    void second.socket.join("a");
    await turn();
    expect(ledger.users("/,a")).toEqual(["first", "second"]);
    void first.socket.leave("a");
    await turn();
    expect(ledger.users("/,a")).toEqual(["second"]);
    beat();
    expect(lines).toEqual([]);
  });

  it("one that joins later is believed when it does, and never after the socket has gone", async () => {
    const pending: (() => void)[] = [];
    io.adapter(
      class extends adapterClassOf(io) {
        override addAll(id: string, rooms: Set<string>) {
          if (rooms.has(id)) return super.addAll(id, rooms);
          return new Promise<void>((resolve) =>
            pending.push(() => resolve(super.addAll(id, rooms) ?? undefined)),
          );
        }
      },
    );
    count();
    const { socket, client } = await come();
    void socket.join("a");
    await turn();
    expect(ledger.in("/,a")).toBe(0);
    pending.shift()!();
    await turn();
    expect(ledger.in("/,a")).toBe(1);
    void socket.join("b");
    client.disconnect();
    await gone(socket);
    pending.shift()!();
    await turn();
    beat();
    expect(ledger.members).toEqual({});
  });

  it("one that throws when it is asked for rooms stops nothing but itself", async () => {
    count();
    const [one, two] = [await come("one"), await come("two")];
    Object.defineProperty(one.socket, "rooms", { get: fail });
    void one.socket.join("a");
    void two.socket.join("a");
    await turn();
    beat();
    expect(ledger.users("/,a")).toEqual(["two"]);
    expect(errors).toEqual([expect.stringMatching(/^INTERNAL/)]);
    one.client.disconnect();
    await gone(one.socket);
    expect(ledger.sockets).toEqual({ two: 1 });
  });

  it("that of a parent namespace is left alone, its children are counted (29)", async () => {
    await io.close();
    await serve({ cleanupEmptyChildNamespaces: true });
    io.of(/^\/p-\d$/);
    count({ namespaces: [/^\/p/] });
    for (let round = 0; round < 2; round++) {
      const { socket, client } = await come("alice", "p-1");
      void socket.join("a");
      await turn();
      expect(ledger.members).toEqual({ "/p-1 alice": 1, "/p-1,a alice": 1 });
      beat();
      client.disconnect();
      await until("it is cleaned up", () => !io._nsps.has("/p-1"));
      expect(ledger.members).toEqual({});
      beat();
    }
    expect([lines, errors]).toEqual([[], []]);
  });
});

describe("connection state recovery", () => {
  async function drop(): Promise<{ manager: Manager; client: Client; socket: Socket }> {
    await io.close();
    await serve({ connectionStateRecovery: { skipMiddlewares: false } });
    count();
    const manager = new Manager(url, { transports: ["websocket"], reconnection: false });
    const client = manager.socket("/", { auth: { user: "alice" } });
    clients.push(client);
    await until("it is connected", () => client.connected);
    const socket = io.sockets.sockets.get(client.id!)!;
    void socket.join("a");
    // Without a packet there is nothing to recover from.
    socket.emit("hello");
    await new Promise((resolve) => client.once("hello", resolve));
    client.io.engine.close();
    await gone(socket);
    expect(ledger.told.splice(0).slice(3)).toEqual([
      "-alice / disconnect",
      "-alice /,a disconnect",
      "-alice disconnect",
    ]);
    return { manager, client, socket };
  }

  it("restored rooms count at the connection (17)", async () => {
    const { client } = await drop();
    client.connect();
    await until("it is back", () => client.connected);
    await turn();
    expect(client.recovered).toBe(true);
    expect(ledger.told).toEqual(["+alice", "+alice /", "+alice /,a"]);
    const { length } = ledger.told;
    void io.sockets.sockets.get(client.id!)!.join("b");
    await turn();
    expect(ledger.told.slice(length)).toEqual(["+alice /,b"]);
  });

  it("a recovery that a middleware refuses restores nothing (18)", async () => {
    const { client } = await drop();
    io.use((_, next) => next(new Error("refused")));
    const refused = new Promise((resolve) => client.once("connect_error", resolve));
    client.connect();
    await refused;
    await turn();
    beat();
    expect(ledger.told).toEqual([]);
  });

  it.each([0, 1])(
    "a session that is used twice is two sockets in each room, until one goes (19)",
    async (first) => {
      const { client } = await drop();
      const { _pid: pid, _lastOffset: offset } = client as unknown as Record<string, string>;
      const twice = ["one", "two"].map(() =>
        clientOf(url, {
          transports: ["websocket"],
          forceNew: true,
          reconnection: false,
          auth: { user: "alice", pid, offset },
        }),
      );
      clients.push(...twice);
      await untilEqual(() => ledger.in("/"), 2);
      await until("both are connected", () => twice.every(({ connected }) => connected));
      expect(twice.map(({ id }) => id === twice[0]!.id)).toEqual([true, true]);
      expect(ledger.in("/,a")).toBe(2);
      // Whichever of them it is that came first.
      twice[first]!.disconnect();
      await untilEqual(() => ledger.in("/"), 1);
      // Socket.IO has taken the other one out of all rooms, too.
      await turn();
      expect(ledger.members).toEqual({ "/ alice": 1 });
      twice[1 - first]!.disconnect();
      await untilEqual(() => ledger.members, {});
    },
  );
});

it("what is counted is what Socket.IO has, over several namespaces", async () => {
  for (const name of ["/a", "/b"]) io.of(name);
  count({ namespaces: [() => true] });
  for (const at of ["", "a", "b", "a"]) await come(`user-${at}`, at);
  io.of("/a").socketsJoin(["x", "y"]);
  io.of("/b").socketsJoin("x");
  io.of("/a").in("x").socketsLeave("y");
  await turn();
  expect(ledger.members).toEqual(
    membersOf(openSockets(io), (socket) => socket.handshake.auth["user"] as string),
  );
  expect(Object.keys(ledger.members).length).toBe(5);
});
