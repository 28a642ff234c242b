/**
 * Goal: usersAt(), sessions() and changes() by time are exact or say that they are not, whatever is trimmed, lost or going on meanwhile.
 * Method: a projection whose changes have the times that a test wants, put into a real Redis as the script writes it; and a port that lets
 * something happen between two reads. past-random.test.ts has the script itself.
 */
import { expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { PAST_BYTES } from "../../../src/core/limits.ts";
import { countFor } from "../../../src/reader/walk.ts";
import { type Reader, readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import type { ReadCommand, ReadPort } from "../../../src/redis/port.ts";
import { Rooms } from "../http/rooms.ts";
import { newPrefix, populate, project, useRedis } from "../http/support.ts";

const test = useRedis();

type Entry = readonly [id: string, ...fields: string[]];
const on = (id: string, ...users: string[]): Entry => [id, "connect", JSON.stringify(users)];
const off = (id: string, ...users: string[]): Entry => [id, "leave", JSON.stringify(users)];

interface Stage {
  readonly reader: Reader;
  readonly key: string;
  readonly add: (entries: readonly Entry[], present: readonly string[]) => Promise<void>;
}

/** `between`: what happens before a read; it may return nothing. */
function stage(between: (commands: readonly ReadCommand[]) => unknown = () => undefined): Stage {
  const prefix = newPrefix();
  const { changes, users, totals } = keysOf(prefix, 0, 1);
  const own = ioredisPort(test.redis);
  const port: ReadPort = {
    async read(commands) {
      await between(commands);
      return own.read(commands);
    },
  };
  return {
    reader: readerOver(port, { prefix }),
    key: changes,
    async add(entries, present) {
      const pipeline = test.redis.multi();
      for (const [id, ...fields] of entries) pipeline.xadd(changes, id, ...fields);
      pipeline.del(users);
      for (const user of present) pipeline.hset(users, user, "1");
      const last = entries.at(-1)?.[0];
      pipeline.hset(totals, {
        shards: 1,
        users: present.length,
        ...(last !== undefined && { change: last }),
      });
      await pipeline.exec();
    },
  };
}

const at = (ms: number) => new Date(ms);
const usersAt = async ({ reader }: Stage, ms: number) => (await reader.usersAt(at(ms))).users;

it("INV-20: the end of a millisecond decides, also where a user has several changes in it", async () => {
  const past = stage();
  await past.add(
    [
      on("1000-0", "alice", "carol"),
      off("1000-1", "alice"),
      on("1000-2", "bob"),
      on("1500-0", "alice"),
      off("1500-1", "alice", "bob"),
      on("1500-2", "bob"),
      off("2000-0", "bob"),
    ],
    ["carol"],
  );
  expect(await usersAt(past, 1_000)).toEqual(["bob", "carol"]);
  expect(await usersAt(past, 1_499)).toEqual(["bob", "carol"]);
  expect(await usersAt(past, 1_500)).toEqual(["bob", "carol"]);
  expect(await usersAt(past, 2_000)).toEqual(["carol"]);
  expect(await usersAt(past, Date.now() - 1_000)).toEqual(["carol"]);
});

it("INV-20: before what is kept there is no list, and the answer says since when there is", async () => {
  const past = stage();
  await past.add([on("1000-0", "alice"), on("2000-0", "bob"), off("3000-0", "alice")], ["bob"]);
  expect(await past.reader.usersAt(at(999))).toMatchObject({
    users: null,
    exact: false,
    since: at(1_000),
    at: at(999),
  });
  await test.redis.xtrim(past.key, "MINID", 2_000);
  expect(await past.reader.usersAt(at(1_999))).toMatchObject({ users: null, exact: false, since: at(2_000) });
  expect(await past.reader.usersAt(at(2_000))).toMatchObject({
    users: ["alice", "bob"],
    exact: true,
    since: at(2_000),
  });
  // An entry that names nobody, as retention leaves it.
  await past.add([["5000-0", "trimmed", ""]], ["bob"]);
  await test.redis.xtrim(past.key, "MINID", 5_000);
  expect(await past.reader.usersAt(at(4_999))).toMatchObject({ users: null, exact: false, since: at(5_000) });
  expect(await past.reader.usersAt(at(5_000))).toMatchObject({ users: ["bob"], exact: true });
});

it("where nothing ever happened nothing is known", async () => {
  const { reader } = stage();
  const { users, exact, since, asOf } = await reader.usersAt(at(1_000));
  expect({ users, exact, since }).toEqual({ users: null, exact: false, since: asOf.now });
});

it("a shard in which nobody has been sets no bound, and one with changes does", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, shards: 8, users: ["alice"] });
  const reader = readerOver(ioredisPort(test.redis), { prefix, shards: 8 });
  const { since } = await reader.usersAt(at(1_000));
  expect(await reader.usersAt(since)).toMatchObject({ users: ["alice"], exact: true });
  expect(await reader.usersAt(at(since.getTime() - 1))).toMatchObject({ users: null, exact: false });
});

