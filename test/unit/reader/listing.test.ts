/**
 * Goal: one listing has one cursor, taken before its first page, and changes() from there makes it exact, whoever came and
 * went while the pages were read (INV-17). All processes are listed, whatever their number.
 * Method: users of the first page leave and others come while later pages are read, over one shard and over four.
 */
import { describe, expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { type Reader, readerOver, type UserPresence } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { newPrefix, populate, project, useRedis } from "../http/support.ts";

const test = useRedis();
const PAGE = 100;

describe.each([1, 4])("over %i shard(s)", (shards) => {
  const ids = Array.from({ length: 2_500 }, (_, i) => `user-${i}`);

  async function start(): Promise<{ prefix: string; reader: Reader; sockets: Map<string, number> }> {
    const prefix = newPrefix();
    const sockets = new Map<string, number>();
    for (const id of ids) sockets.set(id, 1);
    await populate(test.redis, { prefix, shards, users: ids });
    return { prefix, reader: readerOver(ioredisPort(test.redis), { prefix, shards }), sockets };
  }

  let others = 0;
  /** Another process opens and closes with these, and `gone` leave by its goodbye. */
  async function come(prefix: string, users: readonly string[]): Promise<string> {
    const process = `other-${others++}`;
    await populate(test.redis, { prefix, shards, process, users });
    return process;
  }
  async function leave(prefix: string, process: string, users: readonly string[]): Promise<void> {
    for (let shard = 0; shard < shards; shard++) {
      const own = users.filter((id) => shardOf(id, shards) === shard);
      const keys = keysOf(prefix, shard, shards);
      const [, seq, open] = (await test.redis.hget(keys.states, process))!.split(" ");
      const fields = encodeRecord({
        process, seq: Number(seq) + 1, ttl: 60_000, leave: own, sockets: Number(open) - own.length,
      }); // prettier-ignore
      await test.redis.call("XADD", keys.records, "*", ...fields);
    }
    await project(test.redis, { prefix, shards });
  }

  /** Who is present by a listing and the changes after its cursor. */
  async function follow(reader: Reader, listed: readonly UserPresence[], cursor: string): Promise<string[]> {
    const present = new Set(listed.map(({ id }) => id));
    let after = cursor;
    for (let more = true; more;) {
      const answer = await reader.changes({ after, limit: 1_000 });
      expect(answer.gap).toBe(false);
      for (const { user, type } of answer.changes)
        if (type === "online") present.add(user);
        else present.delete(user);
      ({ next: after, more } = answer);
    }
    return [...present].sort();
  }

  it("INV-17: a user of page 1 who leaves while page 2 is read is in changes() from the last page's cursor", async () => {
    const { prefix, reader } = await start();
    const first = await reader.page({ limit: PAGE });
    const [left] = first.users;
    const listed = [...first.users];
    await leave(prefix, "web-1", [left!.id]);
    await come(prefix, ["newcomer"]);
    let page = first;
    while (page.next !== null) {
      page = await reader.page({ cursor: page.next, limit: PAGE });
      listed.push(...page.users);
      expect(page.asOf.cursor).toBe(first.asOf.cursor);
    }
    const { changes } = await reader.changes({ after: page.asOf.cursor });
    expect(changes.map(({ user, type }) => `${type} ${user}`)).toContain(`offline ${left!.id}`);
    const expected = [...ids.filter((id) => id !== left!.id), "newcomer"].sort();
    expect(await follow(reader, listed, page.asOf.cursor)).toEqual(expected);
  });

  it("INV-17: so does users(), whose cursor is known with its first user", async () => {
    const { prefix, reader } = await start();
    const everybody = reader.users();
    expect(everybody.cursor).toBeUndefined();
    const listed: UserPresence[] = [];
    for await (const user of everybody) {
      listed.push(user);
      if (listed.length === 1) {
        await leave(
          prefix,
          "web-1",
          [user.id, ids.at(-1)!].filter((id, i, all) => all.indexOf(id) === i),
        );
        await come(prefix, ["newcomer"]);
      }
    }
    const gone = new Set([listed[0]!.id, ids.at(-1)]);
    const expected = [...ids.filter((id) => !gone.has(id)), "newcomer"].sort();
    expect(await follow(reader, listed, everybody.cursor!)).toEqual(expected);
  });

  it("INV-17: and usersList(), with asOf from before the first user", async () => {
    const { prefix, reader } = await start();
    const process = await come(prefix, ["a", "b"]);
    const { users, asOf } = await reader.usersList();
    await leave(prefix, process, ["a"]);
    expect(await follow(reader, users, asOf.cursor)).toEqual([...ids, "b"].sort());
    expect(await follow(reader, users, asOf.cursor)).toEqual(
      (await reader.usersList()).users.map(({ id }) => id).sort(),
    );
  });

  it("INV-17: what happens right after the users of the first page were read is in changes() from its cursor", async () => {
    const { prefix, reader } = await start();
    const port = ioredisPort(test.redis);
    let left: string | undefined;
    const interrupted = readerOver(
      {
        async read(commands) {
          const replies = await port.read(commands);
          const scan = commands.findIndex(([name]) => name === "HSCAN");
          if (scan === -1 || left !== undefined) return replies;
          [, [left]] = replies[scan] as [string, [string]];
          await leave(prefix, "web-1", [left]);
          await come(prefix, ["newcomer"]);
          return replies;
        },
      },
      { prefix, shards },
    );
    const { users, asOf } = await interrupted.usersList();
    expect(users.map(({ id }) => id)).toContain(left);
    const expected = [...ids.filter((id) => id !== left), "newcomer"].sort();
    expect(await follow(reader, users, asOf.cursor)).toEqual(expected);
  });

  it("a listing that is stopped early ends", async () => {
    const { reader } = await start();
    let seen = 0;
    for await (const { id } of reader.users()) {
      expect(ids).toContain(id);
      if (++seen === 3) break;
    }
    expect(seen).toBe(3);
  });
});

it("cursors of another number of shards, and truncated ones, are invalid", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: Array.from({ length: 1_000 }, (_, i) => `u${i}`) });
  const reader = readerOver(ioredisPort(test.redis), { prefix });
  const { next } = await reader.page({ limit: 10 });
  const [shard, scan, changes] = next!.split(".");
  expect((await reader.page({ cursor: next! })).users.length).toBeGreaterThan(0);
  const wrong = [`${shard}.${scan}`, `${shard}.${scan}.`, `${shard}.${scan}.${changes}_0-0`, `p1.${scan}.${changes}`, `${next}x`]; // prettier-ignore
  for (const cursor of wrong)
    await expect(reader.page({ cursor }), cursor).rejects.toMatchObject({ code: "CURSOR_INVALID" });
});

