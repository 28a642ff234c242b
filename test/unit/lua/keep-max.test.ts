/**
 * Goal: `keep.max` bounds how many changes there are, below the default and above it, and no reader loses anything else or goes on without
 * noticing (INV-11).
 * Method: the real script on streams that were filled beforehand. Entries get the time of this Redis; the test's clock is ahead of it by as
 * much as time is to pass.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { Random } from "../../../rig/random.ts";
import { operations, TestShard } from "../../../rig/shard.ts";
import { encodeChangesCursor, markOf } from "../../../src/core/cursor.ts";
import type { Keep } from "../../../src/core/keep.ts";
import { CHANGES_KEPT, CHECK_IDLE_MS, FORGET_MS, TRIM_MAX } from "../../../src/core/limits.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

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

const about = { host: "h", pid: 1, version: "0", grace: 0 };
const hour = { process: "p", ttl: 3_600_000 } as const;
const MOVES = { lingering: "0", scoped: "0 0 0", tracks: '["*/,*"]' };

const idsOf = async (shard: TestShard, key: string) =>
  (await shard.redis.xrange(key, "-", "+")).map(([id]) => id);

/** So many entries of one change each, as if the last had been made now. */
async function fill(shard: TestShard, count: number, kind: "changes" | "moves" = "changes"): Promise<void> {
  const { keys, redis, now } = shard;
  const entry =
    kind === "changes" ? "'connect', '[\"u' .. i .. '\"]'" : "'/,r', '{\"connect\":[\"u' .. i .. '\"]}'";
  const script = `local last
for i = 1, ARGV[1] do last = redis.call('XADD', KEYS[1], ARGV[2] .. '-' .. i, ${entry}) end
redis.call('HSET', KEYS[2], 'shards', '1', 'protocol', '2', KEYS[3], last)`;
  const field = kind === "changes" ? "change" : "moved";
  await redis.eval(script, 3, keys[kind], keys.totals, field, String(count), String(now));
  if (kind === "moves") await redis.hset(keys.totals, { ...MOVES, change: "0-0" });
}

/** A minute later, everything that is to be done then. */
async function aMinuteLater(shard: TestShard): Promise<number> {
  shard.now += FORGET_MS + 1;
  await shard.step({ check: true });
  return (await shard.drain()).length;
}

describe(`INV-11: fewer than by default (KEEP_SEED=${SEED} npx vitest run test/unit/lua/keep-max.test.ts)`, () => {
  it("the oldest go, of both streams, whole nodes at a time; a cursor is a gap if and only if its entry went", async () => {
    const random = new Random(String(SEED));
    for (let run = 0; run < 8; run++) {
      const max = random.int(1_000, 2_000);
      const count = random.int(0, 5_000);
      const kind = random.pick(["changes", "moves"] as const);
      const shard = newShard({ max });
      await fill(shard, count, kind);
      const before = await idsOf(shard, shard.keys[kind]);
      await aMinuteLater(shard);
      const after = await idsOf(shard, shard.keys[kind]);
      const detail = `${kind}, ${count} of ${max}`;
      expect(after, detail).toEqual(before.slice(before.length - after.length));
      expect(after.length, detail).toBeGreaterThanOrEqual(Math.min(count, max));
      expect(after.length, detail).toBeLessThan(max + 100);
      const reader = readerOver(ioredisPort(shard.redis), { prefix: shard.prefix });
      const [view, mark] = kind === "changes" ? [reader, markOf(undefined)] : [reader.in("r"), markOf("/,r")];
      const cut = before.length - after.length;
      for (const id of [before[cut - 1], before[cut], before[0], before.at(-1)]) {
        if (id === undefined) continue;
        const { gap } = await view.changes({ after: encodeChangesCursor([id], mark) });
        expect(gap, `${detail}, ${id}`).toBe(!after.includes(id));
      }
      const { gap } = await view.changes({ after: encodeChangesCursor(["0-0"], mark) });
      expect(gap, detail).toBe(cut > 0);
      await shard.redis.flushall();
    }
  }, 60_000);

  it("a call removes a bounded part, and says that there is more", async () => {
    const shard = newShard({ max: 1_000 });
    await fill(shard, 2.5 * TRIM_MAX);
    shard.now += FORGET_MS + 1;
    expect((await shard.step({ check: true })).more).toBe(true);
    expect(await shard.redis.xlen(shard.keys.changes)).toBeGreaterThanOrEqual(1.5 * TRIM_MAX);
    expect((await shard.drain()).length).toBeGreaterThan(1);
    expect(await shard.redis.xlen(shard.keys.changes)).toBeLessThan(1_100);
  });

  it("what is not a minute old stays, for followers that stand before it, and goes then, also where nobody is left", async () => {
    const shard = newShard({ max: 1_000 });
    await fill(shard, 3_000);
    await shard.step({ check: true });
    const { due } = await shard.step();
    expect(await shard.redis.xlen(shard.keys.changes)).toBe(3_000);
    expect(due).toBeLessThanOrEqual(shard.now + FORGET_MS + CHECK_IDLE_MS);
    shard.now = due!;
    await shard.drain();
    expect(await shard.redis.xlen(shard.keys.changes)).toBeLessThan(1_100);
  });

  it("the strictest of several callers decides, however much more often the others call", async () => {
    const shard = newShard();
    const options = (max: number) => ({ prefix: shard.prefix, keep: { max } });
    const port = ioredisPort(shard.redis);
    const [strict, weak] = [1_000, 2_000].map((max) =>
      projectorOver(port, options(max), { now: () => shard.now }),
    );
    await fill(shard, 5_000);
    shard.now += FORGET_MS + 1;
    await weak!.step(0, { check: true });
    await shard.step({ check: true });
    expect(await shard.redis.xlen(shard.keys.changes)).toBeGreaterThanOrEqual(2_000);
    expect(await shard.redis.xlen(shard.keys.changes)).toBeLessThan(2_100);
    await strict!.step(0, { check: true });
    expect(await shard.redis.xlen(shard.keys.changes)).toBeLessThan(1_100);
    const { capped } = await shard.totals();
    await weak!.step(0, { check: true });
    expect((await shard.totals())["capped"]).toBe(capped);
  });

  it("is looked at once a minute at most, and not at all without it", async () => {
    const shard = newShard({ max: 1_000 });
    await shard.step({ check: true });
    const { capped } = await shard.totals();
    expect(capped).toBe(`${shard.now} 1000`);
    shard.now += FORGET_MS - 1;
    await shard.step({ check: true });
    expect((await shard.totals())["capped"]).toBe(capped);
    const other = newShard();
    await other.step({ check: true });
    expect(await other.totals()).not.toHaveProperty("capped");
  });
});

