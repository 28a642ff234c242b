/**
 * Goal: an adapter made by withPresence() answers sockets(rooms) and allRooms() for all servers, and does everything else as before.
 * Method: three real servers with each adapter, on a real Redis. The second half is the common core of the adapters' own tests, written
 * after their titles.
 */
import { createAdapter as createRedisAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server, type Socket } from "socket.io";
import type { Socket as ClientSocket } from "socket.io-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connect, startNode, startServer, type TestNode } from "../../../rig/node.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { untilStreamsAreRead } from "../../../rig/streams-adapter.ts";
import { untilEqual } from "../../../rig/until.ts";
import { type AdapterFactory, withPresence } from "../../../src/adapter/with-presence.ts";
import type { PresenceOptions } from "../../../src/presence/presence.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

type Adapter = Server["sockets"]["adapter"] & { allRooms(): Promise<Set<string>> };
const adapterOf = (io: Server, name = "/") => io.of(name).adapter as Adapter;
const sorted = (set: Iterable<unknown>) => [...set].map(String).sort();
const allSockets = async (target: { allSockets(): Promise<Set<unknown>> }) =>
  sorted(await target.allSockets());

/** In Socket.IO the adapter of one process; what another makes a factory. */
const OWN = new Server().sockets.adapter.constructor as AdapterFactory;

let redises: Redis[] = [];
let nodes: TestNode[] = [];
let clients: ClientSocket[] = [];

async function closeAll(): Promise<void> {
  for (const client of clients) client.disconnect();
  for (const node of nodes) await node.close();
  for (const redis of redises) redis.disconnect();
  const redis = new Redis(server.url);
  await redis.flushall();
  await redis.quit();
  [redises, nodes, clients] = [[], [], []];
}

function client(): Redis {
  const redis = new Redis(server.url);
  redis.on("error", () => {});
  redises.push(redis);
  return redis;
}

const KINDS: Record<string, () => AdapterFactory> = {
  "in-memory": () => OWN,
  "redis-adapter": () => createRedisAdapter(client(), client(), { requestsTimeout: 2_000 }),
  "redis-streams-adapter": () =>
    createStreamsAdapter(client(), { heartbeatInterval: 100, heartbeatTimeout: 2_000, blockTimeInMs: 50 }),
};

async function start(adapter: AdapterFactory, options: Partial<PresenceOptions> = {}): Promise<TestNode> {
  const bare = await startServer({ adapter: withPresence(adapter) });
  bare.io.of("/custom");
  const node = await startNode(
    {
      redis: server.url,
      namespaces: ["/", "/custom"],
      rooms: true,
      socketIds: true,
      userRooms: true,
      ...options,
    },
    bare,
  );
  nodes.push(node);
  return node;
}

/** Three servers with a client each. */
async function cluster(kind: string): Promise<{ ios: Server[]; sockets: Socket[] }> {
  for (let i = 0; i < 3; i++) await start(KINDS[kind]!());
  const ios = nodes.map(({ io }) => io);
  if (kind !== "in-memory")
    await untilEqual(() => Promise.all(ios.map((io) => io.of("/").adapter.serverCount())), [3, 3, 3]);
  if (kind === "redis-streams-adapter") await untilStreamsAreRead(ios);
  for (const [i, { url }] of nodes.entries()) clients.push(await connect(url, `user ${i}`));
  const sockets = ios.map((io) => [...io.of("/").sockets.values()][0]!);
  await untilEqual(async () => (await nodes[0]!.presence.sockets()).sockets.length, 3);
  return { ios, sockets };
}

