/**
 * Goal: deleted, evicted, half written or forged data is found at the next level check or does no harm
 * (docs/protocol.md, "Level checks" and "Folding").
 * Method: a small cluster with a user in grace and a tombstone; one thing is broken by hand; the next calls, and recorders
 * that follow rule 3, must restore the state from before.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ownOnly, startRedis, type RedisServer } from "../../../rig/redis.ts";
import { Journal } from "../../../src/core/journal.ts";
import type { KeyName } from "../../../src/core/keys.ts";
import { CHECK_IDLE_MS, PROCESSES_MAX, TOMBSTONE_MS } from "../../../src/core/limits.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
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
  await shard.redis.flushdb();
  await shard.close();
});

const TTL = 60_000;
const about = { host: "h", pid: 1, version: "0", grace: 30_000 };
let names = 0;

/** Two processes with three users, one in grace, and one process that has ended. */
class Cluster {
  readonly journals = [this.#fresh(), this.#fresh()];

  #fresh(): Journal {
    return new Journal(`node-${++names}`, { ttl: TTL, about });
  }

  async append(journal: Journal): Promise<void> {
    do await shard.append(...encodeRecord(journal.take({ connections: 1 })));
    while (journal.dirty);
  }

  /** A heartbeat of every process; one that finds itself unknown, fenced or ended registers again. */
  async beat(): Promise<void> {
    for (const journal of this.journals) {
      const state = await shard.redis.hget(shard.keys.states, journal.process);
      if (state?.startsWith("live ") !== true) journal.restate(`node-${++names}`);
      await this.append(journal);
    }
    await shard.drain();
  }

  async start(): Promise<void> {
    const [one, two] = this.journals as [Journal, Journal];
    for (const user of ["alice", "bob", "bob", "", "gone"]) one.connect(user);
    for (const user of ["bob", "carol"]) two.connect(user);
    const ended = this.#fresh();
    await this.append(ended);
    await shard.append(...encodeRecord(ended.take({ bye: true })));
    await this.append(one);
    await this.append(two);
    await shard.drain();
    one.disconnect("gone", "disconnect");
    await this.append(one);
    await shard.drain();
    await shard.check();
  }
}

describe("A4: after part of the projection is gone", () => {
  const KEYS = ["records", "users", "totals", "processes", "states", "about", "leaving", "changes", "rejected", "ended", "clock"] as const; // prettier-ignore
  /** What nobody depends on who answers: there is nothing to rebuild. */
  const APART = new Set<KeyName>(["records", "changes", "rejected", "clock"]);
  const breaks: [string, () => Promise<unknown>, boolean][] = [
    ...KEYS.map((name): [string, () => Promise<unknown>, boolean] => [
      `the key ${name}`,
      () => shard.redis.del(shard.keys[name]),
      !APART.has(name),
    ]),
    ["one user", () => shard.redis.hdel(shard.keys.users, "carol"), true],
    ["one state", () => shard.redis.hdel(shard.keys.states, `node-${names}`), true],
    ["the right number of users", () => shard.redis.hset(shard.keys.totals, "users", 7), true],
    ["the right number in grace", () => shard.redis.hset(shard.keys.totals, "graced", 0), true],
  ];

  it.each(breaks)("%s: a call with a level check makes it consistent, and all live processes are counted again", async (name, harm, rebuilds) => {
    const cluster = new Cluster();
    await cluster.start();
    const cursor = (await shard.totals())["change"]!;
    await harm();
    const result = await shard.step({ check: true });
    expect(result.rebuilt).toBe(rebuilds);
    if (name !== "the key changes") await shard.check();
    if (rebuilds) expect(await shard.users()).toEqual({});
    // A reader that continues from an old position sees that changes are lost.
    const kept = await shard.redis.xrange(shard.keys.changes, cursor, cursor);
    expect(kept.length).toBe(rebuilds || name === "the key changes" ? 0 : 1);
    await cluster.beat();
    await cluster.beat();
    const { gone: _, ...users } = await shard.users();
    expect(users).toEqual({ alice: 1, bob: 3, carol: 1 });
    expect(await shard.totals()).toMatchObject({ sockets: "6", connections: "2" });
    if (name !== "the key changes") await shard.check();
    expect((await shard.step({ check: true })).rebuilt).toBe(false);
  }); // prettier-ignore

  it("the level check runs by itself within a second", async () => {
    const cluster = new Cluster();
    await cluster.start();
    await shard.redis.del(shard.keys.users);
    expect((await shard.step()).rebuilt).toBe(false);
    shard.now += 1000;
    expect((await shard.step()).rebuilt).toBe(true);
    expect(await shard.totals()).toMatchObject({ rebuilt: "1", users: "0", sockets: "0", connections: "0" });
    const [entry] = await shard.redis.xrange(shard.keys.changes, "-", "+");
    expect(entry![1]).toEqual(["rebuilt", "users: 0 there, 4 counted"]);
  });
});

