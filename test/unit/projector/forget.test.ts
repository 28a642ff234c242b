/**
 * Goal: after forget() nothing in Redis names the user, the changes of others are whole or a gap (INV-11), and servers that follow notice
 * nothing (INV-13).
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { entryOf } from "../../../rig/entry.ts";
import { Random } from "../../../rig/random.ts";
import { operations, TestShard } from "../../../rig/shard.ts";
import { until } from "../../../rig/until.ts";
import { decodeChanges } from "../../../src/core/change.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { follow } from "../../../src/follow/mirror.ts";
import { createApp } from "../../../src/http/app.ts";
import { forget as script } from "../../../src/lua/generated.ts";
import { createProjector } from "../../../src/projector/create.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { readEvents, serve } from "../http/serve.ts";
import { TOKEN } from "../http/support.ts";

const SEED = Number(process.env["FORGET_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Ids that are parts of each other, and such as JSON writes in more ways than one. */
const NASTY = [
  "a",
  "ab",
  "b",
  ",",
  '"',
  '","',
  "\\",
  "[]",
  "/",
  "</a>",
  "é",
  "e\u0301",
  "😀",
  "\u0000",
  "\n",
  "1",
  "11",
  "trimmed",
];

let server: RedisServer;
const open: TestShard[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await Promise.all(open.map((shard) => shard.close()));
  await server.stop();
});

/** A shard with one live process. */
async function newShard(): Promise<TestShard & { say(...what: string[]): Promise<void> }> {
  const shard = new TestShard(server.url);
  open.push(shard);
  let seq = 0;
  let sockets = 0;
  async function say(...what: string[]): Promise<void> {
    const about = { host: "h", pid: 1, version: "0", grace: 0 };
    for (const one of what) sockets += one.startsWith("+") ? 1 : -1;
    const first = ++seq === 1 && { about };
    await shard.record({
      process: "p",
      seq,
      ...first,
      ttl: 3_600_000,
      operations: operations(...what),
      sockets,
    });
    await shard.drain();
  }
  return Object.assign(shard, { say });
}

const entriesOf = (shard: TestShard) => shard.redis.xrange(shard.keys.changes, "-", "+");
const naming = (entries: [string, string[]][], user: string) =>
  entries.filter(([id, fields]) => decodeChanges(id, fields).some((change) => change.user === user));

it("removes what is before the last entry that names the user, and that one; what is after it stays", async () => {
  const shard = await newShard();
  await shard.say("+bob", "+alice");
  await shard.say("+carol");
  await shard.say("~alice");
  await shard.say("+dan");
  expect(await shard.projector.forget("alice")).toEqual({ changes: 3, rejected: 0, subscribers: 0 });
  expect(await shard.told()).toEqual(["+dan connect"]);
  expect(await shard.users()).toEqual({ bob: 1, carol: 1, dan: 1 });
  expect(await shard.projector.forget("alice")).toEqual({ changes: 0, rejected: 0, subscribers: 0 });
});

it("is refused while the user is present, in a socket or in grace, and then removes nothing", async () => {
  const shard = await newShard();
  await shard.say("+alice");
  await expect(shard.projector.forget("alice")).rejects.toMatchObject({ code: "USER_PRESENT" });
  expect(await shard.told()).toEqual(["+alice connect"]);
  // In grace on another process.
  const about = { host: "h", pid: 1, version: "0", grace: 60_000 };
  await shard.record({ process: "q", seq: 1, about, operations: operations("+ben"), sockets: 1 });
  await shard.record({ process: "q", seq: 2, operations: operations("-ben"), sockets: 0 });
  await shard.drain();
  await expect(shard.projector.forget("ben")).rejects.toMatchObject({ code: "USER_PRESENT" });
  await shard.say("~alice");
  expect(await shard.projector.forget("alice")).toMatchObject({ changes: 3 });
});

it("refuses what is no id of a user", async () => {
  const shard = await newShard();
  for (const id of ["", "x".repeat(257), "\ud800"])
    await expect(shard.projector.forget(id)).rejects.toMatchObject({ code: "USER_INVALID" });
});

it("what is still in the log is folded first, and forgotten with the rest", async () => {
  const shard = await newShard();
  await shard.say("+bob");
  await shard.record({ process: "p", seq: 2, ttl: 3_600_000, operations: operations("+alice"), sockets: 2 });
  await shard.record({ process: "p", seq: 3, ttl: 3_600_000, operations: operations("~alice"), sockets: 1 });
  await shard.projector.forget("alice");
  expect(await shard.redis.xlen(shard.keys.records)).toBe(0);
  expect(naming(await entriesOf(shard), "alice")).toEqual([]);
});

