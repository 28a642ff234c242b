/**
 * Goal: the sockets in a user's room are the counted ones of this user, whatever clients ask for, the application does to rooms, and
 * connection state recovery restores.
 * Method: a real Socket.IO server and real clients; heartbeats are called.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Server, ServerOptions, Socket } from "socket.io";
import type { Socket as ClientSocket } from "socket.io-client";
import { Adapter } from "socket.io-adapter";
import { afterEach, expect, it } from "vitest";
import { attach, type Attachment, type AttachOptions } from "../../../../src/recorder/socket-io.ts";
import { Reports } from "../../../../src/recorder/sockets/reports.ts";
import { UserRooms } from "../../../../src/recorder/sockets/user-rooms.ts";
import { connect, startServer } from "../../../../rig/node.ts";
import { until, untilEqual } from "../../../../rig/until.ts";

let io: Server;
let url: string;
let attachment: Attachment | undefined;
let rooms: UserRooms;
let errors: string[];

afterEach(async () => {
  attachment?.detach();
  await io.close();
});

async function count(
  options: Partial<AttachOptions> = {},
  server: Partial<ServerOptions> = {},
): Promise<Attachment> {
  ({ io, url } = await startServer(server));
  errors = [];
  const silent = { info() {}, warn() {} };
  const onError = ({ message }: Error) => void errors.push(message);
  rooms = new UserRooms("u:", new Reports({ onError, logger: silent }));
  return (attachment = attach({
    io,
    user: (socket) => socket.handshake.auth["user"] as string,
    namespaces: ["/"],
    connect() {},
    disconnect() {},
    join() {},
    part() {},
    onError,
    logger: silent,
    heartbeat: 1_000,
    runtime: { now: () => 0, after: () => () => {} },
    watchers: [rooms],
    ...options,
  }));
}

const sockets = (): Socket[] => [...io.sockets.sockets.values()];
const socketOf = (user: string): Socket =>
  sockets().find(({ handshake }) => handshake.auth["user"] === user)!;
/** The users, as they said who they are, whose sockets a broadcast to this room would reach. */
const reached = async (room: string): Promise<string[]> =>
  (await io.in(room).fetchSockets()).map(({ handshake }) => handshake.auth["user"] as string).sort();

/** What a client has received. */
function heard(client: ClientSocket): string[] {
  const all: string[] = [];
  client.on("mail", (text: string) => all.push(text));
  return all;
}

it("each socket is in the room of its user, an anonymous one in none", async () => {
  await count();
  for (const user of ["alice", "alice", "bob", ""]) await connect(url, user);
  await untilEqual(() => reached("u:alice"), ["alice", "alice"]);
  expect(await reached("u:bob")).toEqual(["bob"]);
  expect([...io.sockets.adapter.rooms.keys()].filter(rooms.isUserRoom).sort()).toEqual(["u:alice", "u:bob"]);
  expect(["u:", "u:x", "x", 1, null, undefined, Symbol("u:")].map(rooms.isUserRoom)).toEqual([
    true, true, false, false, false, false, false,
  ]); // prettier-ignore
});

it("a client that asks to join another user's room gets nothing of a broadcast in the same turn", async () => {
  await count();
  io.on("connection", (socket) => {
    socket.on("join", async (room: string | string[]) => {
      const joins = socket.join(room);
      io.to("u:alice").emit("mail", "for alice");
      await joins;
      io.to(["u:alice", "own"]).emit("mail", "for alice and own");
      socket.emit("mail", "end");
    });
  });
  const alice = heard(await connect(url, "alice"));
  const client = await connect(url, "mallory");
  const mallory = heard(client);
  await until("both are settled", async () => (await reached("u:mallory")).length === 1);
  client.emit("join", ["own", "u:alice", "u:nobody"]);
  await untilEqual(() => mallory, ["for alice and own", "end"]);
  expect(alice).toEqual(["for alice", "for alice and own"]);
  expect([...socketOf("mallory").rooms].sort()).toEqual([socketOf("mallory").id, "own", "u:mallory"].sort());
  expect(errors).toEqual([]);
});

it("a room joined before the user is known is left, at `connection` and by who waits for an answer", async () => {
  const answer = Promise.withResolvers<string>();
  await count({ user: ({ handshake }) => (handshake.auth["user"] === "slow" ? answer.promise : "bob") });
  io.use((socket, next) => {
    void socket.join(["u:alice", "u:bob", "u:slow"]);
    next();
  });
  const seen: string[][] = [];
  io.on("connection", (socket) => void seen.push([...socket.rooms].filter(rooms.isUserRoom)));
  await connect(url, "quick");
  await connect(url, "slow");
  await until("both are there", () => seen.length === 2);
  expect(seen).toEqual([[], []]);
  const slow = socketOf("slow");
  await slow.join("u:slow");
  expect(slow.rooms.has("u:slow")).toBe(false);
  expect(await reached("u:bob")).toEqual(["quick"]);
  answer.resolve("slow");
  await untilEqual(() => reached("u:slow"), ["slow"]);
});

