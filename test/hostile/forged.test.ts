/**
 * Goal: who may append to the log but has no key changes nothing: not the counts, not the list of processes, not a lease (INV-1, INV-6).
 * Method: 10,000 forged registrations and as many records that name real processes (heartbeats, goodbyes, gaps, replacements, replays into
 * another shard's log) among those of honest ones; then the whole projection is compared with that of a shard without them.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../rig/redis.ts";
import { encodeRecord } from "../../src/core/record.ts";
import { deriveRecordKeys } from "../../src/projector/record-keys.ts";
import { signed } from "../../src/recorder/sign.ts";
import { operations, TestShard } from "../../rig/shard.ts";

const KEY = "k".repeat(32);
const FORGED = 10_000;

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** What can be forged about `web-<n>`, whose last record was `seq`. */
function* forgeries(elsewhere: string, signing: string): Generator<string[]> {
  const about = { host: "evil", pid: 1, version: "0", grace: 3_600_000 };
  const none = "0".repeat(40);
  for (let i = 0; i < FORGED; i++) {
    const process = `forged-${i}`;
    yield [
      ...encodeRecord({ process, seq: 1, ttl: 3_600_000, about, connect: [`ghost-${i}`], sockets: 1 }),
      ...(i % 2 === 0 ? [] : ["mac", none]),
    ];
    const real = `web-${i % 3}`;
    const other = `web-${(i + 1) % 3}`;
    const record = [
      { process: real, seq: 3, ttl: 3_600_000, sockets: 1 },
      { process: real, seq: 3, ttl: 1, sockets: 0, bye: true },
      { process: real, seq: 900, ttl: 3_600_000, sockets: 999_999_999 },
      { process, seq: 1, ttl: 1, sockets: 0, bye: true, replaces: [real, other] },
      { process: real, seq: 3, ttl: 1_000, leave: [`user-${i % 3}`], sockets: 0 },
    ][i % 5]!;
    // Some with a real signature, of another log.
    yield i % 7 === 0
      ? signed(encodeRecord(record), elsewhere, signing)
      : [...encodeRecord(record), "mac", none];
  }
}

it.each(["group", "range"] as const)(
  `read by %s, 20,000 forged records leave counts, processes and leases as they are`,
  async (read) => {
    const shard = new TestShard(server.url, { recordKeys: [KEY], read });
    const { signing } = await deriveRecordKeys([KEY], shard.prefix);
    for (let i = 0; i < 3; i++) {
      await shard.record({ process: `web-${i}`, seq: 1, operations: operations(`+user-${i}`), sockets: 1 });
      await shard.record({ process: `web-${i}`, seq: 2, operations: operations(`+more-${i}`), sockets: 2 });
    }
    await shard.drain();
    const everything = async () => {
      const { keys, redis } = shard;
      const { users, sockets, connections, slots, fenced, reaped, graced, known } = await shard.totals();
      return {
        totals: { users, sockets, connections, slots, fenced, reaped, graced, known },
        users: await redis.hgetall(keys.users),
        states: await redis.hgetall(keys.states),
        about: await redis.hgetall(keys.about),
        leases: await redis.zrange(keys.processes, "0", "-1", "WITHSCORES"),
        ended: await redis.zrange(keys.ended, "0", "-1", "WITHSCORES"),
        told: await shard.told(),
      };
    };
    const before = await everything();
    shard.now += 5_000;
    let pipeline = shard.redis.pipeline();
    let n = 0;
    for (const fields of forgeries("{elsewhere}:records", signing!)) {
      pipeline.call("XADD", shard.keys.records, `${shard.now}-${1_000 + n++}`, ...fields);
      if (n % 2_000 === 0) {
        await pipeline.exec();
        pipeline = shard.redis.pipeline();
      }
    }
    await pipeline.exec();
    const results = await shard.drain();
    expect(results.reduce((sum, { rejected }) => sum + rejected, 0)).toBe(2 * FORGED);
    expect(await everything()).toEqual(before);
    expect(new Set(await shard.rejected())).toEqual(new Set(["mac"]));
    expect(await shard.redis.xlen(shard.keys.rejected)).toBeLessThan(1_300);
    // The honest ones go on, and end when their own leases do.
    shard.now += 6_000;
    await shard.drain();
    expect(await shard.users()).toEqual({});
    await shard.check();
    await shard.close();
  },
  60_000,
);
