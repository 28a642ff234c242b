/**
 * Goal: each rule of folding (docs/protocol.md, "Folding") holds, one test per rule.
 * Method: records with chosen ids and a chosen clock against the real script; the invariants are checked at every end.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { operations, TestShard } from "../../../rig/shard.ts";

let server: RedisServer;
let shard: TestShard;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  shard = new TestShard(server.url);
});
afterEach(async () => {
  await shard.check();
  await shard.close();
});

/** Any key of a shard can be written by something else. */
const KEYS = [
  "records",
  "users",
  "totals",
  "processes",
  "states",
  "about",
  "leaving",
  "changes",
  "rejected",
  "ended",
] as const;

const about = { host: "h", pid: 1, version: "0", grace: 0 };

describe("a record in sequence", () => {
  it("registers a process, counts its sockets and reports its users online", async () => {
    await shard.record({
      process: "p",
      seq: 1,
      about,
      operations: operations("+alice", "+bob", "+alice", "+"),
      sockets: 4,
      connections: 3,
    });
    const result = await shard.step();
    expect(await shard.users()).toEqual({ alice: 2, bob: 1 });
    expect(await shard.usersOf("p")).toEqual({ alice: 2, bob: 1 });
    expect((await shard.told()).sort()).toEqual(["+alice connect", "+bob connect"]);
    expect(await shard.process("p")).toMatchObject({
      state: "live",
      seq: 1,
      sockets: 4,
      anonymous: 1,
      connections: 3,
      slot: 1,
      about: { host: "h", pid: "1", version: "0", protocol: "2", ttl: "10000", started: String(shard.now) },
    });
    expect(await shard.totals()).toMatchObject({
      users: "2",
      sockets: "4",
      connections: "3",
      records: "1",
      shards: "1",
    });
    expect(result).toMatchObject({
      records: 1,
      operations: 3,
      changes: 2,
      more: false,
      due: shard.now + 10_000,
    });
  });

  it("leaves the log when it is folded, so that the length of the log is the lag", async () => {
    await shard.record({ process: "p", seq: 1, sockets: 0 });
    await shard.record({ process: "p", seq: 2, sockets: 0 });
    expect(await shard.redis.xlen(shard.keys.records)).toBe(2);
    await shard.step();
    expect(await shard.redis.xlen(shard.keys.records)).toBe(0);
  });

  it("reports a user offline, with the cause, only when the last socket of all processes is gone", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice", "+bob"), sockets: 2 });
    await shard.record({ process: "q", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.step();
    await shard.record({ process: "p", seq: 2, operations: operations("-alice", "~bob"), sockets: 0 });
    await shard.step();
    expect(await shard.users()).toEqual({ alice: 1 });
    await shard.record({ process: "q", seq: 2, operations: operations("-alice"), sockets: 0 });
    await shard.step();
    expect(await shard.users()).toEqual({});
    expect((await shard.told()).slice(2)).toEqual(["-bob leave", "-alice disconnect"]);
  });

  it("reports no change for a user who moves from one process to another within one call", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.step();
    await shard.record({ process: "p", seq: 2, operations: operations("-alice"), sockets: 0 });
    await shard.record({ process: "q", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.step();
    expect(await shard.told()).toEqual(["+alice connect"]);
    expect(await shard.usersOf("q")).toEqual({ alice: 1 });
  });

  it("keeps user ids as they are", async () => {
    const ids = [
      "__proto__",
      "1e5",
      "null",
      "true",
      "{}",
      ":",
      "a b",
      "line\nbreak",
      "nul\0",
      "😀",
      "x".repeat(256),
      "constructor",
    ];
    await shard.record({
      process: "p",
      seq: 1,
      operations: operations(...ids.map((id) => `+${id}`)),
      sockets: ids.length,
    });
    await shard.step();
    expect((await shard.redis.hkeys(shard.keys.users)).sort()).toEqual([...ids].sort());
    expect((await shard.changes()).map(({ user }) => user).sort()).toEqual([...ids].sort());
  });

  it("skips names of later versions", async () => {
    await shard.append(
      "process",
      "p",
      "seq",
      "1",
      "ttl",
      "10000",
      "connect",
      '["alice"]',
      "sockets",
      "1",
      "data",
      '{"/,room":["alice"]}',
      "data",
      "{}",
    );
    await shard.step();
    expect(await shard.users()).toEqual({ alice: 1 });
  });

  it("names two sockets of a user on one process, and one on another", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice", "+alice"), sockets: 2 });
    await shard.record({ process: "q", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.step();
    expect(await shard.redis.hget(shard.keys.users, "alice")).toBe("1*2,2");
    await shard.record({ process: "p", seq: 2, operations: operations("-alice"), sockets: 1 });
    await shard.step();
    expect(await shard.redis.hget(shard.keys.users, "alice")).toBe("1,2");
  });
});

it("what follows a name of a later version still counts: goodbyes and replacements of a newer recorder", async () => {
  const head = (process: string, seq: number) => ["process", process, "seq", String(seq), "ttl", "10000"];
  await shard.append(...head("p", 1), "scope", "/,room", "connect", '["alice"]', "scope-2", "", "sockets", "1");
  await shard.append(...head("q", 1), "scope", "x", "connect", '["bob"]', "sockets", "1", "later", "1");
  await shard.drain();
  expect(await shard.users()).toEqual({ alice: 1, bob: 1 });
  await shard.append(...head("p", 2), "scope", "x", "close", '["alice"]', "scope", "y", "sockets", "0", "scope", "z", "bye", "");
  await shard.append(...head("r", 1), "sockets", "0", "scope", "z", "later", "1", "replaces", '["q"]', "last", "1");
  await shard.drain();
  expect(await shard.users()).toEqual({});
  expect(await shard.process("p")).toMatchObject({ state: "ended", cause: "bye" });
  expect(await shard.process("q")).toMatchObject({ state: "ended", cause: "replace" });
  await shard.check();
}); // prettier-ignore

describe("a record folded before", () => {
  it("INV-2: is skipped, and renews the lease all the same", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    expect(await shard.step()).toMatchObject({ records: 2, operations: 1, skipped: 1 });
    shard.now += 5000;
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    expect(await shard.step()).toMatchObject({ skipped: 1, due: shard.now + 10_000 });
    expect(await shard.users()).toEqual({ alice: 1 });
  });

  it("INV-2: is skipped when the consumer group was lost and starts over", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.step();
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.redis.xgroup("DESTROY", shard.keys.records, "projector");
    await shard.record({ process: "p", seq: 2, operations: operations("+alice"), sockets: 2 });
    expect(await shard.step()).toMatchObject({ skipped: 1, operations: 1 });
    expect(await shard.users()).toEqual({ alice: 2 });
  });

  it("cannot bring back a process that has ended", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.record({ process: "p", seq: 2, bye: true, sockets: 1 });
    await shard.drain();
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.drain();
    expect(await shard.users()).toEqual({});
    expect(await shard.told()).toEqual(["+alice connect", "-alice bye"]);
  });
});

