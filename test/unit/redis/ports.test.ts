/**
 * Goal: projector and reader behave the same over every client, with one shard and with four.
 * Method: one suite, run for each; records are appended as by a recorder, to the shard of each user.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { encodeRecord, type RecordEntry } from "../../../src/core/record.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { type Projector, projectorOver } from "../../../src/projector/projector.ts";
import { type Reader, readerOver, type UserPresence } from "../../../src/reader/reader.ts";
import { type Client, clients } from "../../../rig/clients.ts";
import { listsOf, type Operation, operations } from "../../../rig/shard.ts";

const cases = Object.keys(clients).flatMap((client) =>
  [1, 4].flatMap((shards) => (["group", "range"] as const).map((read) => ({ client, shards, read }))),
);
let prefixes = 0;

describe.each(cases)("$client, shards: $shards, read by $read", ({ client: name, shards, read }) => {
  let client: Client;
  let prefix: string;
  let projector: Projector;
  let reader: Reader;
  let seqs: number[];
  let sockets: number[];
  let anonymous: number;

  beforeAll(async () => {
    client = await clients[name]!();
  });
  afterAll(() => client.close());
  beforeEach(() => {
    prefix = `c${prefixes++}`;
    projector = projectorOver(client.write, { prefix, shards, read });
    reader = readerOver(client.read, { prefix, shards });
    seqs = Array.from({ length: shards }, () => 0);
    sockets = Array.from({ length: shards }, () => 0);
    anonymous = 0;
  });

  /** Appends as one process would: each operation to its user's shard, at most 100 a record. */
  async function append(list: readonly Operation[], ttl = 60_000): Promise<void> {
    for (let shard = 0; shard < shards; shard++) {
      const own = list.filter(({ user }) => (user === "" ? 0 : shardOf(user, shards)) === shard);
      for (let i = 0; i < own.length || i === 0; i += 100) {
        const part = own.slice(i, i + 100);
        for (const { op, user } of part) {
          sockets[shard]! += op === "connect" ? 1 : -1;
          if (user === "") anonymous += op === "connect" ? 1 : -1;
        }
        const fields = encodeRecord({
          process: "p", seq: ++seqs[shard]!, ttl, ...listsOf(part), sockets: sockets[shard]!,
          ...(shard === 0 && { anonymous, connections: 7 }),
        }); // prettier-ignore
        await client.redis.call("XADD", keysOf(prefix, shard, shards).records, "*", ...fields);
      }
    }
  }

  it("an error thrown by our own code is passed on: only the client's errors become REDIS_UNAVAILABLE", async () => {
    const bug = [undefined] as never;
    await expect(client.write.pipeline(bug)).rejects.toBeInstanceOf(TypeError);
    await expect(client.read.read(bug)).rejects.toBeInstanceOf(TypeError);
  });

  it("an empty prefix has no users, and is stale because no projector has run", async () => {
    expect(await reader.counts()).toMatchObject({
      users: 0, sockets: 0, connections: 0,
      asOf: { projectedAt: null, stale: true, lag: { records: 0, ms: 0 }, cursor: Array(shards).fill("0-0").join("_") },
    }); // prettier-ignore
    expect(await reader.page()).toMatchObject({ users: [], next: null });
    expect(await reader.processes()).toMatchObject({ processes: [] });
    expect(await reader.user("alice")).toMatchObject({ id: "alice", online: false, sockets: 0 });
  });

  it("counts() returns the counts and how old they are", async () => {
    await append(operations("+alice", "+alice", "+bob", "+", "+"));
    const before = await reader.counts();
    expect(before).toMatchObject({ users: 0, sockets: 0, asOf: { lag: { records: shards } } });
    const began = Date.now();
    await projector.sweep();
    const { asOf, ...counts } = await reader.counts();
    const ended = Date.now();
    expect(counts).toMatchObject({ users: 2, sockets: 5, connections: 7 });
    expect(asOf).toMatchObject({ stale: false, lag: { records: 0, ms: 0 } });
    // The clock of Redis is this machine's.
    const times = [began, asOf.projectedAt!.getTime(), asOf.now.getTime(), ended];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(asOf.record.split("_").length).toBe(shards);
  });

  it("an answer is stale when the projector is overdue by more than staleAfter, and has the age of the oldest record", async () => {
    await append(operations("+alice"), 60_000);
    await projector.sweep();
    // A heartbeat: it may wait for that.
    for (let shard = 0; shard < shards; shard++) {
      const record = { process: "p", seq: ++seqs[shard]!, ttl: 60_000, sockets: sockets[shard]! };
      await client.redis.call("XADD", keysOf(prefix, shard, shards).records, "*", ...encodeRecord(record));
    }
    // The lease is due 60 s from now; from then on somebody should have projected. The time that a reader measured once goes
    // on with its own clock, which is asked again after a minute: here it has no other.
    for (let shard = 0; shard < shards; shard++) await client.redis.del(keysOf(prefix, shard, shards).clock);
    const asOf = async (later: number) => {
      const now = () => Date.now() + later;
      const { asOf: answer } = await readerOver(client.read, { prefix, shards }, { now }).counts();
      return answer;
    };
    expect(await asOf(59_000)).toMatchObject({ stale: false, lag: { records: shards } });
    expect(await asOf(64_000)).toMatchObject({ stale: false });
    expect(await asOf(66_000)).toMatchObject({ stale: true });
    expect((await asOf(66_000)).lag.ms).toBeGreaterThan(65_000);
  });

  it("user() and lookup() find every id, hostile ones included, in the order requested", async () => {
    const ids = [
      "123",
      "true",
      "null",
      "1e5",
      "__proto__",
      "{}",
      '"q"',
      "😀",
      "a/b?c=d&e",
      "\0",
      "\ufeffbom",
      "x".repeat(256),
    ];
    await append(operations(...ids.map((id) => `+${id}`), "+123"));
    await projector.sweep();
    for (const id of ids)
      expect(await reader.user(id)).toMatchObject({ id, online: true, sockets: id === "123" ? 2 : 1 });
    const asked = ["nobody", ...ids, "123"];
    const { users } = await reader.lookup(asked);
    expect(users.map(({ id }) => id)).toEqual(asked);
    expect(users.map(({ online }) => online)).toEqual([false, ...ids.map(() => true), true]);
    expect(await reader.isOnline("123")).toBe(true);
    expect(await reader.isOnline("nobody")).toBe(false);
    const all: UserPresence[] = [];
    for await (const user of reader.users()) all.push(user);
    expect(all.map(({ id }) => id).sort()).toEqual([...ids].sort());
  });

  it("invalid ids, limits and cursors are refused", async () => {
    await expect(reader.user("")).rejects.toMatchObject({ code: "USER_INVALID" });
    await expect(reader.lookup(Array(1001).fill("a") as string[])).rejects.toMatchObject({
      code: "OPTIONS_INVALID",
    });
    await expect(reader.page({ cursor: "nonsense" })).rejects.toMatchObject({ code: "CURSOR_INVALID" });
    await expect(reader.page({ limit: 0 })).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
  });

  it("pages hold every user who stays while others connect and leave", async () => {
    const stay = Array.from({ length: 3000 }, (_, i) => `stay-${i}`);
    await append(stay.map((user) => ({ op: "connect", user })));
    await projector.sweep();
    const seen = new Set<string>();
    let cursor: string | undefined;
    let pages = 0;
    do {
      const { users, next } = await reader.page({ cursor, limit: 200 });
      expect(users.length).toBeGreaterThan(0);
      for (const { id } of users) seen.add(id);
      cursor = next ?? undefined;
      pages++;
      const churn = Array.from({ length: 100 }, (_, i) => `come-${pages}-${i}`);
      await append(churn.map((user) => ({ op: "connect", user })));
      if (pages > 1)
        await append(
          Array.from({ length: 100 }, (_, i) => ({ op: "leave", user: `come-${pages - 1}-${i}` })),
        );
      await projector.sweep();
    } while (cursor !== undefined);
    expect(pages).toBeGreaterThanOrEqual(10);
    for (const id of stay) expect(seen.has(id)).toBe(true);
  });

  it("processes() sums each process over its shards", async () => {
    await append(operations(...Array.from({ length: 40 }, (_, i) => `+u${i}`)));
    await projector.sweep();
    const { processes } = await reader.processes();
    expect(processes).toMatchObject([
      {
        id: "p",
        state: "live",
        sockets: 40,
        connections: 7,
        leaseUntil: expect.any(Date),
        startedAt: expect.any(Date),
        host: null,
        pid: null,
        version: null,
      },
    ]);
  });

  it("a sweep reaps, and stops at its budget with work left", async () => {
    await append(
      Array.from({ length: 5000 }, (_, i) => ({ op: "connect", user: `u${i}` })),
      1,
    );
    const first = await projector.sweep({ budget: { requests: 1 } });
    expect(first).toMatchObject({ calls: 1, idle: false, due: null });
    expect(await projector.sweep({ signal: AbortSignal.abort() })).toMatchObject({ calls: 0, idle: false });
    await expect.poll(async () => (await projector.sweep()).idle && (await reader.counts()).users).toBe(0);
    expect((await reader.counts()).sockets).toBe(0);
  });

  it("a prefix opened with another number of shards is refused by both", async () => {
    await append(operations("+alice"));
    await projector.sweep();
    const other = shards === 1 ? 4 : 1;
    await expect(readerOver(client.read, { prefix, shards: other }).counts()).rejects.toMatchObject({
      code: "SHARDS_MISMATCH",
    });
    await expect(projectorOver(client.write, { prefix, shards: other }).step()).rejects.toMatchObject({
      code: "SHARDS_MISMATCH",
    });
    await expect(projectorOver(client.write, { prefix, shards: 7 }).step(6)).rejects.toMatchObject({
      code: "SHARDS_MISMATCH",
      message: expect.stringContaining(`${shards} shard(s), not 7`),
    });
  });

  it("a process that is evicted is gone with its users, in every shard, and its id does not come back", async () => {
    const users = Array.from({ length: 300 }, (_, i) => `u${i}`);
    await append(users.map((user) => ({ op: "connect", user })));
    await projector.sweep();
    expect(await projector.evict("q")).toBe(false);
    const before = await reader.counts();
    expect(before.users).toBe(300);
    // Whatever is in the log still is folded before.
    await append(operations("+last"));
    expect(await projector.evict("p")).toBe(true);
    expect(await reader.counts()).toMatchObject({ users: 0, sockets: 0, asOf: { lag: { records: 0 } } });
    expect((await reader.processes()).processes).toEqual([]);
    const { changes } = await reader.changes({ after: before.asOf.cursor, limit: 1_000 });
    const went = changes.filter(({ user }) => user !== "last").map(({ user, cause }) => `${user} ${cause}`);
    expect(went.sort()).toEqual(users.map((user) => `${user} replace`).sort());
    expect(await projector.evict("p")).toBe(false);
    seqs = seqs.map(() => 0);
    sockets = sockets.map(() => 0);
    await append(operations("+ghost"));
    await projector.sweep();
    expect((await reader.counts()).users).toBe(0);
  });

  it("evict() refuses what is no id of a process", async () => {
    for (const id of ["", "x".repeat(257), "\ud800", null, 7] as string[])
      await expect(projector.evict(id)).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
  });

  it("a user who is offline is forgotten, in whatever shard; one who is online is refused", async () => {
    await append(operations("+alice", "+bob"));
    await projector.sweep();
    await expect(projector.forget("alice")).rejects.toMatchObject({ code: "USER_PRESENT" });
    await append(operations("~alice"));
    await projector.sweep();
    await append(operations(...Array.from({ length: 20 }, (_, i) => `+u${i}`)));
    expect((await projector.forget("alice")).changes).toBeGreaterThan(0);
    const kept = await Promise.all(
      Array.from({ length: shards }, (_, i) =>
        client.redis.xrange(keysOf(prefix, i, shards).changes, "-", "+"),
      ),
    );
    expect(JSON.stringify(kept)).toContain('\\"u19\\"');
    expect(JSON.stringify(kept)).not.toContain("alice");
    expect(await projector.forget("alice")).toEqual({ changes: 0, rejected: 0, subscribers: 0 });
  });

  it("a key of another type is named by reader and projector", async () => {
    await append(operations("+alice"));
    await projector.sweep();
    const { users } = keysOf(prefix, 0, shards);
    await client.redis.set(users, "not ours");
    await expect(reader.lookup(Array.from({ length: 20 }, (_, i) => `u${i}`))).rejects.toMatchObject({
      code: "REDIS_TYPE",
    });
    await append(operations(...Array.from({ length: 20 }, (_, i) => `+u${i}`)));
    await expect(projector.sweep()).rejects.toMatchObject({
      code: "REDIS_TYPE",
      message: expect.stringContaining(users),
    });
  });

  it("INV-11: changes continue from a snapshot's cursor without a gap, each once", async () => {
    await append(operations("+alice", "+bob"));
    await projector.sweep();
    const { asOf } = await reader.lookup(["alice", "bob", "carol"]);
    expect(await reader.changes({ after: asOf.cursor })).toMatchObject({
      changes: [], next: asOf.cursor, gap: false, more: false,
    }); // prettier-ignore
    expect((await reader.changes()).next).toBe(asOf.cursor);

    await append(operations("+carol", "-alice"));
    await projector.sweep();
    await append(operations("+alice"));
    await projector.sweep();
    const found: string[] = [];
    let after = asOf.cursor;
    for (let more = true; more;) {
      const answer = await reader.changes({ after, limit: 1 });
      for (const { user, type } of answer.changes) found.push(`${type} ${user}`);
      ({ next: after, more } = answer);
    }
    expect(found.filter((change) => change.endsWith("alice"))).toEqual(["offline alice", "online alice"]);
    expect(found.sort()).toEqual(["offline alice", "online alice", "online carol"]);
    expect(after).toBe((await reader.counts()).asOf.cursor);
  });

  it("INV-11: changes can be read from the beginning, and a gap is reported", async () => {
    const start = (await reader.counts()).asOf.cursor;
    const ids = Array.from({ length: 300 }, (_, i) => `u${i}`);
    // Entries of one change each.
    for (const id of ids.slice(0, 40)) {
      await append(operations(`+${id}`));
      await projector.sweep();
    }
    await append(ids.slice(40).map((user) => ({ op: "connect", user })));
    await projector.sweep();
    const found: string[] = [];
    let after = start;
    for (let more = true; more;) {
      const answer = await reader.changes({ after, limit: 10 });
      expect(answer.gap).toBe(false);
      found.push(...answer.changes.map(({ user }) => user));
      ({ next: after, more } = answer);
    }
    expect(found.sort()).toEqual([...ids].sort());

    const { cursor } = (await reader.counts()).asOf;
    for (let shard = 0; shard < shards; shard++)
      await client.redis.call("XTRIM", keysOf(prefix, shard, shards).changes, "MAXLEN", "0");
    expect(await reader.changes({ after: cursor })).toMatchObject({
      changes: [],
      next: cursor,
      gap: true,
      more: false,
    });
    await append(operations("+after"));
    await projector.sweep();
    const { next } = await reader.changes({ after: cursor });
    expect(next).toBe((await reader.counts()).asOf.cursor);
  });

  it("INV-15: what has lapsed is left out while nobody projects, and what a record in the log renews is not", async () => {
    const keys = (user: string) => keysOf(prefix, shardOf(user, shards), shards);
    const record = (
      user: string,
      fields: Partial<RecordEntry> & { seq: number; ttl: number; sockets: number },
    ) =>
      client.redis.call(
        "XADD",
        keys(user).records,
        "*",
        ...encodeRecord({ process: `of ${user}`, ...(fields.seq === 1 && { connect: [user] }), ...fields }),
      );
    const about = { host: "h", pid: 1, version: "1", grace: 300 };
    // However late a call is on a busy machine, nothing has lapsed for it.
    const began = Date.now();
    const fold = () => projectorOver(client.write, { prefix, shards, read }, { now: () => began }).sweep();
    await record("dropped", { seq: 1, ttl: 60_000, about, sockets: 1 });
    await record("stays", { seq: 1, ttl: 60_000, sockets: 1 });
    await record("renewed", { seq: 1, ttl: 60_000, sockets: 1 });
    await record("killed", { seq: 1, ttl: 300, sockets: 1 });
    await fold();
    // Its record was long ago.
    const { processes } = keys("renewed");
    const own = (await client.redis.zrange(processes, "0", "-1")).find((member) =>
      member.endsWith(":of renewed"),
    )!;
    await client.redis.zadd(processes, String(began + 300), own);
    await record("dropped", { seq: 2, ttl: 60_000, disconnect: ["dropped"], sockets: 0 });
    await fold();
    await record("renewed", { seq: 2, ttl: 60_000, sockets: 1 });
    const asked = ["dropped", "stays", "renewed", "killed"];
    const online = async () =>
      (await reader.lookup(asked)).users.filter((user) => user.online).map(({ id }) => id);
    await expect.poll(online, { timeout: 10_000 }).toEqual(["stays", "renewed"]);
    // Nobody has folded or reaped anything since.
    for (const user of asked) expect(await client.redis.hexists(keys(user).users, user)).toBe(1);
    const listed: string[] = [];
    for await (const { id } of reader.users()) listed.push(id);
    expect(listed.sort()).toEqual(["renewed", "stays"]);
  });

  it("totals: what was done, and the lease that runs out first", async () => {
    expect(await reader.totals()).toMatchObject({ records: 0, reaped: 0, processes: 0, oldestLease: null });
    await append(operations("+alice"), 30_000);
    await client.redis.call("XADD", keysOf(prefix, 0, shards).records, "*", "garbage", "in");
    await projector.sweep();
    const totals = await reader.totals();
    expect(totals).toMatchObject({
      users: 1,
      records: shards,
      rejected: 1,
      fenced: 0,
      reaped: 0,
      processes: 1,
    });
    const { left, age } = totals.oldestLease!;
    expect(left).toBeGreaterThan(20_000);
    expect(left + age!).toBe(30_000);
  });
});