describe("while nothing happens, with calls seconds apart", () => {
  /** A heartbeat of everybody, folded by one call `ms` after the one before. */
  async function beat(cluster: Cluster, ms: number) {
    shard.now += ms;
    for (const journal of cluster.journals) await cluster.append(journal);
    return shard.step();
  }

  it("a call that renews all that is due compares the number of users, and says what is due next", async () => {
    const cluster = new Cluster();
    await cluster.start();
    // Grace is over by then.
    await beat(cluster, TTL / 2);
    const { checked } = await shard.totals();
    for (let i = 0; i < 4; i++)
      expect(await beat(cluster, TTL)).toMatchObject({ more: false, due: shard.now + TTL, reaped: 0 });
    expect((await shard.totals())["checked"]).toBe(checked);
    await shard.check();
    await shard.redis.hdel(shard.keys.users, "carol");
    expect((await beat(cluster, TTL)).rebuilt).toBe(true);
  });

  it("the leases are found missing by the first call that would renew them", async () => {
    const cluster = new Cluster();
    await cluster.start();
    await beat(cluster, TTL / 2);
    await shard.redis.del(shard.keys.processes);
    expect((await beat(cluster, TTL)).rebuilt).toBe(true);
  });

  it("everything is compared within some minutes", async () => {
    const cluster = new Cluster();
    await cluster.start();
    await beat(cluster, TTL / 2);
    await shard.redis.del(shard.keys.ended);
    let rebuilt = false;
    for (let ms = 0; ms <= CHECK_IDLE_MS && !rebuilt; ms += TTL) ({ rebuilt } = await beat(cluster, TTL));
    expect(rebuilt).toBe(true);
  });

  it("INV-5: who is due and did not renew ends in the call that folds the others", async () => {
    const cluster = new Cluster();
    await cluster.start();
    await beat(cluster, TTL / 2);
    shard.now += TTL;
    await cluster.append(cluster.journals[0]!);
    expect(await shard.step()).toMatchObject({ reaped: 1 });
  });
});

