/**
 * Goal: sockets() lists exactly the sockets that are open, with user, namespace, rooms and process; by room, namespace, user and id; page by
 * page; and never answers "none" where nobody knows.
 * Method: real Socket.IO servers on a real Redis, in one shard and in three; the truth is what each server has.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { connect, startNode, type TestNode } from "../../../rig/node.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { operations, TestShard } from "../../../rig/shard.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import type { PresenceOptions } from "../../../src/presence/presence.ts";
import { readerOver, type SocketPresence, type SocketsOptions } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

let server: RedisServer;
let redis: Redis;
const open: TestNode[] = [];
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterEach(async () => {
  for (const node of open.splice(0)) await node.close();
  await redis.flushdb();
});
afterAll(async () => {
  await redis.quit();
  await server.stop();
});

async function start(options: Partial<PresenceOptions> = {}, io = {}): Promise<TestNode> {
  const node = await startNode(
    { redis: server.url, rooms: true, namespaces: ["/", "/chat"], socketIds: true, ...options },
    io,
  );
  open.push(node);
  return node;
}

const readerOf = (shards = 1) => readerOver(ioredisPort(redis), { shards });

/** All pages. */
async function all(options: SocketsOptions = {}, shards = 1): Promise<SocketPresence[]> {
  const found: SocketPresence[] = [];
  let cursor: string | undefined;
  do {
    const { sockets, next } = await readerOf(shards).sockets({ ...options, cursor });
    found.push(...sockets);
    cursor = next ?? undefined;
  } while (cursor !== undefined);
  return found;
}

const plain = (sockets: readonly SocketPresence[]) =>
  sockets
    .map(({ id, user, namespace, rooms }) => `${id} ${user} ${namespace} ${[...rooms].sort().join()}`)
    .sort();

/** What the servers have. */
function truth(): string[] {
  return open
    .flatMap(({ io }) =>
      [...io._nsps.values()].flatMap((nsp) =>
        [...nsp.sockets.values()].map((socket) => {
          const rooms = [...socket.rooms].filter((room) => room !== socket.id).sort();
          return `${socket.id} ${socket.handshake.auth["user"] ?? null} ${nsp.name} ${rooms.join()}`;
        }),
      ),
    )
    .sort();
}

async function agree(shards: number): Promise<void> {
  await until("the answer is the truth", async () => {
    const found = plain(await all({}, shards));
    return found.join("\n") === truth().join("\n");
  });
}

describe.each([1, 3])("in %i shards", (shards) => {
  it("lists what is open on every server, and each server's own process", async () => {
    const [a, b, c] = [await start({ shards }), await start({ shards }), await start({ shards })];
    for (const { io } of [a, b, c]) {
      io.of("/chat");
      io.on("connection", (socket) => {
        void socket.join("news");
        socket.on("room", (room: string) => void socket.join(room));
      });
    }
    await connect(a.url, "alice");
    const bob = await connect(b.url, "bob");
    await connect(c.url);
    await connect(`${c.url}/chat`, "carol");
    await agree(shards);
    expect(truth()).toHaveLength(4);
    bob.emit("room", "café,#1");
    await until("joined", () => truth().some((line) => line.includes("café")));
    await agree(shards);
    const processes = new Set([a, b, c].flatMap(({ presence }) => presence.processIds));
    const found = await all({}, shards);
    expect(found.every(({ process }) => processes.has(process))).toBe(true);
    expect(found.find(({ user }) => user === "bob")?.process).toBe(b.presence.processIds[0]);
    const users = async (options: SocketsOptions) =>
      (await all(options, shards)).map(({ user }) => user ?? "?").sort();
    expect(await users({ room: "news" })).toEqual(["?", "alice", "bob"]);
    expect(await users({ room: "café,#1" })).toEqual(["bob"]);
    expect(await users({ room: "nobody" })).toEqual([]);
    expect(await users({ namespace: "/chat" })).toEqual(["carol"]);
    expect(await users({ namespace: "/chat", room: "news" })).toEqual([]);
    expect(await users({ user: "alice" })).toEqual(["alice"]);
    expect(await users({ user: null })).toEqual(["?"]);
    expect(await users({ id: bob.id! })).toEqual(["bob"]);
    bob.disconnect();
    await untilEqual(() => truth().length, 3);
    await agree(shards);
    // A user who moves to another shard takes the socket along.
    const [socket] = [...a.io.sockets.sockets.values()];
    for (const user of ["dan", "eve", "frank", null]) {
      a.presence.identify(socket!, user);
      await untilEqual(async () => (await all({ id: socket!.id }, shards)).map((one) => one.user), [user]);
    }
  });

  it("pages have each socket once while nothing happens", async () => {
    const [a, b] = [await start({ shards }), await start({ shards })];
    for (let i = 0; i < 150; i++) await connect(a.url, `a${i}`);
    for (let i = 0; i < 20; i++) await connect(b.url, `b${i}`);
    await untilEqual(async () => (await all({ limit: 1_000 }, shards)).length, 170);
    const small = await all({ limit: 1 }, shards);
    expect(plain(small)).toEqual(truth());
    const { sockets } = await readerOf(shards).sockets({ limit: 10 });
    expect(sockets.length).toBeLessThan(170);
  });
});