it("entries set aside go when they name the user, or may: with an escape, or cut within a value", async () => {
  const shard = await newShard();
  const aside = (list: string) =>
    shard.append("process", "p", "seq", "1", "ttl", "0", "connect", list, "sockets", "1");
  const filler = "x".repeat(300);
  await aside('["alice"]');
  await aside('["\\u0061lice"]');
  await aside(`["${filler}","alice"]`);
  await aside('["bob"]');
  await shard.drain();
  expect(await shard.rejected()).toHaveLength(4);
  expect(await shard.projector.forget("alice")).toEqual({ changes: 0, rejected: 3, subscribers: 0 });
  const left = await shard.redis.xrange(shard.keys.rejected, "-", "+");
  expect(left.map(([, fields]) => fields.join(" "))).toEqual([expect.stringContaining('["bob"]')]);
});

it("of several shards, those entries are searched in all", async () => {
  const prefix = `forget-${process.pid}`;
  await using projector = createProjector({ redis: server.url, prefix, shards: 3 });
  const shard = await newShard();
  const others = [0, 1, 2].filter((one) => one !== shardOf("alice", 3));
  for (const one of others) await shard.redis.xadd(keysOf(prefix, one, 3).records, "*", "what", "alice");
  expect(await projector.forget("alice")).toEqual({ changes: 0, rejected: 2, subscribers: 0 });
});

it(`INV-11: random histories: FORGET_SEED=${SEED} npx vitest run test/unit/projector/forget.test.ts`, async () => {
  const random = new Random(String(SEED));
  const pick = (most: number) => Math.floor(random.next() * (most + 1));
  for (let run = 0; run < 12; run++) {
    const shard = await newShard();
    const reader = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix });
    const present = new Set<string>();
    await shard.say("+first");
    for (let i = 0; i < 30; i++) {
      const what = new Set(Array.from({ length: 1 + pick(3) }, () => NASTY[pick(NASTY.length - 1)]!));
      const sorted = [...what].map((user) => (present.has(user) ? `~${user}` : `+${user}`));
      for (const user of what) if (!present.delete(user)) present.add(user);
      await shard.say(...sorted);
    }
    await shard.say("+last");
    const victim = NASTY[pick(NASTY.length - 1)]!;
    if (present.has(victim)) {
      await shard.say(`~${victim}`);
      await shard.say("~last");
    }
    const before = await entriesOf(shard);
    const last = naming(before, victim).at(-1)?.[0];
    const kept = before.slice(before.findIndex(([id]) => id === last) + 1);
    await shard.projector.forget(victim);
    expect(await entriesOf(shard), victim).toEqual(kept);
    for (const [i, [id]] of before.entries()) {
      const { gap, changes } = await reader.changes({ after: id, limit: 1_000 });
      const isKept = kept.some(([one]) => one === id);
      expect(gap).toBe(!isKept);
      const rest = before.slice(i + 1).flatMap(([one, fields]) => decodeChanges(one, fields));
      expect(changes).toEqual(isKept ? rest : []);
    }
  }
});

it("a call is bounded: many entries take many calls, and the entry that is searched is found in any of them", async () => {
  const shard = await newShard();
  await shard.say("+alice");
  await shard.say("~alice");
  const adding = shard.redis.pipeline();
  for (let i = 0; i < 1_700; i++) adding.xadd(shard.keys.changes, "*", "connect", JSON.stringify([`u${i}`]));
  await adding.exec();
  const find = async (from: string) =>
    (await shard.redis.eval(script.text, 11, ...shard.keys.list, "find", "alice", from)) as string[];
  let calls = 1;
  let [word, from] = await find("+");
  for (; word === "more"; calls++) [word, from] = await find(from!);
  expect([word, calls]).toEqual(["found", 4]);
  expect(await shard.projector.forget("alice")).toEqual({ changes: 2, rejected: 0, subscribers: 0 });
});

describe("followers", () => {
  it("INV-11: an event stream reads once a second, and gets no gap when the user has just left, or others have just come", async () => {
    const shard = await newShard();
    shard.now = Date.now();
    const reader = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix });
    await using served = await serve(createApp({ reader, tokens: [TOKEN] }));
    await shard.say("+alice", "+bob");
    await using events = await readEvents(`${served.url}/v1/changes`);
    const users = async () =>
      ((await events.next())!.json["changes"] as { user: string }[]).map(({ user }) => user);
    await shard.say("~alice");
    await shard.say("~bob");
    await shard.projector.forget("alice");
    expect(await users()).toEqual(["alice", "bob"]);
    // The stream is at the entry that goes now, which is old, and has not read on yet.
    await shard.say("+carol");
    shard.now = Date.now();
    await shard.projector.forget("bob");
    expect(await users()).toEqual(["carol"]);
    expect(naming(await entriesOf(shard), "bob")).toEqual([]);
  });

  it("INV-13: a server that follows hears nothing of it, also when the last change is the user's", async () => {
    const shard = await newShard();
    const told: string[] = [];
    const gaps: string[] = [];
    const logged: string[] = [];
    const log = (line: string) => void logged.push(line);
    const following = follow({
      redis: server.url,
      prefix: shard.prefix,
      shards: 1,
      ttl: 300,
      max: 1_000,
      logger: { info: log, warn: log, error: log },
      onChange: ({ user, type }) => void told.push(`${type} ${user}`),
      onGap: ({ reason }) => void gaps.push(reason),
    });
    await following.ready;
    await shard.say("+bob", "+alice");
    await shard.say("~alice");
    await until("three changes", () => told.length === 3);
    const reader = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix });
    await shard.projector.forget("alice");
    expect(naming(await entriesOf(shard), "alice")).toEqual([]);
    // A snapshot taken now goes on without a gap: the last entry is there, and names nobody.
    const { next } = await reader.changes();
    expect(await reader.changes({ after: next })).toMatchObject({ gap: false, changes: [] });
    await shard.say("+carol");
    expect(await reader.changes({ after: next })).toMatchObject({ gap: false, changes: [{ user: "carol" }] });
    await until("the next change", () => told.length === 4);
    expect(told).toEqual(["online bob", "online alice", "offline alice", "online carol"]);
    expect([...gaps, ...logged]).toEqual([]);
    await following.close();
  });
});