describe("B7: a Redis user without a required command", () => {
  const folder = join(import.meta.dirname, "../../../src/lua/project");
  const source = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8")).join("\n"); // prettier-ignore
  const commands = [...new Set([...source.matchAll(/(?:call|try|in_chunks)\('([A-Z]+)'/g)].map((found) => found[1]!))].filter((name) => name !== "MEMORY").sort(); // prettier-ignore

  beforeEach(ownOnly("it makes users"));

  it("the script needs more than twenty commands", () => {
    expect(commands.length).toBeGreaterThan(20);
  });

  it.each(commands)("gets an error that names %s, and no key is written", async (command) => {
    const { redis, keys, prefix } = shard;
    const read = command === "XRANGE" ? "range" : "group";
    await redis.call("ACL", "SETUSER", "lacking", "reset", "on", "nopass", "~*", "&*", "+@all", `-${command}`);
    await redis.xadd(keys.records, "*", ...encodeRecord({ process: "p", seq: 1, ttl: 1000, connect: ["alice"], sockets: 1 })); // prettier-ignore
    const lacking = new Redis(server.url, { username: "lacking", password: "any", retryStrategy: null });
    // Only who keeps a history needs PFADD, and only one of scopes PEXPIRE.
    const history = command === "PEXPIRE" ? { scopes: ["/chat"] } : command === "PFADD";
    const projector = projectorOver(ioredisPort(lacking), { prefix, read, history });
    await expect(projector.step(0)).rejects.toMatchObject({
      code: "PERMISSION",
      message: expect.stringContaining(command),
    });
    expect(await redis.keys("*")).toEqual([keys.records]);
    expect(await redis.xlen(keys.records)).toBe(1);
    // Once it is allowed, the same projector goes on.
    await redis.call("ACL", "SETUSER", "lacking", "+@all");
    while ((await projector.step(0)).more);
    expect(await shard.users()).toEqual({ alice: 1 });
    lacking.disconnect();
    await redis.call("ACL", "DELUSER", "lacking");
  }); // prettier-ignore
});

describe("a prefix of another version", () => {
  it.each([
    ["a later one", ["shards", "1", "protocol", "3"]],
    ["0.1, which noted none", ["shards", "1", "users", "3"]],
  ])("is refused and not changed: %s", async (_, fields) => {
    await shard.redis.hset(shard.keys.totals, ...fields);
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await expect(shard.step()).rejects.toMatchObject({ code: "VERSION_MISMATCH" });
    expect((await shard.redis.keys("*")).sort()).toEqual([shard.keys.records, shard.keys.totals].sort());
    expect(await shard.redis.xlen(shard.keys.records)).toBe(1);
    expect(Object.entries(await shard.totals()).flat()).toEqual(fields);
  });
});

describe("INV-2: a consumer group that was", () => {
  it.each([
    ["moved to the end", (redis: Redis, key: string) => redis.xgroup("SETID", key, "projector", "$")],
    ["moved to the beginning", (redis: Redis, key: string) => redis.xgroup("SETID", key, "projector", "0")],
    ["destroyed", (redis: Redis, key: string) => redis.xgroup("DESTROY", key, "projector")],
  ])("%s loses no record", async (_, harm) => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.drain();
    await shard.record({ process: "p", seq: 2, operations: operations("+bob"), sockets: 2 });
    await harm(shard.redis, shard.keys.records);
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1, bob: 1 });
    await harm(shard.redis, shard.keys.records);
    await shard.record({ process: "p", seq: 3, operations: operations("+carol"), sockets: 3 });
    const results = await shard.drain();
    expect(results.reduce((sum, { fenced }) => sum + fenced, 0)).toBe(0);
    expect(await shard.users()).toEqual({ alice: 1, bob: 1, carol: 1 });
    await shard.check();
  });
});

describe("D7: an id that no other can follow", () => {
  it.each([
    ["the last one there is", () => "18446744073709551615-18446744073709551615"],
    ["the last one of this moment", () => `${shard.now + 500}-18446744073709551615`],
    ["an hour ahead", () => `${shard.now + 3_600_000}-0`],
    ["a century ahead", () => `${shard.now + 3_155_760_000_000}-7`],
  ])("%s stops the log only until it is drained, and no process has to register again", async (_, idOf) => {
    const { redis, keys } = shard;
    shard.now = Date.now();
    const record = (seq: number, user: string) =>
      redis.xadd(keys.records, "*", ...encodeRecord({ process: "p", seq, ttl: TTL, connect: [user], sockets: seq }));
    await record(1, "alice");
    await shard.drain();
    await record(2, "bob");
    await redis.xadd(keys.records, idOf(), "garbage", "1");
    shard.now = Date.now();
    await shard.drain();
    const time = async () => Math.floor(Number((await redis.time()).map((part) => String(part).padStart(6, "0")).join("")) / 1_000);
    const before = await time();
    const id = await record(3, "carol");
    const appended = Number(id!.split("-")[0]);
    expect([before, appended, await time()].toSorted((a, b) => a - b)[1]).toBe(appended);
    shard.now = Date.now();
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1, bob: 1, carol: 1 });
    expect(await shard.process("p")).toMatchObject({ state: "live", seq: 3 });
    await shard.check();
  }); // prettier-ignore
});

