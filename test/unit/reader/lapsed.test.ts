/**
 * Goal: answers leave out users whose processes' leases have all expired, or whose grace is over, even if no projector has
 * run since (INV-15); and users of a live process are not left out.
 * Method: the real script and a reader, both on the test's clock; the test decides when the projector stops.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { operations, TestShard } from "../../../rig/shard.ts";
import { PresenceError } from "../../../src/core/errors.ts";
import { type Reader, readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import type { ReadCommand } from "../../../src/redis/port.ts";

const TTL_MS = 10_000;
const about = { host: "h", pid: 1, version: "1", grace: 4_000 };

let server: RedisServer;
let shard: TestShard;
let reader: Reader;
/** What the reader sent, request by request. */
let sent: (readonly ReadCommand[])[];
let isAway: boolean;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  shard = new TestShard(server.url);
  sent = [];
  isAway = false;
  const port = ioredisPort(shard.redis);
  reader = readerOver(
    {
      async read(commands) {
        if (isAway) throw new PresenceError("REDIS_UNAVAILABLE", "away");
        sent.push(commands);
        return port.read(commands);
      },
    },
    { prefix: shard.prefix },
    { now: () => shard.now },
  );
});
afterEach(() => shard.close());

/** What every kind of answer says of them: sockets of those present, by all of user(), isOnline(), lookup(), page(), users(). */
async function present(...ids: string[]): Promise<Record<string, number>> {
  const { users } = await reader.lookup(ids);
  const found = Object.fromEntries(
    users.flatMap(({ id, online, sockets }) => (online ? [[id, sockets]] : [])),
  );
  for (const id of ids) {
    const { online, sockets } = await reader.user(id);
    expect([id, online, sockets]).toEqual([id, id in found, found[id] ?? 0]);
    expect(await reader.isOnline(id)).toBe(online);
  }
  const byId = (all: readonly { id: string; sockets: number }[]) =>
    Object.fromEntries(all.map(({ id, sockets }) => [id, sockets]));
  const each: { id: string; sockets: number }[] = [];
  for await (const user of reader.users()) each.push(user);
  const listed = [byId((await reader.page()).users), byId((await reader.usersList()).users), byId(each)];
  expect(listed).toEqual([found, found, found]);
  return found;
}

async function register(process: string, ...short: string[]): Promise<void> {
  const own = operations(...short);
  await shard.record({ process, seq: 1, ttl: TTL_MS, about, operations: own, sockets: own.length });
  await shard.drain();
}

describe("lapsed leases and graces do not count", () => {
  it("INV-15: after the only process is killed and with no projector, no user is online from the end of its lease on", async () => {
    await register("p", "+alice", "+bob");
    shard.now += TTL_MS - 1;
    expect(await present("alice", "bob")).toEqual({ alice: 1, bob: 1 });
    shard.now += 1;
    expect(await present("alice", "bob")).toEqual({});
    // The sums are the projector's, and say that it is overdue once it is by more than staleAfter.
    shard.now += 5_001;
    expect(await reader.counts()).toMatchObject({ users: 2, asOf: { stale: true } });
  });

  it("INV-15: sockets on a process whose lease has expired do not count, those on others do", async () => {
    await register("p", "+alice", "+alice", "+bob");
    shard.now += 6_000;
    await register("q", "+alice");
    expect(await present("alice", "bob")).toEqual({ alice: 3, bob: 1 });
    const on = async (id: string) => (await reader.user(id)).processes;
    expect(await on("alice")).toEqual([
      { id: "p", sockets: 2 },
      { id: "q", sockets: 1 },
    ]);
    shard.now += 4_000;
    expect(await present("alice", "bob")).toEqual({ alice: 1 });
    expect([await on("alice"), await on("bob")]).toEqual([[{ id: "q", sockets: 1 }], []]);
  });

  it("INV-15: a grace is over at its deadline, whether or not a projector has ended it", async () => {
    await register("p", "+alice", "+bob");
    await shard.record({ process: "p", seq: 2, ttl: 60_000, operations: operations("-alice"), sockets: 1 });
    await shard.drain();
    shard.now += about.grace - 1;
    expect(await present("alice", "bob")).toEqual({ alice: 0, bob: 1 });
    shard.now += 1;
    expect(await present("alice", "bob")).toEqual({ bob: 1 });
  });

  it("INV-15: the users of a process that ended have its grace, and no longer", async () => {
    await register("p", "+alice");
    await register("q", "+bob");
    await shard.record({ process: "p", seq: 2, ttl: TTL_MS, sockets: 1, bye: true });
    // A full call, which has no time for reaping.
    const names = Array.from({ length: 1_000 }, (_, i) => `+u${i}`);
    await shard.record({
      process: "q",
      seq: 2,
      ttl: 60_000,
      operations: operations(...names),
      sockets: 1_001,
    });
    await shard.step();
    expect(await shard.users()).toMatchObject({ alice: 1, bob: 1 });
    const ask = async () => (await reader.lookup(["alice", "bob"])).users;
    expect(await ask()).toMatchObject([
      { online: true, sockets: 0 },
      { online: true, sockets: 1 },
    ]);
    shard.now += about.grace - 1;
    expect(await ask()).toMatchObject([{ online: true, sockets: 0 }, { online: true }]);
    shard.now += 1;
    expect(await ask()).toMatchObject([{ online: false, sockets: 0 }, { online: true }]);
  });

  it("INV-15: a fenced process is not kept by its records, and counts until its leases have expired", async () => {
    await register("p", "+alice");
    await shard.record({ process: "p", seq: 5, ttl: TTL_MS, sockets: 1 });
    await shard.drain();
    shard.now += 3 * TTL_MS - 1;
    await shard.record({ process: "p", seq: 6, ttl: TTL_MS, sockets: 1 });
    expect(await present("alice")).toEqual({ alice: 1 });
    shard.now += 1;
    expect(await present("alice")).toEqual({});
  });
});

