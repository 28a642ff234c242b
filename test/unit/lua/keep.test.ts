/**
 * Goal: what names users is gone when it is as old as `keep` says, also where nothing happens any more, and no reader loses anything else
 * or goes on without noticing (INV-11, INV-13).
 * Method: the real script. Entries get the time of this Redis, so the test's clock is ahead of it by as much as time is to pass.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { Random } from "../../../rig/random.ts";
import { operations, TestShard } from "../../../rig/shard.ts";
import { until } from "../../../rig/until.ts";
import { encodeChangesCursor, markOf } from "../../../src/core/cursor.ts";
import type { Keep } from "../../../src/core/keep.ts";
import { CHECK_IDLE_MS, FORGET_MS, TOMBSTONE_MS } from "../../../src/core/limits.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { follow } from "../../../src/follow/mirror.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

const DAY_MS = 86_400_000;
const SEED = Number(process.env["KEEP_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

let server: RedisServer;
const open: TestShard[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await Promise.all(open.map((shard) => shard.close()));
  await server.stop();
});

function newShard(keep?: Keep): TestShard {
  const shard = new TestShard(server.url, { keep });
  shard.now = Date.now();
  open.push(shard);
  return shard;
}

const about = { host: "host-mark", pid: 1, version: "0", grace: 0 };

/** alice comes and goes with her process; then nobody is left. */
async function aliceWasHere(shard: TestShard): Promise<void> {
  await shard.append("process", "p", "seq", "1", "ttl", "1", "connect", '["alice"', "sockets", "1");
  await shard.record({ process: "p", seq: 1, about, operations: operations("+alice"), sockets: 1 });
  await shard.drain();
  await shard.record({ process: "p", seq: 2, operations: operations("~alice"), sockets: 0, bye: true });
  await shard.drain();
}

const idsOf = async (shard: TestShard, key: string) =>
  (await shard.redis.xrange(key, "-", "+")).map(([id]) => id);

/** Everything in Redis under the prefix, as one text. */
async function everything(shard: TestShard): Promise<string> {
  const { redis, keys } = shard;
  return JSON.stringify([
    await redis.xrange(keys.records, "-", "+"),
    await redis.hgetall(keys.users),
    await redis.hgetall(keys.totals),
    await redis.zrange(keys.processes, "0", "-1"),
    await redis.hgetall(keys.states),
    await redis.hgetall(keys.about),
    await redis.zrange(keys.leaving, "0", "-1"),
    await redis.xrange(keys.changes, "-", "+"),
    await redis.xrange(keys.rejected, "-", "+"),
    await redis.zrange(keys.ended, "0", "-1"),
  ]);
}

it("where nothing happens any more, whoever calls when `due` says has nothing left of users, hosts and processes", async () => {
  const shard = newShard({ changes: "2h", rejected: "90m" });
  await aliceWasHere(shard);
  // Who held the turn last, which is a process.
  await shard.redis.hset(shard.keys.totals, "turn", "host-mark-1.abc");
  expect(await everything(shard)).toMatch(/host-mark.*alice/s);
  expect(await shard.rejected()).toHaveLength(1);
  const began = shard.now;
  let { due } = await shard.step();
  const dues: number[] = [];
  while (due !== null) {
    expect(due).toBeGreaterThan(shard.now);
    shard.now = due;
    dues.push(due - began);
    ({ due } = (await shard.drain()).at(-1)!);
    expect(dues.length).toBeLessThan(10);
  }
  expect(await everything(shard)).not.toMatch(/alice|host-mark|"p"/);
  // The tombstone after its hour, the rejected entry and the changes when they are as old as they may be.
  expect(dues[0]).toBe(TOMBSTONE_MS);
  expect(dues.at(-1)).toBeLessThanOrEqual(2 * 3_600_000 + 3 * CHECK_IDLE_MS);
});