it("a process whose lease has expired is left out until a record in the log renews it", async () => {
  await using cleanup = new AsyncDisposableStack();
  const shard = new TestShard(server.url);
  cleanup.defer(() => shard.close());
  const reader = readerOver(ioredisPort(redis), { prefix: shard.prefix }, { now: () => shard.now });
  const record = { process: "p", sockets: 1, memberships: 1, ids: 1 };
  const about = { host: "web", pid: 1, version: "1", grace: 5_000, tracks: ["/", "#"] };
  await shard.record({
    ...record, seq: 1, about, operations: operations("+alice"), join: [["/", "alice"]], open: [["s1", "alice", "/"]],
  }); // prettier-ignore
  await shard.drain();
  const ids = async () => (await reader.sockets()).sockets.map(({ id }) => id);
  expect(await ids()).toEqual(["s1"]);
  shard.now += 10_001;
  expect(await ids()).toEqual([]);
  await shard.record({ ...record, seq: 2 });
  expect(await ids()).toEqual(["s1"]);
  await shard.record({ ...record, seq: 3, bye: true });
  await shard.step();
  // Its user is in grace, and has no socket.
  expect(await reader.isOnline("alice")).toBe(true);
  expect(await ids()).toEqual([]);
});

it("rejects where ids are not kept, and where a room is not tracked", async () => {
  await expect(readerOf().sockets()).rejects.toMatchObject({ code: "SOCKETS_UNTRACKED" });
  const a = await start({ socketIds: false });
  await connect(a.url, "alice");
  await expect(a.presence.sockets()).rejects.toMatchObject({ code: "SOCKETS_UNTRACKED" });
  await a.close();
  const b = await start({ rooms: ["news"], namespaces: ["/"] });
  await untilEqual(async () => (await b.presence.sockets({ room: "news" })).sockets, []);
  await expect(b.presence.sockets({ room: "other" })).rejects.toMatchObject({ code: "SCOPE_UNTRACKED" });
  await expect(b.presence.sockets({ cursor: "x" })).rejects.toMatchObject({ code: "CURSOR_INVALID" });
  await expect(b.presence.sockets({ cursor: "i1.0.0" })).rejects.toMatchObject({ code: "CURSOR_INVALID" });
  await expect(b.presence.sockets({ user: "" })).rejects.toMatchObject({ code: "USER_INVALID" });
  await expect(b.presence.sockets({ namespace: "x" })).rejects.toMatchObject({ code: "SCOPE_INVALID" });
  await expect(b.presence.sockets({ limit: 1_001 })).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
  await expect(b.presence.sockets({ rooms: [] } as never)).rejects.toThrow(/"?rooms"?/);
});

it("socketIds needs rooms", async () => {
  await expect(startNode({ redis: server.url, socketIds: true })).rejects.toThrow("socketIds needs rooms");
});

it("is right again after Redis has lost everything", async () => {
  const a = await start({ ttl: 600 });
  a.io.on("connection", (socket) => void socket.join("news"));
  for (let i = 0; i < 30; i++) await connect(a.url, `a${i}`);
  await untilEqual(async () => (await all({ room: "news" })).length, 30);
  await redis.flushdb();
  await until("registered again", async () => {
    const sockets = await all({ room: "news" }).catch(() => []);
    return sockets.length === 30;
  });
  expect(plain(await all())).toEqual(truth());
});

it("an id that is two sockets stays while one of them is open", async () => {
  const a = await start({}, { connectionStateRecovery: {} });
  const first = await connect(a.url, "alice");
  a.io.emit("hello");
  await new Promise((resolve) => first.once("hello", resolve));
  const id = first.id!;
  first.io.engine.close();
  await untilEqual(async () => (await all()).length, 0);
  const { _pid: pid, _lastOffset: offset } = first as unknown as { _pid: string; _lastOffset: string };
  first.disconnect();
  const again = async () =>
    connect(a.url, undefined, { auth: { user: "alice", pid, offset }, forceNew: true });
  const second = await again();
  const third = await again();
  expect([second.id, third.id]).toEqual([id, id]);
  await untilEqual(async () => (await a.presence.counts()).sockets, 2);
  expect((await all()).map((socket) => socket.id)).toEqual([id]);
  third.disconnect();
  await untilEqual(async () => (await a.presence.counts()).sockets, 1);
  expect((await all()).map((socket) => socket.id)).toEqual([id]);
  second.disconnect();
  await untilEqual(async () => (await all()).length, 0);
});
