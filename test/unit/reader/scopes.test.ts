/**
 * Goal: answers about namespaces and rooms are those about the whole, of a part: counts, users, grace, expired leases, listings and changes
 * (INV-15, INV-16, INV-17); and what is not tracked is never 0.
 * Method: the real script and readers on the test's clock, with one shard and with three.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Redis } from "ioredis";
import { entryOf } from "../../../rig/entry.ts";
import { Random } from "../../../rig/random.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { TestShard } from "../../../rig/shard.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { type Reader, readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

let server: RedisServer;
let shard: TestShard;
let reader: Reader;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  shard = new TestShard(server.url);
  reader = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix }, { now: () => shard.now });
});
afterEach(() => shard.close());

/** A record: `lists` are values as they are in it. */
async function say(process: string, seq: number, lists: Readonly<Record<string, unknown>>): Promise<void> {
  const { ttl = 10_000, ...rest } = lists;
  await shard.append(...entryOf({ process, seq, ttl, ...rest }));
  while ((await shard.step()).more);
}

const TRACKS = ["/", "/,*", "*/chat", "*/chat,*"];

async function populate(): Promise<void> {
  await say("p", 1, {
    grace: 4_000,
    tracks: TRACKS,
    connect: ["alice", "bob"],
    anonymous: 1,
    sockets: 3,
    join: [
      ["/", "alice", ""],
      ["/,news", "alice", ""],
      ["*/chat", "bob"],
      ["*/chat,news", "bob"],
    ],
    memberships: 6,
  });
  await say("q", 1, {
    ttl: 2_000,
    tracks: TRACKS,
    connect: ["alice", "carol"],
    sockets: 2,
    join: [
      ["/", "alice", "carol"],
      ["/,news", "alice", "carol"],
    ],
    memberships: 4,
  });
}

