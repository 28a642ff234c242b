/**
 * Goal: a client that takes a snapshot and requests the changes since its cursor misses none and gets none twice, whatever other
 * clients do, and is told when changes are no longer available.
 * Method: the app over a real Redis, with one shard and with four, with a port that counts the requests to Redis.
 */
import { describe, expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { type Change, decodeChanges } from "../../../src/core/change.ts";
import { type Ask, Feed } from "../../../src/http/feed.ts";
import { Coalescer } from "../../../src/http/coalescer.ts";
import { type ChangesAnswer, readerOver, type UsersAnswer } from "../../../src/reader/reader.ts";
import type { ReadPort } from "../../../src/redis/port.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { appOver, HOSTILE_IDS, newPrefix, populate, problemIn, type TestApp, useRedis } from "./support.ts";

const test = useRedis();

type Told = Omit<ChangesAnswer, "changes"> & { changes: { user: string; type: string }[] };

const words = ({ changes }: Told) => changes.map(({ user, type }) => `${type} ${user}`);

async function changesSince(api: TestApp, cursor: string, query = ""): Promise<Told> {
  return api.get<Told>(`/v1/changes?after=${cursor}${query}`);
}

/** All there are, answer by answer. */
async function allSince(api: TestApp, cursor: string): Promise<{ words: string[]; cursor: string }> {
  const found: string[] = [];
  let after = cursor;
  for (;;) {
    const answer = await changesSince(api, after);
    if (answer.gap) throw new Error("a gap");
    found.push(...words(answer));
    after = answer.next;
    if (!answer.more) return { words: found, cursor: after };
  }
}

/** A process of its own, so that it can come and go whatever else does. */
let processes = 0;
const come = (prefix: string, shards: number, users: readonly string[]) =>
  populate(test.redis, { prefix, shards, users, process: `p${++processes}` });

describe.each([1, 4])("over %i shard(s)", (shards) => {
  function start(reuse = 0): { api: TestApp; prefix: string; asked: () => number } {
    const prefix = newPrefix();
    const own = ioredisPort(test.redis);
    let requests = 0;
    const port: ReadPort = { read: (commands) => (requests++, own.read(commands)) };
    const reader = readerOver(port, { prefix, shards });
    return { api: appOver(test.redis, { prefix }, { reader, reuse }), prefix, asked: () => requests };
  }

  it("INV-11: a snapshot's cursor continues where the snapshot ends", async () => {
    const { api, prefix } = start();
    await come(prefix, shards, ["alice"]);
    const snapshot = (await (await api.lookup({ ids: ["alice", "bob"] })).json()) as UsersAnswer;
    expect(await changesSince(api, snapshot.asOf.cursor)).toMatchObject({
      changes: [],
      next: snapshot.asOf.cursor,
      gap: false,
      more: false,
    });
    await come(prefix, shards, ["bob", ...HOSTILE_IDS]);
    const answer = await changesSince(api, snapshot.asOf.cursor);
    expect(answer).toMatchObject({ gap: false, more: false });
    expect(words(answer).sort()).toEqual(["bob", ...HOSTILE_IDS].map((user) => `online ${user}`).sort());
    expect(answer.changes[0]).toMatchObject({
      user: expect.any(String) as string,
      type: "online",
      cause: "connect",
      at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      id: expect.stringMatching(/^\d+-\d+$/) as string,
    });
    expect(words(await changesSince(api, answer.next))).toEqual([]);
  });

  it("without a cursor the answer is the current position", async () => {
    const { api, prefix } = start();
    await come(prefix, shards, ["alice"]);
    const now = await api.get<Told>("/v1/changes");
    expect(now).toMatchObject({ changes: [], gap: false });
    await come(prefix, shards, ["bob"]);
    expect(words(await changesSince(api, now.next))).toEqual(["online bob"]);
  });

  it("only changes of the requested users are returned, and the cursor moves past the others", async () => {
    const { api, prefix } = start();
    const { next: first } = await api.get<Told>("/v1/changes");
    await come(prefix, shards, ["alice", "bob", "carol", "__proto__", "a&b"]);
    const some = await changesSince(api, first, "&user=alice&user=__proto__&user=a%26b");
    expect(words(some).sort()).toEqual(["online __proto__", "online a&b", "online alice"]);
    const nobody = await changesSince(api, first, "&user=nobody");
    expect(nobody).toMatchObject({ changes: [], next: some.next });
    expect((await changesSince(api, nobody.next)).changes).toEqual([]);
  });

  it("followers from many positions each get all changes after theirs, in order for each user", async () => {
    const { api, prefix } = start();
    const places: { cursor: string; after: number }[] = [];
    const expected: string[] = [];
    const place = async () =>
      places.push({ cursor: (await api.get<Told>("/v1/changes")).next, after: expected.length });
    await place();
    for (let round = 0; round < 6; round++) {
      const users = Array.from({ length: 7 }, (_, i) => `u${round}-${i}`);
      // An entry each, so that one can stand between what is read at once.
      for (const user of users) await come(prefix, shards, [user]);
      expected.push(...users.map((user) => `online ${user}`));
      await place();
    }
    // A follower that has read somewhere else stands between what others have read.
    const elsewhere = readerOver(ioredisPort(test.redis), { prefix, shards });
    const { next: between } = await elsewhere.changes({ after: places[1]!.cursor, limit: 1 });
    const after = await elsewhere.changes({ after: between, limit: 1_000 });
    const { words: rest, cursor: end } = await allSince(api, between);
    expect(rest.sort()).toEqual(after.changes.map(({ user }) => `online ${user}`).sort());
    expect(rest.length).toBeLessThan(expected.length - places[1]!.after);
    for (const { cursor, after: from } of places) {
      const all = await allSince(api, cursor);
      expect(all.words.sort()).toEqual(expected.slice(from).sort());
      expect(all.cursor).toBe(end);
    }
  });

  it("more changes than one answer holds come in several answers, without splitting an entry", async () => {
    const { api, prefix } = start();
    const { next: before } = await api.get<Told>("/v1/changes");
    const users = Array.from({ length: 5_000 }, (_, i) => `u${i}`);
    for (let i = 0; i < users.length; i += 500) await come(prefix, shards, users.slice(i, i + 500));
    const first = await changesSince(api, before);
    expect(first.more).toBe(true);
    const { words: found } = await allSince(api, before);
    expect(found.sort()).toEqual(users.map((user) => `online ${user}`).sort());
  });

  it("a gap is reported each time until the caller continues from another cursor", async () => {
    const { api, prefix } = start();
    const { next: before } = await api.get<Told>("/v1/changes");
    await come(
      prefix,
      shards,
      Array.from({ length: 50 }, (_, i) => `u${i}`),
    );
    const { next: known } = await changesSince(api, before);
    await come(
      prefix,
      shards,
      Array.from({ length: 50 }, (_, i) => `v${i}`),
    );
    for (let shard = 0; shard < shards; shard++) {
      const { changes } = keysOf(prefix, shard, shards);
      const last = (await test.redis.xrevrange(changes, "+", "-", "COUNT", 1))[0]![0];
      await test.redis.xtrim(changes, "MINID", last);
    }
    // Another app, which has nothing in memory.
    const other = appOver(test.redis, { prefix, shards });
    const now = (await other.get<UsersAnswer>("/v1/counts")).asOf.cursor;
    for (let i = 0; i < 2; i++) {
      expect(await changesSince(other, known)).toMatchObject({
        changes: [],
        next: now,
        gap: true,
        more: false,
      });
    }
    expect(await changesSince(other, now)).toMatchObject({ changes: [], gap: false });
  });

  it("INV-11: a flushed Redis is a gap too", async () => {
    const { api, prefix } = start();
    await come(
      prefix,
      shards,
      Array.from({ length: 50 }, (_, i) => `u${i}`),
    );
    const { next: before } = await api.get<Told>("/v1/changes");
    await test.redis.flushall();
    expect(await changesSince(api, before)).toMatchObject({ changes: [], gap: true });
    await come(
      prefix,
      shards,
      Array.from({ length: 50 }, (_, i) => `u${i}`),
    );
    expect(await changesSince(api, before)).toMatchObject({ changes: [], gap: true });
  });

  it("1,000 pollers at any positions cost Redis one read per shard while answers are reused", async () => {
    const { api, asked } = start(60_000);
    const { next } = await api.get<Told>("/v1/changes");
    const before = asked();
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => changesSince(api, next, `&user=u${i}`)),
    );
    expect(answers.every(({ changes, gap }) => changes.length === 0 && !gap)).toBe(true);
    expect(asked() - before).toBeLessThanOrEqual(shards);
  });
});

