/**
 * Goal: the shards of a prefix spread evenly over a Redis Cluster, and every language can compute where they are.
 * Method: slots as a real Redis has them; every prefix and number of shards tried against the rule; the bound by going through it.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { shardTags, SLOTS, slotOf, withNumber } from "../../../src/core/slot.ts";

let server: RedisServer;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis({ args: ["--cluster-enabled", "yes"] });
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const PREFIXES = ["presence", "a", "p0", "p1", "chat:eu", "présence:東京", "😀", "x".repeat(128)];

it("a tag is in the slot that Redis says", async () => {
  const texts = ["", "123456789", ...PREFIXES, ...shardTags("presence", 64)];
  for (const text of texts.slice(1)) expect(await redis.cluster("KEYSLOT", text)).toBe(slotOf(text));
  expect(await redis.cluster("KEYSLOT", keysOf("presence", 2, 3).users)).toBe(slotOf("presence:2.2"));
  expect(slotOf("123456789")).toBe(0x31c3);
});

it("each of n equal stretches of the slots has one shard; shard 0 is where it is with one shard", () => {
  for (const prefix of PREFIXES) {
    for (const shards of [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 100, 1_024]) {
      const tags = shardTags(prefix, shards);
      expect(tags[0]).toBe(prefix);
      const stretches = tags.map((tag) => Math.floor((slotOf(tag) * shards) / SLOTS));
      expect(stretches).toEqual(stretches.map((_, shard) => (stretches[0]! + shard) % shards));
    }
  }
});

it("the number is the smallest that will do", () => {
  for (const [shard, tag] of shardTags("presence", 12).entries()) {
    if (shard === 0) continue;
    const [start, k] = tag.split(/(?<=\.)/);
    const stretch = (text: string) => Math.floor((slotOf(text) * 12) / SLOTS);
    const first = Array.from({ length: 1_000 }, (_, n) => n).find(
      (n) => stretch(`${start}${n}`) === stretch(tag),
    );
    expect(Number(k)).toBe(first);
  }
});

it("three masters with 3, 6 and 12 shards have an even share each", () => {
  // As `redis-cli --cluster create` gives the slots out.
  const ends = [5_460, 10_922, 16_383];
  for (const prefix of PREFIXES) {
    for (const shards of [3, 6, 12]) {
      const share = [0, 0, 0];
      for (const tag of shardTags(prefix, shards)) share[ends.findIndex((end) => slotOf(tag) <= end)]!++;
      expect({ prefix, shards, share }).toEqual({ prefix, shards, share: share.map(() => shards / 3) });
    }
  }
});

it("there is always such a number, below 300,000: from any start, these reach every slot", () => {
  // A CRC is linear: what a start adds is XORed to every slot that numbers of six digits reach. So who reaches all from one start
  // does from any.
  const reached = new Set<number>();
  for (let k = 100_000; k < 300_000; k++) reached.add(withNumber(0, k) % SLOTS);
  expect(reached.size).toBe(SLOTS);
});
