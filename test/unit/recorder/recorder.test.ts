/**
 * Goal: whatever Redis or the network does, the counts converge to the open sockets by themselves (INV-3, INV-6, INV-9).
 * Method: recorders without sockets, with a Redis and a proxy that the test breaks; the projection is read directly.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { decodeChanges } from "../../../src/core/change.ts";
import { GONE_MAX } from "../../../src/core/journal.ts";
import { type KeyName, keysOf } from "../../../src/core/keys.ts";
import { ownOnly, startRedis, type RedisServer } from "../../../rig/redis.ts";
import { type RecorderOptions, resolveRecorderOptions } from "../../../src/recorder/options.ts";
import { Recorder } from "../../../src/recorder/recorder.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { connect, type Connection } from "../../../src/redis/connect.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { startProxy, type Proxy } from "../../../rig/proxy.ts";
import { slotsOf } from "../../../rig/shard.ts";
import { until, untilEqual } from "../../../rig/until.ts";

const TTL_MS = 900;
const HEARTBEAT_MS = 100;
/** For a recorder that sends nothing of its own accord while a test looks: no heartbeat, no deadline. */
const SILENT = { ttl: 300_000, heartbeat: 100_000 };

let server: RedisServer;
let redis: Redis;
let proxy: Proxy;
let prefix: string;
let prefixes = 0;
const opened: { recorder: Recorder; connection: Connection }[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  redis.on("error", () => {});
  proxy = await startProxy(server);
});
afterAll(async () => {
  redis.disconnect();
  await proxy.close();
  await server.stop();
});
beforeEach(() => {
  prefix = `r${prefixes++}`;
});
afterEach(async () => {
  proxy.swallow = false;
  proxy.refuse = false;
  for (const { recorder, connection } of opened.splice(0)) {
    await recorder.close(1_000);
    connection.close();
  }
});

interface TestRecorder {
  recorder: Recorder;
  errors: string[];
  codes: string[];
  lines: string[];
}

/** `timeout`: of the connection, ms. Short only where replies are lost for good: a busy machine is late as well. */
async function start(
  options: RecorderOptions & {
    url?: string;
    timeout?: number;
    connections?: () => number;
  } = {},
): Promise<TestRecorder> {
  const errors: string[] = [];
  const codes: string[] = [];
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const { url = server.url, timeout = 5_000, connections = () => 0, ...rest } = options;
  const connection = connect(url, { timeout, name: "test" });
  const recorder = new Recorder({
    connection,
    options: resolveRecorderOptions({
      prefix,
      ttl: TTL_MS,
      heartbeat: HEARTBEAT_MS,
      logger: { info: say, warn: say, error: say },
      ...rest,
    }),
    connections,
    onError(error) {
      errors.push(error.message);
      codes.push(error.code);
    },
  });
  opened.push({ recorder, connection });
  await recorder.ready();
  return { recorder, errors, codes, lines };
}

const keys = () => keysOf(prefix, 0, 1);
const sorted = (counts: Record<string, string>) =>
  Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
/** Sockets of each user; 0: in grace. */
const counted = (found: Record<string, string>) =>
  sorted(
    Object.fromEntries(
      Object.entries(found).map(([user, slots]) => [
        user,
        String([...slotsOf(slots).values()].reduce((sum, n) => sum + n, 0)),
      ]),
    ),
  );
const users = async () => counted(await redis.hgetall(keys().users));
const told = async () =>
  (await redis.xrange(keys().changes, "-", "+")).flatMap(([id, fields]) =>
    decodeChanges(id, fields).map(({ type, user }) => `${type} ${user}`),
  );

it("a connect is visible in users after one round trip on an idle system", async () => {
  const { recorder } = await start({ url: proxy.url, ...SILENT });
  await untilEqual(async () => redis.exists(keys().totals), 1);
  // Nothing more comes back from the server: what is visible then took one request.
  proxy.swallow = true;
  recorder.connect("alice");
  await untilEqual(users, { alice: "1" });
  expect(await redis.xlen(keys().records)).toBe(0);
  proxy.swallow = false;
  proxy.cut();
});