describe("what is kept in memory", () => {
  /** A feed on a clock of the test's own. */
  function start(shards = 1) {
    const prefix = newPrefix();
    const reader = readerOver(ioredisPort(test.redis), { prefix, shards });
    let now = 0;
    const clock = () => now;
    const feed = new Feed(
      shards,
      new Coalescer({ reuse: 1_000, keep: 60_000, most: 20_000, weigh: () => 0, now: clock }),
      clock,
    );
    let asked = 0;
    const ask: Ask = (question) => (asked++, question(reader));
    return {
      prefix,
      pass: (ms: number) => void (now += ms),
      asked: () => asked,
      since: (cursor?: string) => feed.since(cursor, ask),
    };
  }

  it("INV-11: is dropped after a time without callers, and an earlier follower can still continue", async () => {
    const { prefix, pass, since, asked } = start();
    const { next } = await since();
    await come(prefix, 1, ["alice"]);
    pass(60_000);
    const after = await since(next);
    expect(after).toMatchObject({ changes: [{ user: "alice" }], gap: false });
    await come(prefix, 1, ["bob"]);
    pass(1_001);
    const before = asked();
    expect(await since(after.next)).toMatchObject({ changes: [{ user: "bob" }], gap: false });
    // From the one read on, which others share as well.
    expect(asked() - before).toBe(1);
  });

  it("INV-11: is bounded: a follower further behind reads Redis until it has caught up", async () => {
    const { prefix, pass, since } = start();
    const { next: first } = await since();
    const users = Array.from({ length: 12_000 }, (_, i) => `u${i}`);
    // Who keeps up makes the memory grow; who does not is left behind by it.
    const all = async (cursor: string) => {
      const found: string[] = [];
      for (let after = cursor; ;) {
        const { changes, next, more, gap } = await since(after);
        expect(gap).toBe(false);
        found.push(...changes.map(({ user }) => user));
        after = next;
        if (!more) return { found, next };
      }
    };
    let at = first;
    const told: string[] = [];
    for (let i = 0; i < users.length; i += 1_000) {
      await come(prefix, 1, users.slice(i, i + 1_000));
      pass(1_001);
      const { found, next } = await all(at);
      told.push(...found);
      at = next;
    }
    expect(told.sort()).toEqual([...users].sort());
    expect((await all(first)).found.sort()).toEqual([...users].sort());
  });
});

