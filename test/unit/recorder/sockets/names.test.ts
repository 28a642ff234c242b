/**
 * Goal: what counts as a room is decided by its name and by the application, in the same way each time; what cannot be counted is said
 * once while it lasts; and nothing of that reaches the application's `join`.
 * Method: a real Socket.IO server and real clients, with a ledger for a journal; heartbeats come when a test lets them.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Server, Socket } from "socket.io";
import type { Socket as Client } from "socket.io-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { attach, type Attachment, type AttachOptions } from "../../../../src/recorder/socket-io.ts";
import { connect, startServer } from "../../../../rig/node.ts";
import { Ledger } from "./ledger.ts";

let io: Server;
let url: string;
let ledger: Ledger;
let attachment: Attachment | undefined;
let errors: string[];
let lines: string[];
let clients: Client[];

beforeEach(async () => {
  ({ io, url } = await startServer());
  [ledger, errors, lines, clients] = [new Ledger(), [], [], []];
});
afterEach(async () => {
  attachment?.detach();
  for (const client of clients) client.disconnect();
  await io.close();
});

type Rooms = NonNullable<AttachOptions["rooms"]>;

function count(rooms: Partial<Rooms> = {}, options: Partial<AttachOptions> = {}): Attachment {
  return (attachment = attach({
    io,
    user: (socket) => socket.handshake.auth["user"] as string,
    namespaces: [() => true],
    rooms: { rooms: true, changes: [], ...rooms },
    ...ledger.counts,
    onError: ({ code, message }) => errors.push(`${code}: ${message}`),
    logger: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
    heartbeat: 3_600_000,
    ...options,
  }));
}

async function come(at = "/"): Promise<Socket> {
  const client = await connect(`${url}${at}`, "alice");
  clients.push(client);
  await turn();
  return io.of(at).sockets.get(client.id!)!;
}

async function join(socket: Socket, ...rooms: unknown[]): Promise<void> {
  void socket.join(rooms as string[]);
  await turn();
}

const scopes = () => Object.keys(ledger.members).map((key) => key.slice(0, key.lastIndexOf(" ")));

describe("names", () => {
  it('1 and "1" are one room, left when both are (32)', async () => {
    count();
    const socket = await come();
    await join(socket, 1, "1", "2", 2, 1.5);
    expect(ledger.members).toEqual({ "/ alice": 1, "/,1 alice": 1, "/,1.5 alice": 1, "/,2 alice": 1 });
    void socket.leave("1");
    void socket.leave(2 as never);
    await turn();
    attachment!.compare();
    expect(scopes()).toEqual(["/", "/,1", "/,1.5", "/,2"]);
    void socket.leave(1 as never);
    await turn();
    expect(scopes()).toEqual(["/", "/,1.5", "/,2"]);
    expect(lines).toEqual([]);
  });

  it.each([
    ["undefined", undefined],
    ["null", null],
    ["NaN", Number.NaN],
    ["a boolean", true],
    ["a symbol", Symbol("room")],
    ["an object", {}],
    ["a lone surrogate", "\ud800"],
    ["100,000 characters", "x".repeat(100_000)],
    ["513 bytes with the namespace", `é${"x".repeat(509)}`],
  ])("%s is not counted, with one error while it lasts (33)", async (_, room) => {
    count();
    const [one, two] = [await come(), await come()];
    await join(one, "a", room, "b");
    await join(two, room);
    expect(ledger.members).toEqual({ "/ alice": 2, "/,a alice": 1, "/,b alice": 1 });
    expect(errors).toEqual([expect.stringMatching(/^ROOM_NOT_COUNTED: /)]);
    for (let i = 0; i < 3; i++) attachment!.compare();
    expect([errors.length, lines]).toEqual([1, []]);
    void one.leave(room as string);
    void two.leave(room as string);
    await turn();
    attachment!.compare();
    attachment!.compare();
    expect(lines).toEqual(["no more names of rooms or namespaces that cannot be counted; 1 in all"]);
    await join(one, room);
    expect(errors.length).toBe(2);
  });

  it("any other text is a room of its own (34)", async () => {
    count();
    const socket = await come();
    const names = [
      "a,b",
      "a#b",
      "a b",
      "a\u0000b",
      "",
      "😀",
      "__proto__",
      "constructor",
      "*",
      "\\\\",
      `é${"x".repeat(508)}`,
    ];
    await join(socket, ...names);
    expect(scopes().toSorted()).toEqual(["/", ...names.map((name) => `/,${name}`)].toSorted());
    expect(Object.values(ledger.members)).toEqual(Array.from({ length: 12 }, () => 1));
    expect(errors).toEqual([]);
  });

  it("those of two namespaces are not mixed up (35)", async () => {
    io.of("/a");
    io.of("/a/b");
    count();
    await join(await come("/a"), "b/c");
    await join(await come("/a/b"), "c");
    expect(scopes()).toEqual(["/a", "/a,b/c", "/a/b", "/a/b,c"]);
  });

  it("a namespace with a comma is no scope, its sockets count in the whole", async () => {
    // A client ends the name at the comma, so it takes a server to make one.
    const namespace = io.of("/a,b");
    count();
    const socket = await come();
    Object.defineProperty(socket, "nsp", { value: namespace });
    void socket.join("a");
    await turn();
    expect(ledger.members).toEqual({});
    expect(ledger.sockets).toEqual({ alice: 1 });
    expect(errors).toEqual([
      "ROOM_NOT_COUNTED: a socket is in a room or namespace that is not counted: a namespace with a comma cannot be told from a room",
    ]);
  });

  it("nobody hears of odd names where only some rooms are tracked", async () => {
    count({ rooms: ["a*"] });
    const socket = await come();
    await join(socket, undefined, "\ud800", "x".repeat(1_000), "a1");
    expect([scopes(), errors]).toEqual([["/", "/,a1"], []]);
    await join(socket, "a".repeat(1_000));
    expect(errors.length).toBe(1);
  });
});

describe("`rooms` and `changes`", () => {
  it.each<[string, Rooms["rooms"], string[]]>([
    ["none", [], []],
    ["names", ["a", "b", "absent"], ["a", "b"]],
    ["patterns", ["a*"], ["a", "a:1", "ab"]],
    ["an escape", [String.raw`\*`], ["*"]],
    ["a RegExp with state", [/:\d$/g], ["a:1", "b:1"]],
    ["a function", [(room, namespace) => room.length === 1 && namespace === "/"], ["*", "a", "b"]],
  ])("%s", async (_, rooms, expected) => {
    count({ rooms });
    await join(await come(), "a", "b", "ab", "a:1", "b:1", "*");
    expect(scopes()).toEqual(["/", ...expected.map((name) => `/,${name}`)]);
  });

  it.each<[string, Rooms["changes"], string[]]>([
    ["all", true, ["*/", "*/,a", "*/,b"]],
    ["a name", ["a"], ["*/,a", "/", "/,b"]],
    ["any room", ["*"], ["*/,a", "*/,b", "/"]],
    ["a RegExp, which a namespace cannot match", [/./], ["*/,a", "*/,b", "/"]],
    ["a function, which is asked for the namespace", [(room) => room === undefined], ["*/", "/,a", "/,b"]],
  ])("changes told: %s", async (_, changes, expected) => {
    count({ changes });
    const socket = await come();
    await join(socket, "a", "b");
    expect(scopes()).toEqual(expected);
    socket.disconnect();
    expect(ledger.members).toEqual({});
  });

  it("a function is asked once while somebody is in the room, whatever it would say later", async () => {
    const asked: string[] = [];
    count({ rooms: [(room) => asked.push(room) <= 2] });
    const [one, two] = [await come(), await come()];
    await join(one, "a", "b", "c");
    await join(two, "a", "b", "c");
    for (let i = 0; i < 3; i++) attachment!.compare();
    expect(asked).toEqual(["a", "b", "c"]);
    expect(ledger.members).toEqual({ "/ alice": 2, "/,a alice": 2, "/,b alice": 2 });
  });

  it("a function that throws, or is async, is reported and means no", async () => {
    const functions = {
      throws: () => {
        throw new Error("a bug of the application");
      },
      async: () => Promise.reject(new Error("a bug of the application")) as unknown as boolean,
    };
    count({ rooms: [(room) => functions[room as "throws"](), "a"] });
    const socket = await come();
    await join(socket, "throws", "async", "a");
    expect(scopes()).toEqual(["/", "/,a"]);
    expect(errors).toEqual([
      "OPTIONS_INVALID: a function in `rooms` failed: the room is not counted; `cause` is what it threw",
    ]);
  });

  it("a function may join, leave, identify, disconnect and close", async () => {
    let socket!: Socket;
    const acts: Record<string, () => unknown> = {
      join: () => socket.join("joined"),
      leave: () => socket.leave("leave"),
      identify: () => attachment!.identify(socket, "bob"),
      disconnect: () => socket.disconnect(),
    };
    const counting = count({
      rooms: [
        (room) => {
          acts[room]?.();
          return true;
        },
      ],
    });
    socket = await come();
    await join(socket, "join");
    expect(scopes()).toEqual(["/", "/,join", "/,joined"]);
    await join(socket, "leave");
    expect(scopes()).toEqual(["/", "/,join", "/,joined"]);
    await join(socket, "identify");
    await turn();
    attachment!.compare();
    expect(ledger.sockets).toEqual({ bob: 1 });
    expect(scopes()).toEqual(["/", "/,identify", "/,join", "/,joined"]);
    await join(socket, "disconnect");
    expect([ledger.members, ledger.sockets, errors]).toEqual([{}, {}, []]);
    socket = await come();
    acts["close"] = () => counting.detach();
    const { length } = ledger.told;
    await join(socket, "close");
    expect(ledger.told.length).toBe(length);
  });

  it("rooms of our own are never counted, nor is a function asked about them", async () => {
    const asked: string[] = [];
    count({ rooms: [(room) => asked.push(room) > 0], isOwnRoom: (name) => name.startsWith("own:") });
    await join(await come(), "own:alice", `own:${"x".repeat(600)}`, "a");
    expect([scopes(), asked, errors]).toEqual([["/", "/,a"], ["a"], []]);
  });
});