it("a rebuild empties the past", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  const reader = readerOver(ioredisPort(test.redis), { prefix });
  const { since: before } = await reader.usersAt(at(1_000));
  expect((await reader.usersAt(before)).users).toEqual(["alice"]);
  const { totals, users, changes } = keysOf(prefix, 0, 1);
  await test.redis.del(users);
  await test.redis.hset(totals, "checked", 0);
  await project(test.redis, { prefix });
  await populate(test.redis, { prefix, process: "web-2", users: ["bob"] });
  const [[id, fields]] = (await test.redis.xrange(changes, "-", "+", "COUNT", 1)) as [[string, string[]]];
  expect(fields[0]).toBe("rebuilt");
  expect(await reader.usersAt(at(Number(id.split("-")[0]) - 1))).toMatchObject({ users: null, exact: false });
  expect((await reader.sessions("bob")).sessions).toMatchObject([
    { start: expect.any(Date) as Date, end: null },
  ]);
  expect((await reader.sessions("alice")).sessions).toEqual([]);
});

it("what is no time, or not yet, is refused, and so are more users than asked for", async () => {
  const past = stage();
  await past.add([on("1000-0", "alice", "bob")], ["alice", "bob"]);
  const { reader } = past;
  for (const time of [at(Number.NaN), at(-1), at(Date.now() + 60_000), 1_000 as unknown as Date])
    await expect(reader.usersAt(time)).rejects.toMatchObject({ code: "TIME_INVALID" });
  await expect(reader.sessions("alice", { from: at(Date.now() + 60_000) })).rejects.toMatchObject({
    code: "TIME_INVALID",
  });
  await expect(reader.sessions("alice", { from: at(2), to: at(1) })).rejects.toMatchObject({
    code: "TIME_INVALID",
  });
  await expect(reader.changes({ from: at(2), to: at(1) })).rejects.toMatchObject({ code: "TIME_INVALID" });
  await expect(reader.usersAt(at(1_000), { max: 1 })).rejects.toMatchObject({
    code: "LIMIT_EXCEEDED",
    message: expect.stringContaining("raise `max`") as string,
  });
  expect((await reader.usersAt(at(1_000), { max: 2 })).users).toEqual(["alice", "bob"]);
  await expect(reader.usersAt(at(1_000), { max: 100_001 })).rejects.toMatchObject({
    code: "OPTIONS_INVALID",
  });
});

it("users who come and go while others are listed and walked do not matter", async () => {
  let reads = 0;
  const past: Stage = stage(async (commands) => {
    // Before each read somebody comes, and who came before goes.
    if (commands.some(([name]) => name === "HSCAN" || name === "XRANGE") && ++reads > 1) {
      const id = (n: number) => `${3_000 + n}-0`;
      await past.add(
        [[id(reads), "connect", `["u${reads}"]`, "leave", `["u${reads - 1}"]`]],
        ["bob", `u${reads}`],
      );
    }
  });
  await past.add([on("1000-0", "alice"), on("1001-0", "bob", "u1"), off("2000-0", "alice")], ["bob", "u1"]);
  expect(await usersAt(past, 1_500)).toEqual(["alice", "bob", "u1"]);
  expect(reads).toBeGreaterThan(2);
});

it("entries that are lost while it walks make it begin again, and what never agrees is an error", async () => {
  let losses = 0;
  const past: Stage = stage(async (commands) => {
    if (!commands.some(([name]) => name === "HSCAN") || losses > 0) return;
    losses++;
    // A failover: what the first master had last is gone, and the users with it.
    await test.redis.xdel(past.key, "3000-0");
    await past.add([on("3001-0", "dora")], ["alice", "dora"]);
  });
  await past.add([on("1000-0", "alice"), on("3000-0", "bob")], ["alice", "bob"]);
  expect(await usersAt(past, 2_000)).toEqual(["alice"]);
  expect(losses).toBe(1);

  const wrong = stage();
  await wrong.add([on("1000-0", "alice")], ["alice", "nobody-told"]);
  await test.redis.hset(wrong.key.replace(":changes", ":totals"), "users", "1");
  await expect(usersAt(wrong, 2_000)).rejects.toMatchObject({ code: "REPLY_INVALID" });
});