it("an error thrown by our own code is INTERNAL, not REDIS_UNAVAILABLE, and the recorder continues", async () => {
  let broken = false;
  const { recorder, codes } = await start({
    connections() {
      if (broken) throw new TypeError("a bug");
      return 0;
    },
  });
  broken = true;
  recorder.connect("alice");
  await untilEqual(() => Promise.resolve(codes), ["INTERNAL"]);
  broken = false;
  await untilEqual(users, { alice: "1" });
});

it("INV-2: a record whose outcome is unknown is sent again unchanged", async () => {
  // No heartbeat may be on its way when replies begin to get lost: the record would wait for its reply, and once that is
  // given up, for a connection whose every reply is lost.
  const { recorder } = await start({ url: proxy.url, project: false, timeout: 500, ...SILENT });
  const withAlice = async () =>
    (await redis.xrange(keys().records, "-", "+"))
      .map(([, fields]) => fields)
      .filter((fields) => fields.includes('["alice"]'));
  const { swallowed } = proxy;
  proxy.swallow = true;
  recorder.connect("alice");
  await until("it was appended", async () => (await withAlice()).length > 0);
  await until("its reply is lost", () => proxy.swallowed > swallowed);
  proxy.swallow = false;
  await until("it was appended again", async () => (await withAlice()).length > 1);
  const [first, again] = await withAlice();
  expect(again).toEqual(first);
});

it("INV-6: an idle process keeps its lease as long as it lives", async () => {
  const { recorder } = await start();
  recorder.connect("alice");
  await untilEqual(users, { alice: "1" });
  const began = Date.now();
  await until("three leases later", async () => {
    expect(await users()).toEqual({ alice: "1" });
    return Date.now() - began > 3 * TTL_MS;
  });
  expect(await told()).toEqual(["online alice"]);
  expect(await redis.hget(keys().totals, "reaped")).toBe("0");
});

describe("INV-3: the counts become equal to the open sockets", () => {
  async function heals(harm: () => Promise<unknown>, options: RecorderOptions = {}): Promise<TestRecorder[]> {
    // Leases longer than both may be held up: who is reaped as well goes offline and comes back.
    const both = [await start({ ttl: 30_000, ...options }), await start({ ttl: 30_000, ...options })];
    for (let i = 0; i < 250; i++) both[0]!.recorder.connect(`u${i}`);
    both[1]!.recorder.connect("u1");
    both[1]!.recorder.connect("other");
    await untilEqual(() => redis.hlen(keys().users), 251);
    await harm();
    both[0]!.recorder.disconnect("u0", "leave");
    both[0]!.recorder.connect("late");
    const expected: Record<string, string> = { other: "1", late: "1" };
    for (let i = 1; i < 250; i++) expected[`u${i}`] = i === 1 ? "2" : "1";
    await until("healed", async () => JSON.stringify(await users()) === JSON.stringify(sorted(expected)));
    // And it stays so, with one registration of each.
    await untilEqual(async () => redis.zcard(keys().processes), 2);
    expect(await redis.hget(keys().totals, "sockets")).toBe("252");
    return both;
  }

  it("after FLUSHALL", async () => {
    await heals(() => redis.flushdb());
  });

  it("after the log was deleted with records in it", async () => {
    await heals(() => redis.del(keys().records));
  });

  // Only a call finds it: where little happens, the next one comes at the end of a lease.
  const soon = { ttl: 2_000 };

  it("after the state of a process was deleted", async () => {
    await heals(async () => {
      const [id] = await redis.hkeys(keys().states);
      await redis.hdel(keys().states, id!);
    }, soon);
  });

  it.each<KeyName>([
    "users",
    "totals",
    "processes",
    "states",
    "about",
    "leaving",
    "changes",
    "ended",
    "clock",
  ])("after the key `%s` was evicted", async (name) => {
    await heals(() => redis.del(keys()[name]), soon);
  });

  it("after the keys of all processes were evicted at once, which leaves nothing that differs but their number", async () => {
    await heals(() => redis.del(keys().processes, keys().states, keys().ended), soon);
  });

  it("after both were fenced", async () => {
    await heals(async () => {
      for (const [id, state] of Object.entries(await redis.hgetall(keys().states)))
        await redis.hset(keys().states, id, state.replace("live", "fenced"));
    });
    expect((await told()).filter((line) => line.startsWith("offline"))).toEqual(["offline u0"]);
  });

  it.each([
    ["with the record that it folds", {}],
    ["with the fold of what it has gathered", { linger: 50 }],
  ])("a process that was fenced learns it %s, long before it would look", async (_, options) => {
    const { recorder } = await start({ ttl: 600_000, heartbeat: 200_000, ...options });
    recorder.connect("alice");
    await untilEqual(users, { alice: "1" });
    const [id] = await redis.hkeys(keys().states);
    // Out of order: a record of it is lost, or somebody else's carries its name.
    await redis.xadd(keys().records, "*", "process", id!, "seq", 1_000_000, "ttl", 600_000, "sockets", 0);
    recorder.connect("bob");
    await untilEqual(users, { alice: "1", bob: "1" });
    expect(await redis.hget(keys().totals, "fenced")).toBe("1");
  });

  it("after the scripts were flushed and the consumer group destroyed", async () => {
    await heals(async () => {
      await redis.script("FLUSH");
      await redis.xgroup("DESTROY", keys().records, "projector");
    });
  });

  it("after Redis was restarted without its data, on the same port", async (context) => {
    ownOnly("it stops it")(context);
    const own = await startRedis();
    const { recorder, errors } = await start({ url: own.url });
    recorder.connect("alice");
    const before = new Redis(own.url);
    await untilEqual(async () => counted(await before.hgetall(keys().users)), { alice: "1" });
    before.disconnect();
    await own.stop();
    await until("the loss is noticed", () => errors.length > 0);
    recorder.connect("bob");
    const again = await startRedis({ port: own.port });
    const after = new Redis(again.url);
    await untilEqual(async () => counted(await after.hgetall(keys().users)), { alice: "1", bob: "1" });
    after.disconnect();
    await recorder.close(1_000);
    await again.stop();
  });
});