describe("the bound of a process", () => {
  it("is reported once; what is left out is counted when there is room, what is counted is taken back", async () => {
    count({}, { membershipsMax: 5 });
    const [one, two] = [await come(), await come()];
    await join(one, "a", "b");
    await join(two, "a", "b", "c");
    expect(ledger.members).toEqual({ "/ alice": 2, "/,a alice": 2, "/,b alice": 1 });
    for (let i = 0; i < 3; i++) attachment!.compare();
    expect(errors).toEqual([expect.stringMatching(/^ROOM_NOT_COUNTED: this process counts 5 memberships/)]);
    void two.leave("b");
    one.disconnect();
    await turn();
    expect(ledger.members).toEqual({ "/ alice": 1, "/,a alice": 1, "/,c alice": 1 });
    await join(two, "d", "e", "f");
    expect(Object.keys(ledger.members).length).toBe(5);
    void two.leave("a");
    await turn();
    attachment!.compare();
    attachment!.compare();
    attachment!.compare();
    expect(scopes()).toEqual(["/", "/,c", "/,d", "/,e", "/,f"]);
    // None of this was missed.
    expect(lines.filter((line) => line.startsWith("sockets came"))).toEqual([]);
    two.disconnect();
    expect(ledger.members).toEqual({});
  });

  it("sockets that were left out are counted by a heartbeat when others have gone", async () => {
    count({}, { membershipsMax: 2 });
    const [one, two] = [await come(), await come()];
    await join(one, "a");
    await join(two, "a");
    expect(ledger.members).toEqual({ "/ alice": 2 });
    one.disconnect();
    attachment!.compare();
    expect(ledger.members).toEqual({ "/ alice": 1, "/,a alice": 1 });
    expect(lines).toEqual([]);
  });
});