describe("D11: bytes that are not UTF-8", () => {
  const head = ["process", "p", "seq", "1", "ttl", "1000"];
  const bad = Buffer.from([0x61, 0xff, 0xfe]);
  const list = Buffer.concat([Buffer.from('["'), bad, Buffer.from('"]')]);
  const cases: [string, (string | Buffer)[], RegExp][] = [
    ["a process id", ["process", bad, "seq", "1", "ttl", "1000", "sockets", "0"], /process .* not UTF-8/],
    ["a user id", [...head, "connect", list, "sockets", "1"], /connect is not UTF-8/],
    ["an overlong user id", [...head, "connect", Buffer.from([0x5b, 0x22, 0xc0, 0xaf, 0x22, 0x5d]), "sockets", "1"], /connect is not UTF-8/],
    ["a surrogate", [...head, "connect", Buffer.from([0x5b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x5d]), "sockets", "1"], /connect is not UTF-8/],
    ["above U+10FFFF", [...head, "connect", Buffer.from([0x5b, 0x22, 0xf4, 0x90, 0x80, 0x80, 0x22, 0x5d]), "sockets", "1"], /connect is not UTF-8/],
    ["a character cut off", [...head, "connect", Buffer.from([0x5b, 0x22, 0xe2, 0x82, 0x22, 0x5d]), "sockets", "1"], /connect is not UTF-8/],
    ["a host name", [...head, "hello", bad, "sockets", "0"], /hello .* not UTF-8/],
    ["a number", [...head, "sockets", bad], /sockets is not a whole number/],
    ["who is replaced", [...head, "sockets", "0", "replaces", list], /replaces is not UTF-8/],
    ["a name", [...head, bad, "1"], /sockets is missing/],
  ]; // prettier-ignore

  it.each(cases)("in %s are set aside with a reason, in both read modes, and of a live process too", async (_, fields, reason) => {
    for (const read of ["group", "range"] as const) {
      const other = new TestShard(server.url, { read });
      // Once unknown, by the careful path, and once known, by the quick one.
      await other.redis.xadd(other.keys.records, "1000000-0", ...fields);
      await other.step();
      await other.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
      await other.step();
      const next = fields.map((value, i) => (fields[i - 1] === "seq" ? "2" : value));
      await other.redis.xadd(other.keys.records, "1000001-0", ...next);
      other.now += 2;
      await other.record({ process: "p", seq: 2, sockets: 1 });
      await other.step();
      const reasons = await other.rejected();
      expect(reasons.length).toBe(2);
      for (const one of reasons) expect(one).toMatch(reason);
      expect(await other.process("p")).toMatchObject({ state: "live", seq: 2 });
      expect(await other.users()).toEqual({ alice: 1 });
      await other.check();
      await other.close();
    }
  }); // prettier-ignore
});