describe("a namespace and a room", () => {
  it("have their own counts, anonymous sockets included", async () => {
    await populate();
    expect(await reader.of("/").counts()).toMatchObject({ users: 2, sockets: 4 });
    expect(await reader.in("news").counts()).toMatchObject({ users: 2, sockets: 4 });
    expect(await reader.of("/chat").counts()).toMatchObject({ users: 1, sockets: 1 });
    expect(await reader.of("/chat").in("news").counts()).toMatchObject({ users: 1, sockets: 1 });
    expect(await reader.counts()).toMatchObject({ users: 3, sockets: 5 });
  });

  it("answer about users by id, page and list, without the anonymous sockets", async () => {
    await populate();
    const room = reader.in("news");
    expect(await room.isOnline("alice")).toBe(true);
    expect(await room.isOnline("bob")).toBe(false);
    expect(await room.user("alice")).toMatchObject({ online: true, sockets: 2 });
    expect((await room.lookup(["bob", "carol"])).users).toMatchObject([
      { id: "bob", online: false, sockets: 0 },
      { id: "carol", online: true, sockets: 1 },
    ]);
    const { users, next } = await room.page();
    expect(users.map(({ id }) => id).sort()).toEqual(["alice", "carol"]);
    expect(next).toBeNull();
    expect((await room.usersList()).users).toHaveLength(2);
    const each: string[] = [];
    for await (const { id } of room.users()) each.push(id);
    expect(each.sort()).toEqual(["alice", "carol"]);
  });

  it("INV-15: leave out who is there by an expired lease only, and whose grace is over, though nobody projects", async () => {
    await populate();
    await say("p", 2, {
      disconnect: ["bob"],
      sockets: 2,
      drop: [
        ["*/chat", "bob"],
        ["*/chat,news", "bob"],
      ],
      memberships: 4,
    });
    const room = reader.of("/chat").in("news");
    expect(await room.user("bob")).toMatchObject({ online: true, sockets: 0 });
    shard.now += 3_000;
    expect(await reader.in("news").user("carol")).toMatchObject({ online: false });
    expect(await reader.in("news").user("alice")).toMatchObject({ online: true, sockets: 1 });
    expect(await room.isOnline("bob")).toBe(true);
    shard.now += 1_000;
    expect(await room.isOnline("bob")).toBe(false);
    expect((await room.page()).users).toEqual([]);
  });

  it("0 is an answer only where the scope is tracked", async () => {
    await expect(reader.in("news").counts()).rejects.toMatchObject({ code: "SCOPE_UNTRACKED" });
    await populate();
    expect(await reader.in("empty").counts()).toMatchObject({ users: 0, sockets: 0 });
    const elsewhere = reader.of("/other").in("news");
    for (const ask of [
      () => elsewhere.counts(),
      () => elsewhere.isOnline("alice"),
      () => elsewhere.page(),
      () => elsewhere.lookup(["alice"]),
      () => elsewhere.usersList(),
    ])
      await expect(ask()).rejects.toMatchObject({ code: "SCOPE_UNTRACKED" });
    await expect(reader.of("/other").counts()).rejects.toThrow(/add it to `rooms`/);
  });

  it("what this process tracks itself is known before it is registered, and after FLUSHALL", async () => {
    const own = readerOver(
      ioredisPort(shard.redis),
      { prefix: shard.prefix },
      { now: () => shard.now, tracks: TRACKS },
    );
    expect(await own.in("news").counts()).toMatchObject({ users: 0, sockets: 0 });
    expect((await own.countsIn([{ room: "news" }])).scopes).toMatchObject([{ tracked: true, users: 0 }]);
    expect((await own.of("/chat").changes()).changes).toEqual([]);
    await expect(own.of("/other").counts()).rejects.toMatchObject({ code: "SCOPE_UNTRACKED" });
  });

  it("of which only a function knows have their counts while somebody is there, and else none", async () => {
    await say("p", 1, { tracks: ["/", "?"], connect: ["alice"], sockets: 1, join: [["/,a", "alice"]], memberships: 1 }); // prettier-ignore
    expect(await reader.in("a").counts()).toMatchObject({ users: 1 });
    await expect(reader.in("b").counts()).rejects.toThrow(/use names in `rooms`/);
  });

  it("a hash that is left of a scope which is not listed any more says nothing", async () => {
    await populate();
    const { scopes, tag } = shard.keys;
    await shard.redis.zrem(scopes, "/,news");
    expect(await shard.redis.exists(`${tag}:scope:/,news`)).toBe(1);
    const room = reader.in("news");
    expect(await room.counts()).toMatchObject({ users: 0, sockets: 0 });
    expect(await room.user("alice")).toMatchObject({ online: false, sockets: 0 });
    expect((await room.lookup(["alice"])).users).toMatchObject([{ online: false }]);
    expect((await room.page()).users).toEqual([]);
  });

  it("names that make no scope are refused", () => {
    for (const make of [
      () => reader.of("chat"),
      () => reader.of("/a,b"),
      () => reader.in("x".repeat(600)),
      () => reader.in("\ud800"),
      () => reader.in(7 as never),
      () => reader.of("/chat").in(undefined as never),
    ])
      expect(make).toThrow(expect.objectContaining({ code: "SCOPE_INVALID" }));
    expect(() => reader.in("")).not.toThrow();
  });

  it("INV-17: a listing of a room and the changes after its cursor give who is there", async () => {
    const ids = Array.from({ length: 400 }, (_, i) => `u${i}`);
    await say("p", 1, { tracks: ["*/,big"], connect: ids, sockets: 400, join: [["*/,big", ...ids]], memberships: 400 }); // prettier-ignore
    const room = reader.in("big");
    const there = new Set<string>();
    let page = await room.page({ limit: 50 });
    const { cursor } = page.asOf;
    await say("p", 2, { sockets: 400, part: [["*/,big", ...ids.slice(0, 200)]], memberships: 200 });
    for (;;) {
      for (const { id } of page.users) there.add(id);
      if (page.next === null) break;
      page = await room.page({ limit: 50, cursor: page.next });
      expect(page.asOf.cursor).toBe(cursor);
    }
    for (let after = cursor; ;) {
      const { changes, next, gap, more } = await room.changes({ after });
      expect(gap).toBe(false);
      for (const { user, type } of changes) {
        if (type === "online") there.add(user);
        else there.delete(user);
      }
      after = next;
      if (!more) break;
    }
    expect([...there].sort()).toEqual(ids.slice(200).sort());
  });

  it("changes are those of this scope alone, and need `changes`", async () => {
    await populate();
    const { next } = await reader.of("/chat").changes();
    await say("p", 2, { sockets: 3, join: [["*/chat,x", "bob"]], part: [["*/chat", "bob"]], memberships: 6 });
    const { changes } = await reader.of("/chat").changes({ after: next });
    expect(changes).toMatchObject([{ user: "bob", type: "offline", cause: "leave" }]);
    // A cursor is of use in its own scope only.
    const inX = reader.of("/chat").in("x");
    await expect(inX.changes({ after: next })).rejects.toMatchObject({ code: "CURSOR_INVALID" });
    const { next: after } = await inX.changes();
    const [join, part] = [[["*/chat,x", "alice"]], [["*/chat,x", "bob"]]];
    await say("p", 3, { sockets: 3, join, part, memberships: 6 });
    expect((await inX.changes({ after })).changes.map(({ user, type }) => `${type} ${user}`).sort()).toEqual([
      "offline bob",
      "online alice",
    ]);
    await expect(reader.in("news").changes()).rejects.toThrow(/add it to `changes`/);
  });
});