describe("with a broken network", () => {
  it("INV-2, INV-3: lost replies and cut connections lose nothing and count nothing twice", async () => {
    const { recorder } = await start({ url: proxy.url });
    const expected: Record<string, string> = {};
    for (let i = 0; i < 30; i++) {
      const lost = proxy.swallowed;
      if (i % 3 === 0) {
        await untilEqual(users, sorted(expected));
        proxy.swallow = true;
      }
      recorder.connect(`u${i}`);
      expected[`u${i}`] = "1";
      // A request is carried out and its reply lost: this one's, or that of a heartbeat which was on its way, and then this one
      // has not been sent. Then the line is cut.
      if (i % 3 === 0) {
        await until("a reply is lost", () => proxy.swallowed > lost);
        proxy.cut();
        proxy.swallow = false;
      }
    }
    await untilEqual(users, sorted(expected));
    expect((await told()).length).toBe(30);
    expect(await redis.hget(keys().totals, "fenced")).toBe("0");
  });

  it("INV-9: while Redis is unreachable memory is bounded by the open sockets, and there is one error, not one per retry", async () => {
    const { recorder, errors, lines } = await start({ url: proxy.url });
    for (let i = 0; i < 100; i++) recorder.connect(`stays${i}`);
    await until("counted", async () => (await redis.hlen(keys().users)) === 100);
    proxy.refuse = true;
    proxy.cut();
    for (let round = 0; round < 400; round++) {
      for (let i = 0; i < 50; i++) recorder.connect(`r${round}-${i}`);
      for (let i = 0; i < 50; i++) recorder.disconnect(`r${round}-${i}`, "disconnect");
    }
    for (let i = 0; i < 50; i++) recorder.disconnect(`stays${i}`, "leave");
    const told = () => lines.filter((line) => line.includes("REDIS_UNAVAILABLE")).length;
    await until("it is told", () => told() > 0);
    // Open sockets, plus at most one change for each socket known before, plus the latest who came and went meanwhile.
    expect(recorder.size).toBeLessThanOrEqual(50 + 100 + GONE_MAX);
    const began = Date.now();
    await until("longer than the lease", () => Date.now() - began > TTL_MS + 500);
    expect(told()).toBe(1);
    expect(errors.length).toBe(1);
    proxy.refuse = false;
    await untilEqual(async () => Object.keys(await users()).length, 50);
    expect(errors.length).toBe(1);
    expect(told()).toBe(1);
    // The fold is seen in Redis before its reply is here.
    await until("told that it works again", () => lines.some((line) => /again/.test(line)));
  });
});