it("the same for somebody who comes and goes long after all others were forgotten", async () => {
  const shard = newShard({ changes: "2h" });
  await aliceWasHere(shard);
  const untilNothingIsDue = async () => {
    for (let { due } = await shard.step(); due !== null; { due } = (await shard.drain()).at(-1)!)
      shard.now = due;
  };
  await untilNothingIsDue();
  // What is left is one without users, and it is not a day old yet when bob comes.
  const { blank } = await shard.totals();
  expect(await idsOf(shard, shard.keys.changes)).toEqual([blank]);
  await shard.redis.call("XSETID", shard.keys.changes, `${shard.now}-0`);
  await shard.record({ process: "q", seq: 1, about, operations: operations("+bob"), sockets: 1 });
  await shard.drain();
  await shard.record({ process: "q", seq: 2, operations: operations("~bob"), sockets: 0, bye: true });
  await shard.drain();
  expect(await everything(shard)).toContain("bob");
  await untilNothingIsDue();
  expect(await everything(shard)).not.toMatch(/bob|host-mark/);
});

it("a sweep that only looks comes back for it", async () => {
  const shard = newShard({ changes: "2h" });
  await aliceWasHere(shard);
  const { due } = await shard.projector.sweep();
  expect(due).not.toBeNull();
  shard.now = due! - 1;
  expect(await shard.projector.sweep()).toMatchObject({ calls: 0, due });
  shard.now = due!;
  expect(await shard.projector.sweep()).toMatchObject({ calls: 1 });
});

it("an answer is not stale because something is to be forgotten", async () => {
  const shard = newShard();
  await aliceWasHere(shard);
  expect((await shard.totals())["due"]).toBe("-1");
});

it("INV-11: the first change after a long quiet time is no gap for who has read all before it", async () => {
  const shard = newShard({ changes: "1h" });
  await shard.record({ process: "p", seq: 1, about, ttl: 3_600_000, sockets: 0 });
  await shard.drain();
  // As retention left it long ago.
  const old = `${shard.now - 3 * 3_600_000}-0`;
  await shard.redis.xadd(shard.keys.changes, old, "trimmed", "");
  await shard.redis.hset(shard.keys.totals, {
    change: old,
    blank: old,
    trimmed: `${shard.now} 3600000 3600000 ${old}`,
  });
  const reader = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix });
  const { next } = await reader.changes();
  shard.now += FORGET_MS;
  await shard.record({ process: "p", seq: 2, ttl: 3_600_000, operations: operations("+alice"), sockets: 1 });
  await shard.step({ check: true });
  expect(await reader.changes({ after: next })).toMatchObject({ gap: false, changes: [{ user: "alice" }] });
  // A minute later it is.
  shard.now += FORGET_MS;
  await shard.step({ check: true });
  expect(await idsOf(shard, shard.keys.changes)).not.toContain(old);
});

it("while a process is there, heartbeats bring it about", async () => {
  const shard = newShard({ changes: "2h" });
  await shard.record({
    process: "p",
    seq: 1,
    ttl: 3_600_000,
    about,
    operations: operations("+alice"),
    sockets: 1,
  });
  await shard.drain();
  await shard.record({ process: "p", seq: 2, operations: operations("~alice"), sockets: 0, ttl: 3_600_000 });
  await shard.drain();
  for (let seq = 3; seq < 13; seq++) {
    shard.now += 1_200_000;
    await shard.record({ process: "p", seq, sockets: 0, ttl: 3_600_000 });
    await shard.drain();
  }
  expect(await shard.process("p")).toMatchObject({ state: "live" });
  expect(await everything(shard)).not.toContain("alice");
});

it("the strictest of several callers decides, however much more often the others call", async () => {
  const shard = newShard({ changes: "3650d", rejected: "1h" });
  await aliceWasHere(shard);
  const port = ioredisPort(shard.redis);
  const options = { prefix: shard.prefix, keep: { changes: "1h" } } as const;
  const strict = projectorOver(port, options, { now: () => shard.now });
  for (let i = 0; i < 3; i++) {
    shard.now += 3_700_000;
    await shard.drain();
    await shard.step({ check: true });
    expect(await everything(shard)).toContain("alice");
  }
  await strict.step(0, { check: true });
  shard.now += FORGET_MS;
  await shard.step({ check: true });
  await strict.step(0, { check: true });
  expect(await everything(shard)).not.toContain("alice");
});

it("looks for old entries once a minute at most", async () => {
  const shard = newShard();
  await shard.step({ check: true });
  const { trimmed } = await shard.totals();
  shard.now += FORGET_MS - 1;
  await shard.step({ check: true });
  expect((await shard.totals())["trimmed"]).toBe(trimmed);
  shard.now += 1;
  await shard.step({ check: true });
  expect((await shard.totals())["trimmed"]).not.toBe(trimmed);
});