it("an unknown process whose record is not its first leaves no trace: its recorder finds out by itself", async () => {
  await shard.record({ process: "p", seq: 7, operations: operations("+alice"), sockets: 1 });
  expect(await shard.step()).toMatchObject({ skipped: 1, fenced: 0 });
  expect(await shard.isKnown("p")).toBe(false);
  expect(await shard.users()).toEqual({});
});

describe("a process whose records do not add up is fenced", () => {
  async function fenced(reason: RegExp): Promise<void> {
    expect(await shard.process("p")).toMatchObject({ state: "fenced" });
    expect((await shard.process("p")).about["reason"]).toMatch(reason);
  }

  it("after a gap", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.record({ process: "p", seq: 3, operations: operations("+bob"), sockets: 2 });
    expect(await shard.step()).toMatchObject({ fenced: 1 });
    await fenced(/seq 3 after 1/);
    expect(await shard.users()).toEqual({ alice: 1 });
  });

  it("when its check digit differs", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.record({ process: "p", seq: 2, operations: operations("+bob", "+alice"), sockets: 4 });
    await shard.step();
    await fenced(/4 sockets declared, 3 counted/);
    expect(await shard.users()).toEqual({ alice: 1 });
  });

  it("when a count would go negative", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.record({
      process: "p",
      seq: 2,
      operations: operations("+bob", "-carol"),
      sockets: 1,
    });
    await shard.step();
    await fenced(/negative/);
    expect(await shard.users()).toEqual({ alice: 1 });
  });

  it("keeps its counts for three leases, and none of its records is folded", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.record({ process: "p", seq: 5, sockets: 9 });
    await shard.step();
    const end = shard.now + 30_000;
    shard.now += 9000;
    await shard.record({ process: "p", seq: 6, operations: operations("~alice"), sockets: 0 });
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1 });
    expect(Number(await shard.redis.zscore(shard.keys.processes, "1:p"))).toBe(end);
    shard.now = end;
    await shard.record({ process: "p", seq: 7, sockets: 1 });
    await shard.drain();
    expect(await shard.users()).toEqual({});
  });

  it("until another incarnation re-sends its full state and replaces it; no user flips offline and back", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice", "+bob"), sockets: 2 });
    await shard.record({ process: "p", seq: 9, sockets: 2 });
    await shard.step();
    await shard.record({ process: "p2", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.step();
    expect(await shard.users()).toEqual({ alice: 2, bob: 1 });
    await shard.record({
      process: "p2",
      seq: 2,
      operations: operations("+carol"),
      replaces: ["p"],
      sockets: 2,
    });
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1, carol: 1 });
    expect(await shard.told()).toEqual(["+alice connect", "+bob connect", "+carol connect", "-bob replace"]);
    expect(await shard.process("p")).toMatchObject({ state: "ended", cause: "replace" });
  });

  it("does not end another one when its own full state is invalid", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.record({
      process: "p2",
      seq: 1,
      operations: operations("+alice"),
      replaces: ["p"],
      sockets: 7,
    });
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1 });
    expect(await shard.process("p")).toMatchObject({ state: "live" });
  });
});