describe.each(Object.keys(KINDS))("%s, wrapped", (kind) => {
  let ios: Server[];
  let sockets: Socket[];
  beforeEach(async () => {
    ({ ios, sockets } = await cluster(kind));
  });
  afterEach(closeAll);

  it("sockets(rooms) answers for all servers", async () => {
    const ids = sockets.map(({ id }) => id).sort();
    for (const io of ios) expect(await allSockets(io)).toEqual(ids);
    await sockets[1]!.join("news");
    await sockets[2]!.join(["news", "other"]);
    for (const io of ios) {
      await untilEqual(() => allSockets(io.in("news")), [sockets[1]!.id, sockets[2]!.id].sort());
      await untilEqual(() => allSockets(io.in(["other", "none"])), [sockets[2]!.id]);
      expect(await allSockets(io.in("none"))).toEqual([]);
      // A socket's own room, and a user's.
      expect(await allSockets(io.in(sockets[2]!.id))).toEqual([sockets[2]!.id]);
      expect(await allSockets(io.in("rollcall:user:user 1"))).toEqual([sockets[1]!.id]);
      expect(await allSockets(io.of("/custom"))).toEqual([]);
    }
    // A room with the name of another socket's own.
    await sockets[0]!.join(sockets[2]!.id);
    await untilEqual(() => allSockets(ios[1]!.in(sockets[2]!.id)), [sockets[0]!.id, sockets[2]!.id].sort());
    await sockets[1]!.leave("news");
    await untilEqual(() => allSockets(ios[0]!.in("news")), [sockets[2]!.id]);
    clients[2]!.disconnect();
    await untilEqual(() => allSockets(ios[0]!), [sockets[0]!.id, sockets[1]!.id].sort());
  });

  it("allRooms() answers for all servers, without the sockets' own rooms", async () => {
    await sockets[1]!.join("woot1");
    await sockets[2]!.join(["woot2", "7"]);
    const custom = await connect(`${nodes[1]!.url}/custom`);
    clients.push(custom);
    await ios[1]!.of("/custom").sockets.get(custom.id!)!.join("woot3");
    for (const io of ios) {
      await untilEqual(async () => sorted(await adapterOf(io).allRooms()), ["7", "woot1", "woot2"]);
      await untilEqual(async () => sorted(await adapterOf(io, "/custom").allRooms()), ["woot3"]);
    }
  });

  it("falls back to its own answers once the presence is closed", async () => {
    await sockets[0]!.join("news");
    await nodes[0]!.presence.close();
    expect(await allSockets(ios[0]!)).toEqual([sockets[0]!.id]);
    expect(await allSockets(ios[0]!.in("news"))).toEqual([sockets[0]!.id]);
    const rooms = adapterOf(ios[0]!).allRooms();
    if (kind === "redis-adapter") expect(sorted(await rooms)).toContain("news");
    else await expect(rooms).rejects.toMatchObject({ code: "SCOPE_UNTRACKED" });
  });

  it("serverCount, fetchSockets and socketRooms are the adapter's own", async () => {
    const adapter = adapterOf(ios[0]!);
    expect(Object.keys(adapter)).toContain("sockets");
    for (const name of ["serverCount", "fetchSockets", "socketRooms", "broadcast"])
      expect(Object.hasOwn(adapter, name)).toBe(false);
    expect(await adapter.serverCount()).toBe(kind === "in-memory" ? 1 : 3);
    expect(sorted(adapter.socketRooms(sockets[0]!.id)!)).toContain(sockets[0]!.id);
  });

  // What the adapters promise. The one of a single process reaches only that.
  const isOne = kind === "in-memory";
  const reached = (...of: number[]) => (isOne ? of.filter((i) => i === 0) : of);

  /** Which of the clients get an event, and whatever comes after it. */
  async function receivers(emit: () => unknown): Promise<number[]> {
    const got = new Set<number>();
    clients.forEach((one, i) => one.once("event", () => got.add(i)));
    const ended = clients.map((one) => new Promise<void>((resolve) => void one.once("end", () => resolve())));
    await emit();
    if (isOne) for (const io of ios) io.emit("end");
    else ios[0]!.emit("end");
    await Promise.all(ended);
    for (const one of clients) one.off("event");
    return [...got].sort((a, b) => a - b);
  }

  describe("broadcasts", () => {
    it("to all clients", async () => {
      expect(await receivers(() => ios[0]!.emit("event", 1, Buffer.from([2])))).toEqual(reached(0, 1, 2));
    });
    it("in a namespace", async () => {
      expect(await receivers(() => ios[0]!.of("/custom").emit("event"))).toEqual([]);
    });
    it("in a room, also one with a number for a name", async () => {
      await sockets[0]!.join(["room", 1] as string[]);
      await sockets[1]!.join(["room", 1] as string[]);
      expect(await receivers(() => ios[0]!.to("room").emit("event"))).toEqual(reached(0, 1));
      expect(await receivers(() => ios[0]!.to(1 as unknown as string).emit("event"))).toEqual(reached(0, 1));
    });
    it("except a room", async () => {
      await sockets[1]!.join("room");
      expect(await receivers(() => ios[0]!.except("room").emit("event"))).toEqual(reached(0, 2));
    });
    it("to local clients only", async () => {
      expect(await receivers(() => ios[0]!.local.emit("event"))).toEqual([0]);
    });
  });

  describe("broadcasts with acknowledgements", () => {
    it("with several answers", async () => {
      clients.forEach((one, i) => one.on("question", (answer: (n: number) => void) => answer(i)));
      const answers = (await ios[0]!.timeout(5_000).emitWithAck("question")) as number[];
      expect(answers.sort((a, b) => a - b)).toEqual(reached(0, 1, 2));
    });
    it("without anybody", async () => {
      expect(await ios[0]!.to("nobody").timeout(1_000).emitWithAck("question")).toEqual([]);
    });
    it("with a time-out", async () => {
      clients[0]!.on("question", () => {});
      clients[1]!.on("question", (answer: (n: number) => void) => answer(1));
      const failure = await new Promise<{ error: unknown; answers: unknown }>((resolve) => {
        ios[0]!
          .timeout(300)
          .emit("question", (error: unknown, answers: unknown) => resolve({ error, answers }));
      });
      expect(failure).toEqual({ error: expect.any(Error), answers: isOne ? [] : [1] });
    });
  });

  it("socketsJoin and socketsLeave: all, those in a room, one", async () => {
    const isIn = (room: string) => () => sockets.flatMap(({ rooms }, i) => (rooms.has(room) ? [i] : []));
    ios[0]!.socketsJoin("all");
    await untilEqual(isIn("all"), reached(0, 1, 2));
    await sockets[0]!.join("some");
    await sockets[2]!.join("some");
    ios[0]!.in("some").socketsJoin(["more", "than one"]);
    await untilEqual(isIn("than one"), reached(0, 2));
    ios[0]!.in(sockets[1]!.id).socketsJoin("single");
    await untilEqual(isIn("single"), reached(1));
    ios[0]!.in("some").socketsLeave("all");
    await untilEqual(isIn("all"), reached(1));
    ios[0]!.in(sockets[1]!.id).socketsLeave("single");
    await untilEqual(isIn("single"), []);
    ios[0]!.socketsLeave("more");
    await untilEqual(isIn("more"), []);
    // And the presence sees what another server has done.
    if (!isOne)
      await untilEqual(
        async () =>
          (await nodes[1]!.presence.sockets({ room: "than one" })).sockets.map(({ id }) => id).sort(),
        [sockets[0]!.id, sockets[2]!.id].sort(),
      );
  });

  it("disconnectSockets", async () => {
    ios[0]!.disconnectSockets(true);
    await untilEqual(() => clients.flatMap(({ connected }, i) => (connected ? [] : [i])), reached(0, 1, 2));
  });

  it("fetchSockets: all, one, local", async () => {
    const ids = async (found: Promise<readonly { id: string }[]>) =>
      sorted((await found).map(({ id }) => id));
    const wanted = (...of: number[]) =>
      reached(...of)
        .map((i) => sockets[i]!.id)
        .sort();
    expect(await ids(ios[0]!.fetchSockets())).toEqual(wanted(0, 1, 2));
    expect(await ids(ios[0]!.in(sockets[1]!.id).fetchSockets())).toEqual(wanted(1));
    expect(await ids(ios[0]!.local.fetchSockets())).toEqual([sockets[0]!.id]);
    const [remote] = await ios[0]!.in(sockets[0]!.id).fetchSockets();
    expect(remote!.handshake.auth).toEqual({ user: "user 0" });
  });

  it.skipIf(kind === "in-memory")("serverSideEmit, with and without answers", async () => {
    const got: unknown[] = [];
    ios.forEach((io, i) => {
      io.on(
        "hello" as never,
        ((n: number, answer?: (n: number) => void) => {
          got.push([i, n]);
          answer?.(i);
        }) as never,
      );
    });
    ios[0]!.serverSideEmit("hello" as never, 5);
    await untilEqual(() => got.map(String).toSorted(), ["1,5", "2,5"]); // prettier-ignore
    const answers = (await ios[0]!.serverSideEmitWithAck("hello" as never, 6)) as number[];
    expect(answers.sort((a, b) => a - b)).toEqual([1, 2]);
  });
});