it("a clock that goes back far does not put it off", async () => {
  const shard = newShard();
  shard.now += DAY_MS;
  await shard.step({ check: true });
  shard.now -= DAY_MS;
  await shard.step({ check: true });
  expect((await shard.totals())["trimmed"]).toMatch(new RegExp(`^${shard.now} `));
});

describe(`INV-11: random histories (KEEP_SEED=${SEED} npx vitest run test/unit/lua/keep.test.ts)`, () => {
  const random = new Random(String(SEED));
  const pick = (most: number) => Math.floor(random.next() * (most + 1));

  it("exactly what is older goes, but for the last entry; a cursor is a gap if and only if its entry went", async () => {
    for (let run = 0; run < 25; run++) {
      // In a third of the runs even the last entry is too old, nearly always.
      const keepMs = 60_000 + (pick(2) === 0 ? 0 : pick(10 * DAY_MS));
      const shard = newShard({ changes: keepMs, rejected: 60_000 + pick(DAY_MS) });
      const reader = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix });
      // Nodes of a stream have at most 100 entries or 4 kB, so both kinds of trimming are met.
      const count = pick(400);
      let at = shard.now - pick(20 * DAY_MS);
      const adding = shard.redis.pipeline();
      for (let i = 0; i < count; i++) {
        at += pick(Math.floor((shard.now - at) / (count - i)));
        adding.xadd(
          shard.keys.changes,
          `${at}-${i + 1}`,
          "connect",
          JSON.stringify(["u".repeat(1 + pick(200))]),
        );
        adding.xadd(shard.keys.rejected, `${at}-${i + 1}`, "reason", "no record", "id", "1-1", "a", "b");
      }
      await adding.exec();
      const isBusy = pick(1) === 1;
      if (isBusy) {
        await shard.record({
          process: "p",
          seq: 1,
          ttl: 3_600_000,
          about,
          operations: operations("+alice"),
          sockets: 1,
        });
        await shard.drain();
      } else {
        const last = (await idsOf(shard, shard.keys.changes)).at(-1);
        await shard.redis.hset(shard.keys.totals, { shards: "1", protocol: "2", change: last ?? "0-0" });
      }
      const isOld = (id: string, keep: number) => Number(id.split("-", 1)[0]) < shard.now - keep;
      shard.now += FORGET_MS;
      const before = await idsOf(shard, shard.keys.changes);
      const was = (await shard.totals())["change"];
      await shard.drain();
      await shard.step({ check: true });
      const { change, blank } = await shard.totals();
      const after = await idsOf(shard, shard.keys.changes);
      const kept = before.filter((id) => !isOld(id, keepMs) || id === was);
      // An entry without users follows the last one when that is too old.
      const follows = was !== undefined && was !== "0-0" && isOld(was, keepMs);
      expect(after).toEqual([...kept, ...(follows ? [blank] : [])]);
      if (after.length > 0) expect(change).toBe(after.at(-1));
      for (const id of before.filter((_, i) => i % 17 === 0 || i > before.length - 3)) {
        const { gap } = await reader.changes({ after: id });
        expect(gap, id).toBe(!after.includes(id));
      }
      // A minute later the last one is gone too.
      shard.now += FORGET_MS;
      await shard.step({ check: true });
      if (follows) expect(await idsOf(shard, shard.keys.changes)).toEqual([blank]);
      await shard.redis.flushall();
    }
  }, 60_000);
});

it("INV-11: a cursor from before the first change is a gap once changes were forgotten", async () => {
  const shard = newShard({ changes: "1h", rejected: "1h" });
  const reader = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix });
  await shard.step();
  const { next } = await reader.changes();
  await aliceWasHere(shard);
  expect(await reader.changes({ after: next })).toMatchObject({ gap: false });
  for (let i = 0; i < 2; i++) {
    shard.now += 3_700_000;
    await shard.drain();
    await shard.step({ check: true });
  }
  expect(await reader.changes({ after: next })).toMatchObject({ gap: true, changes: [] });
});