it("INV-20: entries that are trimmed while it walks are not guessed", async () => {
  const past: Stage = stage(async (commands) => {
    if (commands.some(([name]) => name === "HSCAN")) await test.redis.xtrim(past.key, "MINID", 3_000);
  });
  await past.add([on("1000-0", "alice"), off("2000-0", "alice"), on("3000-0", "bob")], ["bob"]);
  expect(await past.reader.usersAt(at(1_500))).toMatchObject({ users: null, exact: false, since: at(3_000) });
});

it("reads are bounded by bytes as well as by entries", () => {
  const entries = (size: number) =>
    Array.from({ length: 32 }, () => ({ id: "1-0", fields: ["x".repeat(size)] }));
  expect(countFor(entries(10), 32)).toBe(64);
  expect(countFor(entries(100_000), 32)).toBeLessThanOrEqual(PAST_BYTES / 100_000);
  expect(countFor(entries(1_000_000), 32)).toBe(1);
});

it("sessions come in order with their causes, across pages, and as far as they overlap", async () => {
  const past = stage();
  await past.add(
    [
      on("1000-0", "alice", "bob"),
      ["1500-0", "grace", '["alice"]', "reap", '["bob"]'],
      on("2000-0", "alice"),
      off("2000-1", "alice"),
      on("3000-0", "alice"),
      off("4000-0", "alice"),
      on("5000-0", "alice"),
    ],
    ["alice"],
  );
  const { reader } = past;
  const all = [
    { start: at(1_000), end: at(1_500), cause: "grace" },
    { start: at(2_000), end: at(2_000), cause: "leave" },
    { start: at(3_000), end: at(4_000), cause: "leave" },
    { start: at(5_000), end: null, cause: null },
  ];
  expect(await reader.sessions("alice")).toMatchObject({
    user: "alice",
    sessions: all,
    next: null,
    exact: true,
  });
  const paged: object[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await reader.sessions("alice", { cursor, limit: 1 });
    expect(page.sessions.length).toBeLessThanOrEqual(1);
    paged.push(...page.sessions);
    if (page.next === null) break;
    cursor = page.next;
  }
  expect(paged).toEqual(all);
  const some = async (from: number, to: number) =>
    (await reader.sessions("alice", { from: at(from), to: at(to) })).sessions;
  expect(await some(3_200, 3_300)).toEqual([all[2]]);
  expect(await some(1_600, 1_900)).toEqual([]);
  expect(await some(1_200, 3_500)).toEqual(all.slice(0, 3));
  expect(await some(4_500, 6_000)).toEqual([all[3]]);
  expect((await reader.sessions("bob")).sessions).toMatchObject([{ cause: "reap" }]);
  expect((await reader.sessions("nobody")).sessions).toEqual([]);
  await expect(reader.sessions("")).rejects.toMatchObject({ code: "USER_INVALID" });
  for (const cursor of ["", "1000-0", "hf1000-0", "hb1-0.a", "hf1-0.x"])
    await expect(reader.sessions("alice", { cursor })).rejects.toMatchObject({ code: "CURSOR_INVALID" });
});

it("a session that began before what is kept has no start, and is not exact", async () => {
  const past = stage();
  await past.add(
    [on("1000-0", "alice", "bob"), off("3000-0", "alice"), on("4000-0", "carol")],
    ["bob", "carol"],
  );
  await test.redis.xtrim(past.key, "MINID", 3_000);
  const { reader } = past;
  expect(await reader.sessions("alice", { from: at(500) })).toMatchObject({
    sessions: [{ start: null, end: at(3_000), cause: "leave" }],
    exact: false,
    since: at(3_001),
  });
  expect(await reader.sessions("bob", { from: at(3_500) })).toMatchObject({
    sessions: [{ start: null, end: null, cause: null }],
    exact: false,
  });
  expect(await reader.sessions("carol", { from: at(3_500) })).toMatchObject({
    sessions: [{ start: at(4_000), end: null }],
    exact: true,
  });
});

it("a page of sessions ends after some reads, and a later one goes on where it was, back and forward", async () => {
  const past = stage();
  const others = Array.from({ length: 50_000 }, (_, i) => on(`${2_000 + i}-0`, `u${i}`));
  for (let i = 0; i < others.length; i += 20_000) {
    const pipeline = test.redis.pipeline();
    for (const [id, ...fields] of others.slice(i, i + 20_000)) pipeline.xadd(past.key, id, ...fields);
    await pipeline.exec();
  }
  await test.redis.xdel(past.key, "2000-0");
  await past.add([on("200000-0", "bob"), off("300000-0", "alice")], ["bob"]);
  const pages = async (from: number | undefined) => {
    let [count, cursor]: [number, string | undefined] = [0, undefined];
    const found: object[] = [];
    for (;;) {
      const page = await past.reader.sessions("alice", {
        from: from === undefined ? undefined : at(from),
        cursor,
      });
      count++;
      found.push(...page.sessions);
      if (page.next === null) return { count, found };
      cursor = page.next;
    }
  };
  // The start is nowhere.
  expect(await pages(undefined)).toMatchObject({ found: [{ start: null, end: at(300_000) }] });
  const back = await pages(250_000);
  expect(back.found).toEqual([{ start: null, end: at(300_000), cause: "leave" }]);
  expect(back.count).toBeGreaterThan(1);
  // Lost between two pages: what follows is not taken for everything.
  const first = await past.reader.sessions("alice");
  expect(first.next).not.toBeNull();
  await test.redis.xtrim(past.key, "MINID", 200_000);
  const second = await past.reader.sessions("alice", { cursor: first.next!, from: first.from });
  expect(second).toMatchObject({ sessions: [], exact: false });
});