describe("withPresence", () => {
  afterEach(closeAll);

  it("takes classes, functions called with new, and arrow functions", async () => {
    const Plain = OWN as new (nsp: unknown) => object;
    const factories: unknown[] = [
      class extends Plain {},
      function (nsp: unknown) {
        return new Plain(nsp);
      },
      (nsp: unknown) => new Plain(nsp),
    ];
    for (const factory of factories) {
      const wrapped = withPresence(factory as AdapterFactory);
      const { io } = await startServer({ adapter: wrapped });
      expect(await allSockets(io)).toEqual([]);
      await expect(adapterOf(io).allRooms()).rejects.toMatchObject({ code: "SCOPE_UNTRACKED" });
      await io.close();
    }
    expect(() => withPresence(7 as never)).toThrow("withPresence takes an adapter");
  });

  it("answers what the adapter does where ids or rooms are not kept, and for namespaces that are not counted", async () => {
    const a = await start(OWN, { socketIds: false });
    const b = await start(OWN, { rooms: ["news"], namespaces: ["/"], prefix: "other" });
    const c = await start(OWN, { rooms: ["news"], namespaces: ["/"], prefix: "other" });
    const [own, there] = [await connect(a.url), await connect(c.url)];
    const custom = await connect(`${c.url}/custom`);
    clients.push(own, there, custom);
    expect(await allSockets(a.io)).toEqual([own.id]);
    await untilEqual(() => allSockets(b.io), [there.id]);
    expect(await allSockets(b.io.of("/custom"))).toEqual([]);
    expect(await allSockets(c.io.of("/custom"))).toEqual([custom.id]);
    c.io.socketsJoin(["untracked", "news"]);
    await untilEqual(async () => sorted(await adapterOf(b.io).allRooms()), ["news"]);
    expect(await allSockets(c.io.in("untracked"))).toEqual([there.id]);
    await expect(adapterOf(b.io, "/custom").allRooms()).rejects.toMatchObject({ code: "SCOPE_UNTRACKED" });
  });

  it("sockets() answers for this server, and allRooms() rejects, while Redis is away", async () => {
    const away = await startRedis();
    const a = await start(OWN, { redis: away.url });
    const one = await connect(a.url);
    clients.push(one);
    await away.stop();
    await untilEqual(() => allSockets(a.io), [one.id]);
    await expect(adapterOf(a.io).allRooms()).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
  });
});