describe("more than by default", () => {
  const most = CHANGES_KEPT + 20_000;

  /** alice comes, with one call of the quick path. */
  async function aliceComes(shard: TestShard): Promise<void> {
    await shard.record({ ...hour, seq: 1, about, sockets: 0 });
    await shard.drain();
    await shard.record({ ...hour, seq: 2, operations: operations("+alice"), sockets: 1 });
    await shard.drain();
  }

  it("are kept by a caller that says so, with the history's word too, and trimmed by one that does not", async () => {
    const shard = newShard({ max: 200_000 });
    await fill(shard, most);
    await aliceComes(shard);
    await aMinuteLater(shard);
    expect(await shard.redis.xlen(shard.keys.changes)).toBe(most + 1);
    const port = ioredisPort(shard.redis);
    const options = { prefix: shard.prefix, keep: { max: 200_000 }, history: true };
    const history = projectorOver(port, options, { now: () => shard.now });
    await shard.record({ ...hour, seq: 3, operations: operations("+bob"), sockets: 2 });
    await history.step();
    expect(await shard.redis.xlen(shard.keys.changes)).toBe(most + 2);
    expect(await shard.totals()).toHaveProperty("minute");
    const plain = projectorOver(port, { prefix: shard.prefix }, { now: () => shard.now });
    await shard.record({ ...hour, seq: 4, operations: operations("+carol"), sockets: 3 });
    await plain.step();
    expect(await shard.redis.xlen(shard.keys.changes)).toBeLessThan(most);
    expect(await shard.redis.xlen(shard.keys.changes)).toBeGreaterThanOrEqual(CHANGES_KEPT);
  });

  it("are bounded by the number", async () => {
    const shard = newShard({ max: CHANGES_KEPT + 10_000 });
    await fill(shard, most);
    await aliceComes(shard);
    const left = await shard.redis.xlen(shard.keys.changes);
    expect(left).toBeLessThan(CHANGES_KEPT + 10_100);
    expect(left).toBeGreaterThanOrEqual(CHANGES_KEPT + 10_000);
    expect(await shard.changes()).toContainEqual(expect.objectContaining({ user: "alice" }));
  });

  it("are kept of scopes too", async () => {
    const shard = newShard({ max: 200_000 });
    await fill(shard, most, "moves");
    const say = async (seq: string, ...rest: string[]) => {
      await shard.append("process", "r", "seq", seq, "ttl", "3600000", ...rest);
      await shard.drain();
    };
    const join = ["join", '[["*/,r","alice"]]', "memberships", "1"];
    await say("1", "tracks", '["*/,*"]', "connect", '["alice"]', "sockets", "1", ...join);
    expect(await shard.redis.xlen(shard.keys.moves)).toBe(most + 1);
  });
});