describe("users of a live process are not left out", () => {
  it("a record that is not folded yet renews the lease, for its ttl", async () => {
    await register("p", "+alice");
    await register("q", "+bob");
    shard.now += 9_000;
    await shard.record({ process: "p", seq: 2, ttl: TTL_MS, sockets: 1 });
    await shard.append("process", "q", "seq", "2", "ttl", "for ever");
    await shard.append("kind", "process", "q", "seq", "ttl", "60000");
    // Others go on, more of them than one look at the log takes.
    for (let seq = 1; seq <= 250; seq++) await shard.record({ process: "r", seq, ttl: 60_000, sockets: 0 });
    shard.now += 2_000;
    expect(await present("alice", "bob")).toEqual({ alice: 1 });
    sent = [];
    expect(await reader.isOnline("alice")).toBe(true);
    // What was found in the log is not looked for again.
    expect(sent.flat().map(([name]) => name)).not.toContain("XREVRANGE");
    shard.now += 8_000;
    expect(await present("alice", "bob")).toEqual({});
  });

  it("INV-15: a record older than its own ttl renews nothing, whatever else is searched for", async () => {
    await register("p", "+alice");
    await shard.record({ process: "s", seq: 1, ttl: 2_000, operations: operations("+sam"), sockets: 1 });
    await shard.drain();
    shard.now += 1_000;
    await shard.record({ process: "s", seq: 2, ttl: 2_000, sockets: 1 });
    shard.now += 9_500;
    expect(await present("alice", "sam")).toEqual({});
  });

  it("a log too long to search keeps all users, and the answer has its length", async () => {
    await register("p", "+alice");
    shard.now += TTL_MS;
    const filler = shard.redis.pipeline();
    for (let i = 0; i < 2_100; i++)
      filler.call("XADD", shard.keys.records, `${shard.now}-${i + 1}`, "process", "r");
    await filler.exec();
    const { online, asOf } = await reader.user("alice");
    expect([online, asOf.lag.records]).toEqual([true, 2_100]);
    // None of them can renew it any more.
    shard.now += TTL_MS;
    expect(await reader.isOnline("alice")).toBe(false);
  });

  it("shortly after Redis failed to answer, no user is left out for an expired lease", async () => {
    await register("p", "+alice");
    isAway = true;
    await expect(reader.isOnline("alice")).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
    shard.now += TTL_MS;
    await expect(reader.isOnline("alice")).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
    isAway = false;
    shard.now += 2_999;
    expect(await present("alice")).toEqual({ alice: 1 });
    shard.now += 1;
    expect(await present("alice")).toEqual({});
  });

  it("while nothing has lapsed an answer takes one request", async () => {
    await register("p", "+alice");
    await reader.isOnline("alice");
    sent = [];
    await reader.isOnline("alice");
    await reader.page();
    expect(sent.map((commands) => commands.map(([name]) => name))).toEqual([
      ["HMGET", "XLEN", "XRANGE", "HMGET", "ZRANGE"],
      ["HMGET", "XLEN", "XRANGE", "HSCAN", "ZRANGE"],
    ]);
  });
});