describe("D9: forged records", () => {
  const NUMBERS = ["-1", "-0", "1e3", "1e308", "1e999", "nan", "inf", "0x10", " 1", "1 ", "+1", "1.0", "9999999999", "99999999999999999999", ""]; // prettier-ignore
  it.each(["seq", "ttl", "grace", "anonymous", "sockets", "connections"])(
    "with an absurd number for %s are set aside",
    async (name) => {
      await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
      await shard.step();
      for (const [i, number] of NUMBERS.entries()) {
        const values: Record<string, string> = { process: i % 2 ? "p" : "q", seq: "2", ttl: "10000" };
        if (name === "grace" || name === "anonymous") values[name] = number;
        values["sockets"] = "1";
        values[name] = number;
        await shard.append(...Object.entries(values).flat());
        await shard.step({ check: i % 3 === 0 });
      }
      const reasons = await shard.rejected();
      // A seq may have 15 digits: that is a gap, not an absurdity.
      const far = name === "seq" ? 1 : 0;
      expect(reasons.length).toBe(NUMBERS.length - far);
      expect(await shard.users()).toEqual({ alice: 1 });
      expect(await shard.totals()).toMatchObject({ users: "1", sockets: "1" });
    },
  );

  it("with the greatest numbers there may be add up exactly, and leave the totals as they were", async () => {
    const most = 999_999_999;
    const forged = 2_000;
    await shard.record({ process: "honest", seq: 1, ttl: TTL, operations: operations("+alice"), sockets: 1, connections: 1 });
    for (let i = 0; i < forged; i++) {
      const fields = ["process", `forged-${i}`, "seq", "1", "ttl", "1", "anonymous", `${most}`, "sockets", `${most}`, "connections", `${most}`];
      await shard.append(...fields);
    }
    await shard.drain();
    const all = String(most * forged + 1);
    expect(await shard.totals()).toMatchObject({ users: "1", sockets: all, connections: all });
    await shard.check();
    shard.now += 10;
    await shard.drain();
    expect(await shard.totals()).toMatchObject({ users: "1", sockets: "1", connections: "1" });
    await shard.check();
  }); // prettier-ignore

  it("of 10,001 processes are bounded, and processes from before are unaffected", async () => {
    await shard.record({ process: "honest", seq: 1, ttl: TTL, operations: operations("+alice"), sockets: 1 });
    await shard.step();
    const pipeline = shard.redis.pipeline();
    for (let i = 0; i <= PROCESSES_MAX; i++) {
      pipeline.xadd(shard.keys.records, `${shard.now + 1}-${i + 1}`, "process", `forged-${i}`, "seq", "1", "ttl", "1", "sockets", "0"); // prettier-ignore
    }
    await pipeline.exec();
    await shard.drain();
    expect(await shard.redis.zcard(shard.keys.processes)).toBe(PROCESSES_MAX);
    expect(new Set(await shard.rejected())).toEqual(new Set(["too many processes"]));
    shard.now += 10;
    for (const { reaped } of await shard.drain()) expect(reaped).toBeLessThanOrEqual(1000);
    expect(await shard.redis.zrange(shard.keys.processes, "0", "-1")).toEqual(["1:honest"]);
    await shard.check();
    // They are forgotten after an hour, a hundred at a time.
    shard.now += TOMBSTONE_MS;
    await shard.record({ process: "later", seq: 1, sockets: 0 });
    await shard.drain();
    expect(await shard.redis.zcard(shard.keys.ended)).toBeLessThan(PROCESSES_MAX);
  }, 60_000); // prettier-ignore
});