describe("refusals", () => {
  it.each([
    ["after=", "CURSOR_INVALID"],
    ["after=x", "CURSOR_INVALID"],
    ["after=1-1_1-1", "CURSOR_INVALID"],
    ["after=1-1&after=1-1", "QUERY_INVALID"],
    ["since=1-1", "QUERY_INVALID"],
    ["user=", "QUERY_INVALID"],
    [`user=${"x".repeat(257)}`, "QUERY_INVALID"],
    [Array.from({ length: 101 }, (_, i) => `user=${i}`).join("&"), "QUERY_INVALID"],
  ])("%s", async (query, code) => {
    const api = appOver(test.redis, { prefix: newPrefix() });
    expect(await problemIn(await api.request(`/v1/changes?${query}`))).toMatchObject({ status: 400, code });
  });

  it("100 users may be followed, and a URL has at most 8,192 bytes", async () => {
    const api = appOver(test.redis, { prefix: newPrefix() });
    const users = (bytes: number) =>
      Array.from({ length: 100 }, (_, i) => `user=${String(i).padStart(bytes, "u")}`).join("&");
    expect((await api.request(`/v1/changes?${users(70)}`)).status).toBe(200);
    const long = await api.request(`/v1/changes?${users(100)}`);
    expect(await problemIn(long)).toMatchObject({ status: 414, code: "URI_TOO_LONG" });
  });
});

it("INV-11: what is kept in memory agrees with Redis after random histories", async () => {
  const seed = Number(process.env["CHANGES_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  const again = `CHANGES_SEED=${seed} npx vitest run test/unit/http/changes.test.ts`;
  let state = seed;
  const random = (n: number) =>
    Math.floor(((state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32) * n);
  const shards = 3;
  const prefix = newPrefix();
  const api = appOver(test.redis, { prefix, shards });
  const cursors = [(await api.get<Told>("/v1/changes")).next];
  for (let round = 0; round < 25; round++) {
    const users = Array.from({ length: 1 + random(40) }, () => `r${round}-${random(1_000)}`);
    await come(prefix, shards, [...new Set(users)]);
    const from = cursors[random(cursors.length)]!;
    const { words: found, cursor } = await allSince(api, from);
    const stored: Change[] = [];
    const ids = from.split("_");
    for (let shard = 0; shard < shards; shard++) {
      const start = ids[shard] === "0-0" ? "-" : `(${ids[shard]}`;
      for (const [id, fields] of await test.redis.xrange(keysOf(prefix, shard, shards).changes, start, "+"))
        stored.push(...decodeChanges(id, fields));
    }
    expect(found.sort(), again).toEqual(stored.map(({ user, type }) => `${type} ${user}`).sort());
    cursors.push(cursor);
  }
});