it("a sweep folds the records of processes that do not project", async () => {
  const { recorder } = await start({ project: false });
  recorder.connect("alice");
  await until("appended", async () => (await redis.xlen(keys().records)) >= 2);
  expect(await users()).toEqual({});
});

it("a disconnect without a connect before it is INTERNAL and does not throw, and the open sockets are sent again", async () => {
  const { recorder, errors } = await start();
  recorder.connect("alice");
  const [before] = recorder.processes;
  expect(() => recorder.disconnect("bob", "leave")).not.toThrow();
  expect(errors).toEqual([expect.stringContaining("a bug in Rollcall")]);
  expect(recorder.processes).not.toContain(before);
  await untilEqual(users, { alice: "1" });
  await until(
    "the old one has ended",
    async () => (await redis.hget(keys().states, before!))?.startsWith("ended") === true,
  );
  await untilEqual(users, { alice: "1" });
});

describe("where others project", () => {
  /** Folds whatever is in the log, as a projector elsewhere does. */
  const projector = () => projectorOver(ioredisPort(redis), { prefix });

  it("a process that Redis lost notices, although none of its records is folded when it checks", async () => {
    const { recorder } = await start({ project: false });
    recorder.connect("alice");
    const elsewhere = projector();
    const folds = async () => {
      await elsewhere.step();
      return users();
    };
    await untilEqual(folds, { alice: "1" });
    const [before] = recorder.processes;
    await redis.flushdb();
    await untilEqual(folds, { alice: "1" });
    expect(recorder.processes).not.toContain(before);
  });

  it("a server that is evicted by hand, but is there, registers again with whom it has", async () => {
    const { recorder } = await start({ project: false });
    recorder.connect("alice");
    const elsewhere = projector();
    const folds = async () => {
      await elsewhere.step();
      return users();
    };
    await untilEqual(folds, { alice: "1" });
    const [before] = recorder.processes;
    expect(await elsewhere.evict(before!)).toBe(true);
    expect(await users()).toEqual({});
    await untilEqual(folds, { alice: "1" });
    expect(recorder.processes).not.toContain(before);
  });

  it("another number of shards is reported before anything is written", async () => {
    await start({ shards: 2 });
    await untilEqual(() => redis.hget(keysOf(prefix, 0, 2).totals, "shards"), "2");
    const known = new Set([0, 1].flatMap((shard) => keysOf(prefix, shard, 2).list));
    for (const shards of [1, 3]) {
      await expect(start({ shards, project: false })).rejects.toMatchObject({ code: "SHARDS_MISMATCH" });
      const others = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards).records);
      const fresh = others.filter((key) => !known.has(key));
      expect(fresh.length === 0 ? 0 : await redis.exists(...fresh)).toBe(0);
    }
  });

  it("another number of shards that appears later is reported with the next heartbeat", async () => {
    const { errors } = await start({ project: false, shards: 2 });
    await redis.hset(keysOf(prefix, 1, 2).totals, "shards", "3");
    await until("told", () => errors.length > 0);
    expect(errors).toEqual([expect.stringContaining("opened with 3 shard(s), not 2")]);
  });
});

it("sockets without a user are counted in shard 0", async () => {
  const { recorder } = await start({ shards: 4 });
  recorder.connect("");
  recorder.connect("");
  await untilEqual(() => redis.hget(keysOf(prefix, 0, 4).totals, "sockets"), "2");
  recorder.disconnect("", "leave");
  await untilEqual(() => redis.hget(keysOf(prefix, 0, 4).totals, "sockets"), "1");
});

it("a goodbye states every departure, in as many records as it takes", async () => {
  const { recorder } = await start();
  for (let i = 0; i < 2_500; i++) recorder.connect(`u${i}`);
  await untilEqual(() => redis.hlen(keys().users), 2_500);
  const [id] = recorder.processes;
  expect(await recorder.close(5_000)).toBe(true);
  await untilEqual(() => redis.hlen(keys().users), 0);
  expect(await redis.hget(keys().states, id!)).toMatch(/^ended \d+ 0 0 0 \d+ 0 bye /);
  const offline = await redis.xrevrange(keys().changes, "+", "-", "COUNT", "1");
  expect(offline[0]![1][0]).toBe("bye");
});