it("2,500 processes are all listed and counted", async () => {
  const prefix = newPrefix();
  const { records } = keysOf(prefix, 0, 1);
  const pipeline = test.redis.pipeline();
  for (let i = 0; i < 2_500; i++) {
    const about = { host: `host-${i}`, pid: i, version: "1", grace: 0 };
    pipeline.call(
      "XADD",
      records,
      "*",
      ...encodeRecord({ process: `p${i}`, seq: 1, ttl: 600_000, about, sockets: 0 }),
    );
  }
  await pipeline.exec();
  await project(test.redis, { prefix });
  const reader = readerOver(ioredisPort(test.redis), { prefix });
  const { processes } = await reader.processes();
  expect(new Set(processes.map(({ host }) => host)).size).toBe(2_500);
  expect(processes.every(({ state, leaseUntil }) => state === "live" && leaseUntil !== null)).toBe(true);
  expect((await reader.totals()).processes).toBe(2_500);
});

it("a fenced process says why", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  const reader = readerOver(ioredisPort(test.redis), { prefix });
  expect((await reader.processes()).processes[0]).not.toHaveProperty("reason");
  const record = encodeRecord({ process: "web-1", seq: 7, ttl: 60_000, sockets: 1 });
  await test.redis.call("XADD", keysOf(prefix, 0, 1).records, "*", ...record);
  await project(test.redis, { prefix }).catch(() => {});
  expect((await reader.processes()).processes).toMatchObject([{ state: "fenced", reason: "seq 7 after 1" }]);
});

it("a rebuilt projection is a gap, from any cursor", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  const reader = readerOver(ioredisPort(test.redis), { prefix });
  const { asOf } = await reader.counts();
  const { totals, users } = keysOf(prefix, 0, 1);
  await test.redis.del(users);
  await test.redis.hset(totals, "checked", 0);
  await project(test.redis, { prefix });
  await populate(test.redis, { prefix, process: "web-2", users: ["bob"] });
  for (const after of [asOf.cursor, "0-0"])
    expect(await reader.changes({ after })).toMatchObject({ gap: true, changes: [] });
  const { next } = await reader.changes({ after: "0-0" });
  await populate(test.redis, { prefix, process: "web-3", users: ["carol"] });
  expect(await reader.changes({ after: next })).toMatchObject({ gap: false, changes: [{ user: "carol" }] });
});