describe("a malformed record", () => {
  const whole = (...fields: string[]) => ["process", "p", "seq", "1", "ttl", "1", ...fields];
  it.each([
    ["without the first three names", ["hello", "world"], /starts with process/],
    ["whose seq is no whole number", ["process", "p", "seq", "1e3", "ttl", "1", "sockets", "0"], /seq/],
    ["whose seq is zero", ["process", "p", "seq", "0", "ttl", "1", "sockets", "0"], /seq/],
    ["whose seq has a leading zero", ["process", "p", "seq", "01", "ttl", "1", "sockets", "0"], /seq/],
    ["whose ttl is too long", ["process", "p", "seq", "1", "ttl", "3600001", "sockets", "0"], /ttl/],
    ["without a process id", ["process", "", "seq", "1", "ttl", "1", "sockets", "0"], /process is empty/],
    [
      "with a user id of 257 bytes",
      whole("connect", JSON.stringify(["x".repeat(257)]), "sockets", "1"),
      /too long/,
    ],
    ["with an empty user id", whole("connect", '[""]', "sockets", "1"), /empty id/],
    ["with a number for a user id", whole("connect", "[1]", "sockets", "1"), /no text/],
    ["with null for a user id", whole("connect", "[null]", "sockets", "1"), /no text/],
    ["with a list in a list", whole("connect", '[["a"]]', "sockets", "1"), /no text/],
    ["with an object for a list", whole("connect", '{"1":"a"}', "sockets", "1"), /no JSON list/],
    ["with a list that is cut off", whole("connect", '["a"', "sockets", "1"), /no JSON list/],
    ["with a lone surrogate", whole("connect", '["\\ud800"]', "sockets", "1"), /no JSON list/],
    ["with a list of 33 kB", whole("connect", `["a"${" ".repeat(33_000)}]`, "sockets", "1"), /too long/],
    ["without a check digit", whole("connect", '["a"]'), /sockets is missing/],
    [
      "whose names are out of order",
      whole("sockets", "1", "connect", '["a"]'),
      /connect is not in its place/,
    ],
    [
      "with a list twice",
      whole("connect", '["a"]', "connect", '["b"]', "sockets", "2"),
      /connect is not in its place/,
    ],
    ["with a count of ten digits", whole("sockets", "1000000000"), /sockets is not/],
    ["of a later protocol", whole("protocol", "3", "sockets", "0"), /protocol 3/],
    [
      "with 66 values",
      whole(...Array.from({ length: 58 }, () => "later"), "sockets", "0"),
      /too many fields/,
    ],
    [
      "with 1,001 operations",
      whole("connect", JSON.stringify(Array.from({ length: 1001 }, () => "a")), "sockets", "1001"),
      /too many operations/,
    ],
    [
      "with 17 replaced",
      whole("sockets", "0", "replaces", JSON.stringify(Array.from({ length: 17 }, (_, i) => `q${i}`))),
      /too many replaces/,
    ],
    ["with a negative grace", whole("hello", "h", "grace", "-1", "sockets", "0"), /grace/],
  ])("%s is set aside with its reason and stops nothing", async (_, fields, reason) => {
    const id = await shard.append(...fields);
    await shard.record({ process: "good", seq: 1, operations: operations("+alice"), sockets: 1 });
    expect(await shard.step()).toMatchObject({ rejected: 1, records: 1 });
    const [entry] = await shard.redis.xrange(shard.keys.rejected, "-", "+");
    expect(entry![1][1]).toMatch(reason);
    expect(entry![1][3]).toBe(id);
    expect(await shard.users()).toEqual({ alice: 1 });
  });

  it("is kept cut to a bounded size", async () => {
    await shard.append(...Array.from({ length: 400 }, () => "y".repeat(1000)));
    await shard.step();
    const [entry] = await shard.redis.xrange(shard.keys.rejected, "-", "+");
    expect(entry![1].length).toBe(4 + 64);
    expect(Math.max(...entry![1].map((value) => value.length))).toBe(256);
  });
});