describe("D8, INV-7: a heavy log", () => {
  it("a single entry of 3 MB is set aside unread, and the log continues", async () => {
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.drain();
    await shard.append("process", "x".repeat(3_000_000));
    const results = await shard.drain();
    expect(results[0]).toMatchObject({ rejected: 1, more: true });
    expect(await shard.rejected()).toEqual(["too large to be a record"]);
    await shard.record({ process: "p", seq: 2, operations: operations("+bob"), sockets: 2 });
    await shard.drain();
    expect(await shard.users()).toEqual({ alice: 1, bob: 1 });
    expect(await shard.process("p")).toMatchObject({ state: "live", seq: 2 });
    await shard.check();
  });

  it.each(["group", "range"] as const)("is read a few entries per call (%s)", async (read) => {
    const heavy = new TestShard(server.url, { read });
    await heavy.drain();
    for (let i = 0; i < 10; i++) await heavy.append("garbage", "x".repeat(600_000));
    await heavy.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    const results = await heavy.drain();
    for (const { rejected } of results) expect(rejected).toBeLessThanOrEqual(2);
    expect((await heavy.rejected()).length).toBe(10);
    expect(await heavy.users()).toEqual({ alice: 1 });
    await heavy.close();
  });

  it.each(["group", "range"] as const)("of entries with half a million names is read an entry per call (%s)", async (read) => {
    const heavy = new TestShard(server.url, { read });
    await heavy.drain();
    const names = Array.from({ length: 500_000 }, () => ["a", "b"]).flat();
    for (let i = 1; i <= 3; i++)
      await heavy.redis.call("XADD", [heavy.keys.records, `${heavy.now}-${i}`, "process", "p", ...names]);
    heavy.now += 1;
    await heavy.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    const results = await heavy.drain();
    for (const { rejected } of results) expect(rejected).toBeLessThanOrEqual(1);
    expect((await heavy.rejected()).length).toBe(3);
    expect(await heavy.users()).toEqual({ alice: 1 });
    await heavy.close();
  }); // prettier-ignore

  it("is also handled for a Redis user who may not run MEMORY USAGE", async (context) => {
    ownOnly("it makes users")(context);
    await shard.redis.call(
      "ACL",
      "SETUSER",
      "lacking",
      "reset",
      "on",
      "nopass",
      "~*",
      "&*",
      "+@all",
      "-memory",
    );
    const lacking = new Redis(server.url, { username: "lacking", password: "any", retryStrategy: null });
    const projector = projectorOver(ioredisPort(lacking), { prefix: shard.prefix }, { now: () => shard.now });
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    while ((await projector.step(0)).more);
    expect(await shard.users()).toEqual({ alice: 1 });
    lacking.disconnect();
    await shard.redis.call("ACL", "DELUSER", "lacking");
  });
});

describe("a process that is replaced before its first record is folded", () => {
  beforeEach(async () => {
    await shard.record({ process: "new", seq: 1, ttl: 3_600_000, replaces: ["late"], sockets: 0 });
    await shard.step();
  });

  it("is remembered as ended, so that its late first record counts no user", async () => {
    expect(await shard.process("late")).toMatchObject({ state: "ended", cause: "replace", slot: 0 });
    await shard.record({ process: "late", seq: 1, operations: operations("+alice"), sockets: 1 });
    expect(await shard.step()).toMatchObject({ skipped: 1 });
    expect(await shard.users()).toEqual({});
    await shard.check();
  });

  it("is forgotten after an hour", async () => {
    shard.now += TOMBSTONE_MS - 1;
    await shard.record({ process: "new", seq: 2, ttl: 3_600_000, sockets: 0 });
    await shard.record({ process: "other", seq: 1, sockets: 0 });
    await shard.drain();
    expect(await shard.isKnown("late")).toBe(true);
    shard.now += 1;
    await shard.record({ process: "another", seq: 1, sockets: 0 });
    await shard.drain();
    expect(await shard.isKnown("late")).toBe(false);
    expect((await shard.step({ check: true })).rebuilt).toBe(false);
  });
});

it("C8: a goodbye in the same batch as its connect ends a grace of another process at once", async () => {
  const [one, two] = ["one", "two"].map((id) => new Journal(id, { ttl: TTL, about })) as [Journal, Journal];
  one.connect("alice");
  await shard.append(...encodeRecord(one.take()));
  one.disconnect("alice", "disconnect");
  await shard.append(...encodeRecord(one.take()));
  await shard.append(...encodeRecord(two.take()));
  await shard.drain();
  expect(await shard.users()).toEqual({ alice: 0 });
  two.connect("alice");
  two.disconnect("alice", "leave");
  await shard.append(...encodeRecord(two.take()));
  await shard.drain();
  expect(await shard.users()).toEqual({});
  expect(await shard.told()).toEqual(["+alice connect", "-alice leave"]);
  await shard.check();
});