it("changes of a time have both ends, come in pages, and say whether they are all", async () => {
  const past = stage();
  await past.add(
    [on("1000-0", "a"), on("2000-0", "b"), on("2000-1", "c"), on("3000-0", "d"), on("4000-0", "e")],
    ["a", "b", "c", "d", "e"],
  );
  const { reader } = past;
  const words = (answer: { changes: readonly { user: string }[] }) => answer.changes.map(({ user }) => user);
  const whole = await reader.changes({ from: at(2_000), to: at(3_000) });
  expect(words(whole)).toEqual(["b", "c", "d"]);
  expect(whole).toMatchObject({ exact: true, gap: false, more: false, since: at(1_001) });
  const first = await reader.changes({ from: at(2_000), to: at(3_000), limit: 1 });
  expect(words(first)).toEqual(["b"]);
  expect(first.more).toBe(true);
  const second = await reader.changes({ after: first.next, to: at(3_000), limit: 1_000 });
  expect(words(second)).toEqual(["c", "d"]);
  expect(second).toMatchObject({ exact: true, more: false });
  // Beyond the end there is the present.
  expect(words(await reader.changes({ after: second.next }))).toEqual(["e"]);
  expect(words(await reader.changes({ after: "4000-0", to: at(3_000) }))).toEqual([]);
  expect(await reader.changes({ from: at(1_000) })).toMatchObject({ exact: false, since: at(1_001) });
  await test.redis.xtrim(past.key, "MINID", 2_000);
  const cut = await reader.changes({ from: at(500), to: at(2_500) });
  expect(words(cut)).toEqual(["b", "c"]);
  expect(cut).toMatchObject({ exact: false, gap: false, since: at(2_001) });
  expect(await reader.changes({ after: "1000-0", to: at(2_500) })).toMatchObject({ gap: true, exact: false });
  for (const wrong of [{ after: "1000-0", from: at(1) }, { to: at(1) }])
    await expect(reader.changes(wrong)).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
  await expect(reader.changes({ from: at(Date.now() + 60_000) })).rejects.toMatchObject({
    code: "TIME_INVALID",
  });
});

it.each([1, 3])(
  "of a room over %i shard(s): from its first change on, if its changes are told",
  async (shards) => {
    const prefix = newPrefix();
    const ids = Array.from({ length: 20 }, (_, i) => `u${i}`);
    const rooms = await Rooms.open(test.redis, { prefix, shards, tracks: ["/,*", "*/,news", "*/,other"] });
    const reader = readerOver(ioredisPort(test.redis), { prefix, shards });
    const news = reader.in("news");
    await rooms.join("/,quiet", ids);
    await expect(reader.in("quiet").usersAt(at(1_000))).rejects.toMatchObject({ code: "SCOPE_UNTRACKED" });
    expect(await news.usersAt(at(1_000))).toMatchObject({ users: null, exact: false });
    const time = async () => {
      const [seconds, micros] = await test.redis.time();
      return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    };
    // Changes of another room are kept from before: they do not say that those of this one were told.
    await rooms.join("*/,other", ids);
    const early = await time();
    while ((await time()) === early);
    await rooms.join("*/,news", ids);
    expect(await news.usersAt(at(early))).toMatchObject({ users: null, exact: false });
    const { since } = await news.usersAt(at(1_000));
    const full = await time();
    while ((await time()) === full);
    await rooms.part("*/,news", ids.slice(0, 10));
    const half = await time();
    while ((await time()) === half);
    await rooms.part("*/,news", ids.slice(10));
    expect(await news.usersAt(at(since.getTime() - 1))).toMatchObject({ users: null, exact: false });
    expect(await news.usersAt(at(full))).toMatchObject({ users: [...ids].sort(), exact: true });
    expect(await news.usersAt(at(half))).toMatchObject({ users: ids.slice(10).sort(), exact: true });
  },
);