it("INV-11: the cursor of a snapshot is never a gap at once, even if all changes were forgotten", async () => {
  const shard = newShard({ changes: "1h", rejected: "1h" });
  const reader = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix });
  await aliceWasHere(shard);
  for (let i = 0; i < 4; i++) {
    shard.now += 1_800_000;
    await shard.drain();
    await shard.step({ check: true });
    const { next } = await reader.changes();
    expect(await reader.changes({ after: next })).toMatchObject({ gap: false, changes: [] });
  }
  expect(await everything(shard)).not.toContain("alice");
});

it("INV-13: a server that follows hears nothing of it", async () => {
  const shard = newShard({ changes: "1h", rejected: "1h" });
  const heard: string[] = [];
  const log = (line: string) => void heard.push(line);
  const following = follow({
    redis: server.url,
    prefix: shard.prefix,
    shards: 1,
    ttl: 300,
    max: 1_000,
    logger: { info: log, warn: log, error: log },
    onChange: ({ user, type }) => void heard.push(`${type} ${user}`),
    onGap: ({ reason }) => void heard.push(reason),
  });
  await following.ready;
  await aliceWasHere(shard);
  await until("both changes", () => heard.length === 2);
  shard.now += 3_700_000;
  await shard.step({ check: true });
  const { blank } = await shard.totals();
  expect((await idsOf(shard, shard.keys.changes)).length).toBeGreaterThan(1);
  // It has a second and more to read on; here it has until somebody else comes.
  await shard.record({
    process: "q",
    seq: 1,
    ttl: 3_600_000,
    about,
    operations: operations("+bob"),
    sockets: 1,
  });
  await shard.drain();
  await until("the next change", () => heard.length === 3);
  // Once what comes after it has been there for a minute.
  for (let minutes = 0; minutes < 2; minutes++) {
    expect(await idsOf(shard, shard.keys.changes)).toContain(blank);
    shard.now += FORGET_MS;
    await shard.step({ check: true });
  }
  expect(await idsOf(shard, shard.keys.changes)).not.toContain(blank);
  await shard.record({ process: "q", seq: 2, ttl: 3_600_000, operations: operations("+dan"), sockets: 2 });
  await shard.drain();
  await until("one more", () => heard.length === 4);
  expect(heard).toEqual(["online alice", "offline alice", "online bob", "online dan"]);
  await following.close();
});

it("tombstones that are due are all removed, a bounded number a call", async () => {
  const shard = newShard();
  for (let i = 0; i < 350; i++)
    await shard.record({ process: `p${i}`, seq: 1, about, sockets: 0, bye: true });
  await shard.drain();
  expect(await shard.redis.zcard(shard.keys.ended)).toBe(350);
  shard.now += TOMBSTONE_MS + 1;
  const calls = await shard.drain();
  expect(calls.length).toBeGreaterThan(2);
  expect(await shard.redis.zcard(shard.keys.ended)).toBe(0);
  expect(await shard.redis.hlen(shard.keys.about)).toBe(0);
});