describe("a key of another type", () => {
  it.each(KEYS)("%s: a call that checks names it before it writes, and no record is lost", async (name) => {
    const lost = new TestShard(server.url);
    const { redis, keys } = lost;
    if (name !== "records") {
      await lost.append("garbage", "1");
      await lost.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    }
    await (name === "records" ? redis.set(keys.records, "not ours") : redis.lpush(keys[name], "not ours"));
    const before = (await redis.keys(`{${lost.prefix}}*`)).sort();
    await expect(lost.step({ check: true })).rejects.toMatchObject({
      code: "REDIS_TYPE",
      message: expect.stringContaining(keys[name]),
    });
    expect((await redis.keys(`{${lost.prefix}}*`)).sort()).toEqual(before);
    await redis.del(keys[name]);
    if (name === "records")
      await lost.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await lost.drain();
    expect(await lost.users()).toEqual({ alice: 1 });
    await lost.check();
    await lost.close();
  });

  it("is found at the first call of a prefix, without a level check being requested", async () => {
    const lost = new TestShard(server.url);
    await lost.redis.set(lost.keys.leaving, "not ours");
    await expect(lost.step()).rejects.toMatchObject({ code: "REDIS_TYPE" });
    expect(await lost.redis.exists(lost.keys.totals)).toBe(0);
    await lost.close();
  });
});

it("refuses a prefix opened with another number of shards, on the same keys", async () => {
  await shard.step();
  await shard.redis.hset(shard.keys.totals, "shards", "4");
  await expect(shard.step()).rejects.toMatchObject({
    code: "SHARDS_MISMATCH",
    message: expect.stringMatching(/4 shard\(s\), not 1/),
  });
  await shard.redis.hset(shard.keys.totals, "shards", "1");
});

