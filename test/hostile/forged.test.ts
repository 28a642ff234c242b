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
import { Random } from "../../rig/random.ts";
import { operations, TestShard } from "../../rig/shard.ts";
import { REPEAT, SEED, TIMEOUT_MS, TIMES } from "./support.ts";

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

/** A signed record with one thing changed: its text stays as similar as can be. */
function tampered(fields: readonly string[], random: Random): string[] {
  const copy = [...fields];
  const at = random.int(0, copy.length - 1);
  const pair = 2 * random.int(0, copy.length / 2 - 1);
  const change = [
    () => copy.splice(pair, 2),
    () => copy.splice(pair, 0, ...copy.slice(-2)),
    () => copy.splice(pair, 0, "later", "x"),
    () => copy.push(...copy.slice(pair, pair + 2)),
    () => copy.splice(at, 1, copy[at]!.toUpperCase()),
    () => copy.splice(at, 1, `${copy[at]}\n`),
    () => copy.splice(at, 1, copy[at]!.slice(1)),
    () => copy.splice(at, 1, `0${copy[at]}`),
    () => copy.splice(at, 1, ""),
    // Two become one, with the line feed that stands between them in the signed text; something makes up for the number.
    () => copy.splice(at, 2, copy.slice(at, at + 2).join("\n"), ""),
    () => copy.splice(at, 3, copy.slice(at, at + 3).join("\n")),
    // Only the number of names and values tells.
    () => copy.splice(pair, 4, copy.slice(pair, pair + 3).join("\n"), ...copy.slice(pair + 3, pair + 4)),
    () => copy.splice(pair, 4, ...copy.slice(pair + 2, pair + 4), ...copy.slice(pair, pair + 2)),
  ];
  random.pick(change)();
  if (copy.length % 2 === 1) copy.push("");
  return copy;
}

it(
  `what is changed of a signed record is noticed, whatever it is: ${REPEAT}`,
  async () => {
    const random = new Random(String(SEED));
    const shard = new TestShard(server.url, { recordKeys: [KEY] });
    const { signing } = await deriveRecordKeys([KEY], shard.prefix);
    await shard.record({ process: "p", seq: 1, operations: operations("+alice"), sockets: 1 });
    await shard.drain();
    const record = {
      process: "p",
      seq: 2,
      ttl: 10_000,
      connect: ["bob", "a\nb"],
      leave: ["alice"],
      sockets: 2,
    };
    const honest = signed(
      encodeRecord({ ...record, connections: 3, replaces: ["q"] }),
      shard.keys.records,
      signing!,
    );
    let forged = 0;
    let rejected = 0;
    for (let batch = 0; batch < 20 * TIMES; batch++) {
      for (let i = 0; i < 50; i++) {
        const fields = tampered(honest, random);
        if (JSON.stringify(fields) === JSON.stringify(honest)) continue;
        await shard.append(...fields);
        forged++;
      }
      for (const result of await shard.drain()) rejected += result.rejected;
    }
    expect(rejected).toBe(forged);
    expect(await shard.users()).toEqual({ alice: 1 });
    await shard.append(...honest);
    await shard.drain();
    expect(await shard.users()).toEqual({ bob: 1, "a\nb": 1 });
    await shard.close();
  },
  TIMEOUT_MS,
);