it("identify() moves the socket in one turn, and null takes it out", async () => {
  const counting = await count();
  const mail = heard(await connect(url, "alice"));
  await until("she is settled", async () => (await reached("u:alice")).length === 1);
  const socket = socketOf("alice");
  counting.identify(socket, "bob");
  io.to("u:alice").emit("mail", "alice's");
  io.to("u:bob").emit("mail", "bob's");
  await untilEqual(() => mail, ["bob's"]);
  counting.identify(socket, null);
  expect([...socket.rooms]).toEqual([socket.id]);
});

it.each(["leaves all rooms but its own", "calls leaveAll()", "leaves the room"])(
  "a socket that %s is back when that is done",
  async (how) => {
    await count();
    await connect(url, "alice");
    await until("she is settled", async () => (await reached("u:alice")).length === 1);
    const socket = socketOf("alice");
    await socket.join(["a", "b"]);
    if (how === "calls leaveAll()") io.sockets.adapter.delAll(socket.id);
    else if (how === "leaves the room") await socket.leave("u:alice");
    else for (const room of socket.rooms) if (room !== socket.id) await socket.leave(room);
    await turn();
    expect(await reached("u:alice")).toEqual(["alice"]);
  },
);

it("a heartbeat mends what our listeners did not hear, and puts them back", async () => {
  const counting = await count();
  await connect(url, "alice");
  await connect(url, "bob");
  await until("both are settled", async () => (await reached("u:bob")).length === 1);
  io.sockets.adapter.removeAllListeners();
  await socketOf("alice").leave("u:alice");
  await socketOf("bob").join("u:alice");
  expect(await reached("u:alice")).toEqual(["bob"]);
  counting.compare();
  expect(await reached("u:alice")).toEqual(["alice"]);
  await socketOf("bob").join("u:alice");
  expect(await reached("u:alice")).toEqual(["alice"]);
});

it("an adapter set after the start is listened to, and the one before for the sockets it has", async () => {
  await count();
  await connect(url, "alice");
  await until("she is settled", async () => (await reached("u:alice")).length === 1);
  const alice = socketOf("alice");
  io.adapter(Adapter);
  await connect(url, "bob");
  await untilEqual(() => reached("u:bob"), ["bob"]);
  await alice.join("u:bob");
  await socketOf("bob").join("u:alice");
  expect([alice, socketOf("bob")].map(({ rooms: all }) => [...all].filter(rooms.isUserRoom))).toEqual([
    ["u:alice"],
    ["u:bob"],
  ]);
});

it.each([
  ["alice", ["u:alice"], ["missed"]],
  ["bob", ["u:bob"], ["missed"]],
])("a recovered socket that is now %s's is in %s only", async (now, expected, missed) => {
  const counting = await count({}, { connectionStateRecovery: {} });
  const client = await connect(url, "alice");
  const mail = heard(client);
  await until("she is settled", async () => (await reached("u:alice")).length === 1);
  const before = socketOf("alice");
  // Without an event there is nothing to recover from.
  before.emit("mail", "first");
  await untilEqual(() => mail, ["first"]);
  client.auth = { user: now };
  client.io.engine.close();
  await until("it is gone", () => !before.connected);
  io.to("u:alice").emit("mail", "missed");
  client.connect();
  await until("it is back", () => client.connected && client.recovered);
  const [socket] = sockets();
  expect(socket!.id).toBe(before.id);
  await untilEqual(() => [...socket!.rooms].filter(rooms.isUserRoom), expected);
  await untilEqual(() => mail, ["first", ...missed]);
  counting.compare();
  expect([...socket!.rooms].filter(rooms.isUserRoom)).toEqual(expected);
});

it("a socket whose `disconnecting` listener throws is in no user's room afterwards", async () => {
  const counting = await count();
  const client = await connect(url, "alice");
  await until("she is settled", async () => (await reached("u:alice")).length === 1);
  const socket = socketOf("alice");
  socket.removeAllListeners();
  socket.conn.removeAllListeners("close");
  client.disconnect();
  client.io.engine.close();
  await until("its connection is closed", () => socket.conn.readyState === "closed");
  counting.compare();
  await turn();
  expect(await reached("u:alice")).toEqual([]);
});

it("nothing of ours is left on the adapter afterwards", async () => {
  const counting = await count();
  const before = ["join-room", "leave-room"].map((name) => io.sockets.adapter.listenerCount(name));
  await connect(url, "alice");
  await until("she is settled", async () => (await reached("u:alice")).length === 1);
  counting.detach();
  expect(["join-room", "leave-room"].map((name) => io.sockets.adapter.listenerCount(name))).toEqual(before);
});