describe("countsIn", () => {
  it("answers for many at once, in the order asked, and says of which nothing is known", async () => {
    await populate();
    const { scopes } = await reader.countsIn([
      { room: "news" },
      { namespace: "/chat" },
      { room: "empty" },
      { namespace: "/other", room: "a,b" },
    ]);
    expect(scopes).toEqual([
      { namespace: "/", room: "news", tracked: true, users: 2, sockets: 4 },
      { namespace: "/chat", room: null, tracked: true, users: 1, sockets: 1 },
      { namespace: "/", room: "empty", tracked: true, users: 0, sockets: 0 },
      { namespace: "/other", room: "a,b", tracked: false, users: null, sockets: null },
    ]);
    expect((await reader.countsIn([])).scopes).toEqual([]);
    const many = Array.from({ length: 1_000 }, (_, i) => ({ room: `r${i}` }));
    expect((await reader.countsIn(many)).scopes).toHaveLength(1_000);
    await expect(reader.countsIn([...many, {}])).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
  });
});

describe.each([1, 3])("scopes() of %i shard(s)", (shards) => {
  /** Rooms with random sizes, ties included, over all shards. */
  async function rooms(): Promise<Map<string, number>> {
    const random = new Random("scopes");
    const prefix = `${shard.prefix}-${shards}`;
    const sizes = new Map<string, number>();
    const lists = Array.from({ length: shards }, (): string[][] => []);
    for (let r = 0; r < 60; r++) {
      const scope = r % 3 === 0 ? `/chat,room-${r}` : `/,room-${r}`;
      const users = Array.from({ length: 1 + Math.floor(random.next() * 5) }, (_, i) => `u${r}-${i}`);
      sizes.set(scope, users.length);
      for (const user of users) lists[shardOf(user, shards)]!.push([scope, user]);
    }
    const redis = new Redis(server.url);
    const projector = projectorOver(ioredisPort(redis), { prefix, shards });
    for (const [i, join] of lists.entries()) {
      const memberships = join.length;
      const fields = [
        "process",
        "p",
        "seq",
        "1",
        "ttl",
        "60000",
        "sockets",
        "0",
        "join",
        JSON.stringify(join),
      ];
      await redis.xadd(keysOf(prefix, i, shards).records, "*", ...fields, "memberships", String(memberships));
      while ((await projector.step(i)).more);
    }
    reader = readerOver(ioredisPort(redis), { prefix, shards });
    closing = () => redis.disconnect();
    return sizes;
  }
  let closing = () => {};
  afterEach(() => closing());

  it("returns each once, the largest first, in pages of any size", async () => {
    const sizes = await rooms();
    for (const limit of [1, 7, 60, 100]) {
      const found: string[] = [];
      let last = Infinity;
      let cursor: string | undefined;
      do {
        const page = await reader.scopes({ limit, cursor });
        expect(page.scopes.length).toBeLessThanOrEqual(limit);
        for (const { namespace, room, users, sockets } of page.scopes) {
          expect(users).toBe(sockets);
          expect(users).toBeLessThanOrEqual(last);
          last = users;
          expect(users).toBe(sizes.get(`${namespace},${room}`));
          found.push(`${namespace},${room}`);
        }
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
      expect(found.sort()).toEqual([...sizes.keys()].sort());
    }
  });

  it("of one namespace, and of rooms whose names begin alike", async () => {
    const sizes = await rooms();
    const chat = await reader.scopes({ namespace: "/chat", limit: 1_000 });
    expect(chat.scopes).toHaveLength([...sizes.keys()].filter((name) => name.startsWith("/chat,")).length);
    const some = await reader.scopes({ prefix: "room-1", limit: 1_000 });
    expect(some.scopes.map(({ room }) => String(room)).sort()).toEqual(
      [...sizes.keys()].map((name) => name.split(",")[1]!).filter((room) => room.startsWith("room-1")).sort(),
    ); // prettier-ignore
  });

  it("refuses what is no cursor, and unknown options by name", async () => {
    for (const cursor of ["", "p0.0.0-0", "s1", "s1.2.3", "sx.1", "s99999999999999999.0"])
      await expect(reader.scopes({ cursor })).rejects.toMatchObject({ code: "CURSOR_INVALID" });
    await expect(reader.scopes({ limit: 0 })).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
    await expect(reader.scopes({ by: 1 } as never)).rejects.toThrow(/by/);
    await expect(reader.scopes({ sort: "name" as never })).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
  });
});