describe("changes of scopes", () => {
  /** A shard whose process p tells the changes of all rooms. */
  async function shardWithRooms() {
    const shard = new TestShard(server.url);
    open.push(shard);
    let seq = 0;
    let [sockets, memberships] = [0, 0];
    /** `+alice r`: alice comes to room r; `-alice r` goes. */
    async function say(...what: string[]): Promise<void> {
      const lists = {
        connect: [] as string[],
        leave: [] as string[],
        join: [] as string[][],
        part: [] as string[][],
      };
      for (const one of what) {
        const [user, room] = one.slice(1).split(" ") as [string, string];
        const comes = one.startsWith("+");
        lists[comes ? "connect" : "leave"].push(user);
        lists[comes ? "join" : "part"].push([`*/,${room}`, user]);
        sockets += comes ? 1 : -1;
        memberships += comes ? 1 : -1;
      }
      const { connect, leave, join, part } = lists;
      const first = ++seq === 1 && { tracks: ["*/,*"] };
      const all = { connect, leave, sockets, join, part, memberships };
      await shard.append(...entryOf({ process: "p", seq, ttl: 3_600_000, ...first, ...all }));
      await shard.drain();
    }
    const moves = async () =>
      (await shard.redis.xrange(shard.keys.moves, "-", "+")).map(([, fields]) => fields.join(" "));
    return { shard, say, moves };
  }

  it("those up to the last one that names the user go, in all rooms; a reader that stands before it has a gap", async () => {
    const { shard, say, moves } = await shardWithRooms();
    const room = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix }).in("r");
    await say("+bob r", "+alice r");
    const { next } = await room.changes();
    await say("+carol s");
    await say("-alice r");
    const { next: later } = await room.changes();
    await say("+dan r");
    expect(await shard.projector.forget("alice")).toEqual({ changes: 6, rejected: 0, subscribers: 0 });
    expect(await moves()).toEqual(['/,r {"connect":["dan"]}']);
    expect(await room.changes({ after: next })).toMatchObject({ gap: true });
    // It stood at the entry that named alice: that is gone, so nothing proves that all after it is there.
    expect(await room.changes({ after: later })).toMatchObject({ gap: true });
    expect(await shard.users()).toEqual({ bob: 1, carol: 1, dan: 1 });
  });

  it("the last one that names the user is followed by one that names nobody, and goes when readers had time to read on", async () => {
    const { shard, say, moves } = await shardWithRooms();
    const room = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix }).in("r");
    await say("+bob r", "+alice r");
    await say("-alice r");
    await shard.projector.forget("alice");
    expect(await moves()).toEqual(["trimmed "]);
    const { next } = await room.changes();
    await say("+carol r");
    expect(await room.changes({ after: next })).toMatchObject({ gap: false, changes: [{ user: "carol" }] });
    expect(await shard.projector.forget("alice")).toEqual({ changes: 0, rejected: 0, subscribers: 0 });
  });

  it("removes none while the user is present", async () => {
    const { shard, say, moves } = await shardWithRooms();
    await say("+alice r");
    await expect(shard.projector.forget("alice")).rejects.toMatchObject({ code: "USER_PRESENT" });
    expect(await moves()).toEqual(['/,r {"connect":["alice"]}']);
  });

  it.each(NASTY)("finds %j and no other", async (user) => {
    const { shard, say, moves } = await shardWithRooms();
    await say(`+${user} r`);
    await say(`-${user} r`);
    await say("+other r");
    await shard.projector.forget(user);
    expect(await moves()).toEqual(['/,r {"connect":["other"]}']);
    expect(await shard.projector.forget("nobody")).toEqual({ changes: 0, rejected: 0, subscribers: 0 });
  });
});
