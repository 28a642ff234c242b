/**
 * Goal: no entry written to the log can stop it: invalid records are set aside, and the valid ones among them are folded.
 * Method: random bytes, huge and truncated entries, and records with errors, among those of an honest process whose count is
 * known; the projection is read as bytes, since not all of it is text.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { encodeRecord } from "../../src/core/record.ts";
import { startRedis, type RedisServer } from "../../rig/redis.ts";
import { TestShard } from "../../rig/shard.ts";
import { REPEAT, SEED, TIMEOUT_MS, TIMES } from "./support.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** Bytes as text, one character a byte, so that entries can be put together like text. */
const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value).toString("latin1"));
const NAMES = ["process", "seq", "ttl", "hello", "pid", "version", "grace", "connect", "disconnect", "leave", "close", "anonymous", "protocol", "join", "data", "bye", "replaces", "sockets", "connections"]; // prettier-ignore
const NUMBERS = ["0", "-0", "1", "-1", "01", "1e3", "1e308", "1e-400", "-1e-400", "nan", "inf", "0x1", " 1", "1.0", "99999999999999999999", "999999999999999", ""]; // prettier-ignore
const word = fc.oneof(
  fc.constantFrom(...NAMES),
  fc.constantFrom(...NUMBERS),
  bytes,
  fc.integer({ min: 250, max: 5000 }).map((length) => "\xe2\x82\xac".repeat(length)),
);

const PROCESSES = ["p0", "p1", "p\0", "\xff\xfe", "__proto__", "p1{x}", "*"];
const valid = fc
  .record({
    process: fc.constantFrom(...PROCESSES),
    seq: fc.integer({ min: 1, max: 4 }),
    users: fc.array(fc.oneof(fc.constantFrom("a", "b", "", "\xff", "\xc3\x28", "seq"), bytes), { maxLength: 4 }),
    op: fc.constantFrom("connect" as const, "connect" as const, "disconnect" as const, "leave" as const, "close" as const),
    sockets: fc.integer({ min: 0, max: 4 }),
    bye: fc.boolean(),
    replaces: fc.array(fc.constantFrom(...PROCESSES, "", "nobody"), { maxLength: 2 }),
    grace: fc.constantFrom(0, 500),
  })
  .map(({ process, seq, users, op, sockets, bye, replaces, grace }) =>
    encodeRecord({
      process,
      seq,
      ttl: 1000,
      about: { host: "h", pid: 1, version: "0", grace },
      [op]: users,
      ...(bye && { bye }),
      replaces,
      sockets: op === "connect" ? users.length : sockets,
    }),
  ); // prettier-ignore

/** A valid record with one of its fields changed, left out, doubled, moved or cut off. */
const nearly = fc
  .tuple(valid, fc.nat(40), fc.nat(40), word, fc.constantFrom("set", "drop", "double", "swap", "cut", "insert"))
  .map(([fields, at, other, value, how]) => {
    const copy = fields.slice();
    const i = at % copy.length;
    const j = other % copy.length;
    if (how === "set") copy[i] = value;
    else if (how === "drop") copy.splice(i, 1 + (j % 4));
    else if (how === "double") copy.splice(i, 0, ...copy.slice(j, j + 4));
    else if (how === "swap") [copy[i], copy[j]] = [copy[j]!, copy[i]!];
    else if (how === "insert") copy.splice(i, 0, value);
    else copy.length = i;
    return copy;
  }); // prettier-ignore

const huge = fc
  .record({ name: word, value: word, times: fc.integer({ min: 100, max: 3000 }), head: valid })
  .map(({ name, value, times, head }) => {
    const body = Array.from({ length: times }, () => [name, value]).flat();
    const most = Math.floor(200_000 / (name.length + value.length + 1));
    return head.slice(0, 6).concat(body.slice(0, most), head.slice(-2));
  }); // prettier-ignore

const entry = fc.oneof(
  { weight: 6, arbitrary: nearly },
  { weight: 3, arbitrary: valid },
  { weight: 3, arbitrary: fc.array(word, { minLength: 2, maxLength: 30 }) },
  { weight: 1, arbitrary: huge },
);

it(`no record, however malformed, stops the log (${REPEAT})`, { timeout: TIMEOUT_MS }, async () => {
  const shard = new TestShard(server.url);
  const { redis, keys } = shard;
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 40, size: "max" }), async (entries) => {
      await redis.flushdb();
      shard.now = 1_000_000;
      let seq = 0;
      for (const fields of entries) {
        const even = fields.slice(0, fields.length & ~1).map((value) => Buffer.from(value, "latin1"));
        if (even.length > 0) await redis.xadd(keys.records, `${shard.now}-*`, ...even);
        seq++;
        const honest = { process: "honest", seq, ttl: 3_600_000, sockets: seq } as const;
        const connect = [`honest-${seq % 3}`];
        await redis.xadd(keys.records, `${shard.now}-*`, ...encodeRecord({ ...honest, connect }));
        if (seq % 7 === 0) await shard.step();
        if (seq % 11 === 0) shard.now += 700;
      }
      await shard.drain();
      expect(await redis.xlen(keys.records)).toBe(0);
      expect(await shard.process("honest")).toMatchObject({ state: "live", seq });
      // The fenced have three leases.
      for (let i = 0; i < 3; i++) {
        shard.now += 10_000;
        await shard.drain();
      }
      // Every liar's lease and grace is over: what is left is what the honest process has.
      expect(await redis.zrange(keys.processes, "0", "-1")).toEqual([expect.stringMatching(/^\d+:honest$/)]);
      const counts = await shard.users();
      expect(counts).toEqual(await shard.usersOf("honest"));
      expect(Object.values(counts).reduce((sum, n) => sum + n, 0)).toBe(seq);
      expect(await shard.totals()).toMatchObject({
        users: String(Object.keys(counts).length),
        sockets: String(seq),
      });
      expect(await alternates(shard)).toEqual(Object.keys(counts).sort());
    }),
    { numRuns: 40 * TIMES, seed: SEED, endOnFailure: false },
  );
  await shard.close();
});

/** Holds the changes to INV-4, which are UTF-8 whatever came. Returns who is online by what they say. */
async function alternates(shard: TestShard): Promise<string[]> {
  const online = new Set<string>();
  for (const [, fields] of await shard.redis.xrangeBuffer(shard.keys.changes, "-", "+")) {
    for (let i = 0; i < fields.length; i += 2) {
      const cause = fields[i]!.toString();
      const list = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(fields[i + 1])) as string[];
      for (const user of list) {
        if (online.has(user) === (cause === "connect")) throw new Error(`INV-4: ${JSON.stringify(user)} ${cause} twice`);
        if (cause === "connect") online.add(user);
        else online.delete(user);
      }
    }
  }
  return [...online].sort();
} // prettier-ignore