describe("changes of scopes", () => {
  /** alice is in a told room, and goes; then nobody is left. */
  async function aliceWasInRoom(shard: TestShard): Promise<void> {
    const say = async (seq: string, ...rest: string[]) => {
      await shard.append("process", "r", "seq", seq, "ttl", "1000", ...rest);
      await shard.drain();
    };
    const tracks = JSON.stringify(["*/,*"]);
    await say("1", "tracks", tracks, "connect", '["alice"]', "sockets", "1", "join", '[["*/,r","alice"]]', "memberships", "1"); // prettier-ignore
    await say("2", "leave", '["alice"]', "sockets", "0", "part", '[["/,r","alice"]]', "memberships", "0", "bye", ""); // prettier-ignore
  }
  const movesOf = (shard: TestShard) => shard.redis.xrange(shard.keys.moves, "-", "+");

  it("where nothing happens any more, they go when `due` says, as those of the whole", async () => {
    const shard = newShard({ changes: "2h" });
    await aliceWasInRoom(shard);
    expect(JSON.stringify(await movesOf(shard))).toContain("alice");
    const began = shard.now;
    let calls = 0;
    for (let { due } = await shard.step(); due !== null; { due } = (await shard.drain()).at(-1)!) {
      expect(calls++).toBeLessThan(20);
      expect(due).toBeGreaterThan(shard.now);
      shard.now = due;
      if (due < began + 7_200_000 - FORGET_MS)
        expect(JSON.stringify(await movesOf(shard))).toContain("alice");
    }
    expect(shard.now - began).toBeLessThanOrEqual(7_200_000 + 3 * CHECK_IDLE_MS);
    expect((await movesOf(shard)).map(([, fields]) => fields)).toEqual([["trimmed", ""]]);
  });

  it("INV-11: the first one after a long quiet time is no gap for a reader that has read all before it", async () => {
    const shard = newShard({ changes: "1h" });
    const say = async (seq: string, ...rest: string[]) => {
      await shard.append("process", "p", "seq", seq, "ttl", "3600000", ...rest);
      await shard.step({ check: true });
    };
    await say("1", "tracks", '["*/,*"]', "connect", '["alice"]', "sockets", "1", "join", '[["*/,r","alice"]]', "memberships", "1"); // prettier-ignore
    const old = `${shard.now - 3 * 3_600_000}-0`;
    const { change } = await shard.totals();
    await shard.redis.del(shard.keys.moves);
    await shard.redis.xadd(shard.keys.moves, old, "trimmed", "");
    await shard.redis.hset(shard.keys.totals, {
      moved: old,
      moved_blank: old,
      trimmed: `${shard.now} 3600000 3600000 ${change} ${old}`,
    });
    const room = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix }).in("r");
    const { next } = await room.changes();
    shard.now += FORGET_MS;
    await say("2", "connect", '["bob"]', "sockets", "2", "join", '[["*/,r","bob"]]', "memberships", "2");
    expect(await room.changes({ after: next })).toMatchObject({ gap: false, changes: [{ user: "bob" }] });
    shard.now += FORGET_MS;
    await say("3", "sockets", "2", "memberships", "2");
    expect(await idsOf(shard, shard.keys.moves)).not.toContain(old);
    expect(await room.changes({ after: next })).toMatchObject({ gap: true, changes: [] });
  });

  it(`INV-11: exactly what is older goes, but for the last; a cursor is a gap if and only if its entry went (KEEP_SEED=${SEED})`, async () => {
    const random = new Random(`${SEED}/moves`);
    for (let run = 0; run < 8; run++) {
      const keepMs = 60_000 + random.int(0, 10 * DAY_MS);
      const shard = newShard({ changes: keepMs, rejected: 60_000 });
      const room = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix }).in("r");
      const count = random.int(1, 300);
      let at = shard.now - random.int(0, 20 * DAY_MS);
      const adding = shard.redis.pipeline();
      for (let i = 0; i < count; i++) {
        at += random.int(0, Math.floor((shard.now - at) / (count - i)));
        const who = JSON.stringify({ connect: ["u".repeat(random.int(1, 200))] });
        adding.xadd(shard.keys.moves, `${at}-${i + 1}`, random.pick(["/,r", "/,s"]), who);
      }
      await adding.exec();
      const before = await idsOf(shard, shard.keys.moves);
      const last = before.at(-1)!;
      const known = { lingering: "0", scoped: "0 0 0", moved: last, tracks: '["*/,*"]' };
      await shard.redis.hset(shard.keys.totals, { shards: "1", protocol: "2", change: "0-0", ...known });
      const isOld = (id: string) => Number(id.split("-", 1)[0]) < shard.now - keepMs;
      shard.now += FORGET_MS;
      await shard.drain();
      await shard.step({ check: true });
      const { moved, moved_blank: blank } = await shard.totals();
      const after = await idsOf(shard, shard.keys.moves);
      const kept = before.filter((id) => !isOld(id) || id === last);
      expect(after).toEqual([...kept, ...(isOld(last) ? [blank] : [])]);
      expect(moved).toBe(after.at(-1));
      for (const id of before.filter((_, i) => i % 17 === 0 || i > before.length - 3)) {
        const { gap } = await room.changes({ after: encodeChangesCursor([id], markOf("/,r")) });
        expect(gap, id).toBe(!after.includes(id));
      }
      shard.now += FORGET_MS;
      await shard.step({ check: true });
      if (isOld(last)) expect(await idsOf(shard, shard.keys.moves)).toEqual([blank]);
      await shard.redis.flushall();
    }
  }, 60_000);
});