describe("INV-7: a call does at most its budget plus one record", () => {
  it.each([100, 500, 1000, 2000])(
    "with a budget of %i, and small records before full ones",
    async (budget) => {
      const small = new TestShard(server.url, { budget });
      const sizes = [0, 0, 0, 0, 50, 50, 300, 1000, 1000, 100, 1, 1, 1000, 1000, 1000, 0, 0, 200, 700];
      let sockets = 0;
      for (const [i, size] of sizes.entries()) {
        sockets += size;
        await small.record({
          process: "p",
          seq: i + 1,
          operations: Array.from({ length: size }, (_, n) => ({ op: "connect", user: `u${i}-${n}` })),
          sockets,
        });
      }
      let last = 0;
      const results = await small.drain();
      for (const { operations: done, records } of results) {
        // Without its last record it had not reached the budget.
        const lastOne = records === 0 ? 0 : 1 + sizes[last + records - 1]!;
        expect(done + records - lastOne).toBeLessThan(budget);
        last += records;
      }
      expect(last).toBe(sizes.length);
      expect(Object.keys(await small.users()).length).toBe(sockets);
      await small.check();
      await small.close();
    },
  );

  it("and the records it read beyond that stay in the log, in both read modes", async () => {
    for (const read of ["group", "range"] as const) {
      const small = new TestShard(server.url, { budget: 100, read });
      for (let seq = 1; seq <= 10; seq++) {
        const users = Array.from({ length: 60 }, (_, n) => `+u${seq}-${n}`);
        await small.record({ process: "p", seq, operations: operations(...users), sockets: seq * 60 });
      }
      expect(await small.step()).toMatchObject({ records: 2, more: true, left: 8 });
      expect(await small.redis.xlen(small.keys.records)).toBe(8);
      await small.drain();
      expect(Object.keys(await small.users()).length).toBe(600);
      await small.check();
      await small.close();
    }
  });
});

describe("the quick path and the careful path agree", () => {
  /** A level check makes the call take the careful path; so does an unreadable record. */
  const WAYS = {
    quick: () => shard.step(),
    checked: () => shard.step({ check: true }),
    "beside garbage": async () => {
      await shard.append("garbage", "1");
      return shard.step();
    },
  };

  it.each(Object.entries(WAYS))(
    "%s: users of one process and of several, who stay, come and go",
    async (_, step) => {
      await shard.record({ process: "p", seq: 1, operations: operations("+a", "+b"), sockets: 2 });
      await shard.record({ process: "q", seq: 1, operations: operations("+b", "+c"), sockets: 2 });
      await shard.step();
      await shard.record({ process: "p", seq: 2, operations: operations("~b", "+a"), sockets: 2 });
      await shard.record({ process: "q", seq: 2, operations: operations("-c", "+d"), sockets: 2 });
      expect(await step()).toMatchObject({ records: 2, operations: 4, changes: 2 });
      expect(await shard.usersOf("p")).toEqual({ a: 2 });
      expect(await shard.usersOf("q")).toEqual({ b: 1, d: 1 });
      expect((await shard.told()).slice(3)).toEqual(["+d connect", "-c disconnect"]);
    },
  );

  it.each(Object.entries(WAYS))(
    "%s: a dropped transport, a goodbye and a closing server with grace",
    async (_, step) => {
      await shard.record({
        process: "p",
        seq: 1,
        about: { ...about, grace: 1000 },
        operations: operations("+drop", "+bye", "+closed", "+back"),
        sockets: 4,
      });
      await shard.step();
      await shard.record({
        process: "p",
        seq: 2,
        operations: operations("-drop", "-back", "~bye", "!closed"),
        sockets: 0,
      });
      await shard.record({ process: "p", seq: 3, operations: operations("+back"), sockets: 1 });
      await step();
      expect(await shard.users()).toEqual({ drop: 0, closed: 0, back: 1 });
      expect(await shard.redis.zrange(shard.keys.leaving, "0", "-1", "WITHSCORES")).toEqual(
        ["closed", "drop"].flatMap((user) => [user, String(shard.now + 1000)]),
      );
    },
  );

  it.each(Object.entries(WAYS))(
    "%s: a departure before its connect fences, although the sum is right",
    async (_, step) => {
      await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
      await shard.record({ process: "q", seq: 1, sockets: 0 });
      await shard.step();
      await shard.append(
        "process",
        "p",
        "seq",
        "2",
        "ttl",
        "10000",
        "connect",
        '["carol"]',
        "disconnect",
        '["bob"]',
        "sockets",
        "1",
      );
      await shard.record({ process: "q", seq: 2, operations: operations("+dora"), sockets: 1 });
      expect(await step()).toMatchObject({ fenced: 1 });
      expect(await shard.users()).toEqual({ alice: 1, dora: 1 });
      expect((await shard.process("p")).about["reason"]).toMatch(/negative/);
    },
  );
});
