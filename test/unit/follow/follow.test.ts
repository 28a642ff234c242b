/**
 * Goal: emitted changes add up to `users`, whatever was lost on the way (INV-13).
 * Method: a follower on a real Redis; records go through the real script, and the test breaks the connection or the keys.
 */
import { describe, expect, it } from "vitest";
import { startProxy } from "../../../rig/proxy.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { newPrefix, useFollowers } from "./support.ts";

const test = useFollowers();

const tails = async () =>
  ((await test.redis.client("LIST")) as string).split("\n").filter((line) => line.includes("rollcall-tail"));

describe.each([1, 4])("over %i shard(s)", (shards) => {
  it("emits who comes and goes from then on, and nothing for users already present", async () => {
    const prefix = newPrefix();
    const process = test.writer(prefix, shards).process();
    await process.do("+alice", "+ben", "+carol", "+dan");
    const { following, told } = await test.started({ prefix, shards });
    expect(following.mirror.size).toBe(4);
    await process.do("+eve", "~ben");
    await process.do("+ben");
    await untilEqual(() => [...told].sort(), ["+ben connect", "+eve connect", "-ben leave"]);
    expect(told.indexOf("-ben leave")).toBeLessThan(told.indexOf("+ben connect"));
    expect(["alice", "ben", "eve", "frank"].map((user) => following.mirror.has(user))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(following.mirror.size).toBe(5);
  });

  it("FLUSHALL while ben leaves: his offline is emitted once, and nothing for users who stayed", async () => {
    const prefix = newPrefix();
    const writer = test.writer(prefix, shards);
    const [one, two] = [writer.process(), writer.process()];
    await one.do("+alice", "+ben");
    await two.do("+carol", "+dan");
    const { told, following } = await test.started({ prefix, shards });
    await test.redis.flushdb();
    one.forget("ben");
    await one.register();
    await two.register();
    await untilEqual(() => told, ["-ben resync"]);
    await two.do("~dan", "+eve");
    await untilEqual(() => [...told].sort(), ["+eve connect", "-ben resync", "-dan leave"]);
    expect(following.mirror.size).toBe(3);
  });

  it("a stream trimmed past a follower that was cut off: exactly the difference is emitted", async () => {
    const prefix = newPrefix();
    const proxy = await startProxy(test.server);
    const process = test.writer(prefix, shards).process();
    // So many that each shard has some.
    await process.do("+alice", "+ben", "+carol", ...Array.from({ length: 40 }, (_, i) => `+user-${i}`));
    const heard = await test.started({ prefix, shards, redis: proxy.url });
    proxy.refuse = true;
    proxy.cut();
    await process.do("~ben", "+dan");
    await process.do("~carol", "+eve");
    await process.do("+carol");
    for (let shard = 0; shard < shards; shard++)
      await test.redis.xtrim(keysOf(prefix, shard, shards).changes, "MAXLEN", 0);
    proxy.refuse = false;
    await untilEqual(() => [...heard.told].sort(), ["+dan resync", "+eve resync", "-ben resync"]);
    expect(heard.gaps).toEqual([]);
    // Told once for each reason: a connection that is cut, then one that is refused.
    expect([...new Set(heard.states)]).toEqual(["REDIS_UNAVAILABLE", "works"]);
    expect(heard.states.filter((state) => state === "works")).toHaveLength(1);
    await heard.following.close();
    await proxy.close();
  });
});

it("a follower that was cut off receives what it missed, with the causes, when nothing was trimmed", async () => {
  const prefix = newPrefix();
  const process = test.writer(prefix).process();
  await process.do("+alice", "+ben");
  const { told, states } = await test.started({ prefix });
  const [id] = /(?<=^id=)\d+/.exec((await tails())[0]!)!;
  await test.redis.client("KILL", "ID", Number(id));
  await process.do("~ben", "+carol");
  await untilEqual(() => [...told].sort(), ["+carol connect", "-ben leave"]);
  expect([...new Set(states)]).toEqual(["REDIS_UNAVAILABLE", "works"]);
});

it("a failover to an older state: lost users are emitted again, and users who stayed are not", async () => {
  const prefix = newPrefix();
  const proxy = await startProxy(test.server);
  const writer = test.writer(prefix);
  const process = writer.process();
  await process.do("+alice", "+ben");
  const keys = keysOf(prefix, 0, 1).list;
  const older = await Promise.all(keys.map((key) => test.redis.dumpBuffer(key)));
  const { told, following } = await test.started({ prefix, redis: proxy.url });
  await process.do("+dan");
  await process.do("~ben");
  await untilEqual(() => told, ["+dan connect", "-ben leave"]);
  proxy.refuse = true;
  proxy.cut();
  await test.redis.del(...keys);
  for (const [i, key] of keys.entries()) if (older[i] !== null) await test.redis.restore(key, 0, older[i]!);
  // What a recorder does that finds its seq not reached.
  await process.register();
  proxy.refuse = false;
  // Ben was reported offline, and is; dan, who was lost and is back, never left.
  await process.do("+eve");
  await until("eve is told", () => told.includes("+eve connect") || told.includes("+eve resync"));
  expect(told.filter((one) => !one.includes("eve"))).toEqual(["+dan connect", "-ben leave"]);
  await untilEqual(
    () => ["alice", "ben", "dan", "eve"].filter((user) => following.mirror.has(user)),
    await writer.users(),
  );
  await following.close();
  await proxy.close();
});

it("a stream recreated while the clock was behind is followed", async () => {
  const prefix = newPrefix();
  const { changes, totals, users } = keysOf(prefix, 0, 1);
  await test.redis.xadd(changes, "99999999999999-1", "connect", '["alice"]');
  await test.redis.hset(totals, "change", "99999999999999-1", "users", 1);
  await test.redis.hset(users, "alice", "1");
  const { told } = await test.started({ prefix });
  await test.redis.flushdb();
  await test.writer(prefix).process().do("+ben");
  await untilEqual(() => [...told].sort(), ["+ben resync", "-alice resync"]);
});

it("after a rebuild nothing is emitted for users who are registered again, and an offline for those who are not", async () => {
  const prefix = newPrefix();
  const writer = test.writer(prefix);
  const [one, two] = [writer.process(), writer.process()];
  await one.do("+alice", "+ben");
  await two.do("+carol");
  const { told, logged } = await test.started({ prefix });
  const { users, totals, changes } = keysOf(prefix, 0, 1);
  await test.redis.del(users);
  // As after a second: parts are compared with each other then.
  await test.redis.hdel(totals, "checked");
  await one.quietly("~ben");
  await writer.fold();
  await until("it was made again", async () =>
    (await test.redis.xrange(changes, "-", "+")).some(([, [name]]) => name === "rebuilt"),
  );
  await one.register();
  await untilEqual(() => [...told].sort(), ["-ben resync", "-carol resync"]);
  expect(logged.some((line) => line.includes("rebuilt") || line.includes("lost"))).toBe(true);
  await two.register();
  await untilEqual(() => told.at(-1), "+carol connect");
});

it("waits for the longest lease seen before it emits an offline", async () => {
  const prefix = newPrefix();
  const writer = test.writer(prefix);
  await writer.process(1_500).do("+alice");
  const { told } = await test.started({ prefix, ttl: 100 });
  const began = performance.now();
  await test.redis.flushdb();
  const other = writer.process(500);
  await other.do("+ben");
  await untilEqual(() => told, ["+ben connect", "-alice resync"]);
  expect(performance.now() - began).toBeGreaterThan(1_500);
});

it("an online of a user who is online is not emitted, nor an offline of one who is not", async () => {
  const prefix = newPrefix();
  const { changes, totals } = keysOf(prefix, 0, 1);
  const { told } = await test.started({ prefix });
  await test.redis.xadd(changes, "*", "connect", '["alice"]');
  await test.redis.xadd(changes, "*", "connect", '["alice"]', "leave", '["ben"]');
  await test.redis.hset(totals, "change", (await test.redis.xadd(changes, "*", "leave", '["alice"]'))!);
  await untilEqual(() => told, ["+alice connect", "-alice leave"]);
});

it("a difference without a gap is found by the level check, and emitted and logged once", async () => {
  const prefix = newPrefix();
  const process = test.writer(prefix).process();
  await process.do("+alice");
  const time = { now: 0 };
  const { told, logged } = await test.started({
    prefix,
    runtime: {
      now: () => time.now,
      random: Math.random,
      after(ms, then) {
        const timer = setTimeout(then, Math.min(ms, 50));
        return () => clearTimeout(timer);
      },
    },
  });
  const { users, totals } = keysOf(prefix, 0, 1);
  await test.redis.hset(users, "ghost", "1");
  await test.redis.hincrby(totals, "users", 1);
  let looks = 0;
  await until("the difference is told", async () => {
    time.now += 5_000;
    // Ends the blocked XREAD with an entry without users; `change` is that entry.
    const id = (await test.redis.xadd(keysOf(prefix, 0, 1).changes, "*", "later", "[]"))!;
    await test.redis.hset(totals, "change", id);
    return looks++ > 3 && told.length > 0;
  });
  expect(told).toEqual(["+ghost resync"]);
  expect(logged.filter((line) => line.includes("although no change was missing"))).toHaveLength(1);
});

describe("mirrorMax", () => {
  it("above it the mirror is dropped with a gap, and changes are passed through", async () => {
    const prefix = newPrefix();
    const process = test.writer(prefix).process();
    await process.do("+alice", "+ben");
    const { told, gaps, following } = await test.started({ prefix, max: 3 });
    await following.mirror.ready;
    await process.do("+carol");
    await process.do("+dan");
    await process.do("~alice");
    await untilEqual(() => told, ["+carol connect", "+dan connect", "-alice leave"]);
    expect(gaps).toEqual([{ reason: "full" }]);
    expect(() => following.mirror.has("ben")).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
    expect(() => following.mirror.size).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
    await test.redis.flushdb();
    await process.register();
    await untilEqual(() => gaps, [{ reason: "full" }, { reason: "lost" }]);
  });

  it("with more users at the start, ready resolves and the mirror's rejects", async () => {
    const prefix = newPrefix();
    const process = test.writer(prefix).process();
    await process.do("+alice", "+ben", "+carol");
    const { told, gaps, following } = await test.started({ prefix, max: 2 });
    await expect(following.mirror.ready).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    await process.do("~ben");
    await untilEqual(() => told, ["-ben leave"]);
    expect(gaps).toEqual([{ reason: "full" }]);
  });
});

it("100,000 users are compared page by page, and other work runs in between", async () => {
  const prefix = newPrefix();
  const { users, totals, changes } = keysOf(prefix, 0, 1);
  const fill = async (from: number, to: number) => {
    for (let i = from; i < to; i += 1_000)
      await test.redis.hset(users, ...Array.from({ length: 1_000 }, (_, k) => [`user-${i + k}`, "1"]).flat());
    const id = (await test.redis.xadd(changes, "*", "later", "[]"))!;
    await test.redis.hset(totals, "change", id, "users", to);
  };
  await fill(0, 100_000);
  const { told, following } = await test.started({ prefix });
  expect(following.mirror.size).toBe(100_000);
  await test.redis.unlink(users, changes);
  let turns = 0;
  const turn = setInterval(() => turns++);
  await fill(50_000, 150_000);
  await until("all is told", () => told.length >= 100_000);
  clearInterval(turn);
  expect(told.filter((one) => one.startsWith("+"))).toHaveLength(50_000);
  expect(told.filter((one) => one.startsWith("-"))).toHaveLength(50_000);
  expect(following.mirror.size).toBe(100_000);
  expect(following.mirror.has("user-0")).toBe(false);
  expect(following.mirror.has("user-149999")).toBe(true);
  expect(turns).toBeGreaterThan(100);
});

it("close ends following and its connection", async () => {
  const prefix = newPrefix();
  const process = test.writer(prefix).process();
  const { told, following } = await test.started({ prefix });
  expect(await tails()).toHaveLength(1);
  await following.close();
  await untilEqual(async () => (await tails()).length, 0);
  await process.do("+alice");
  const later = await test.started({ prefix });
  await process.do("+ben");
  await untilEqual(() => later.told, ["+ben connect"]);
  expect(told).toEqual([]);
  await expect(following.mirror.ready).resolves.toBeUndefined();
  expect(() => following.mirror.has("alice")).toThrow(expect.objectContaining({ code: "CLOSED" }));
});

it("each user is followed in the shard it belongs to", () => {
  expect(
    new Set(["alice", "ben", "carol", "dan", "eve"].map((user) => shardOf(user, 4))).size,
  ).toBeGreaterThan(1);
});
