/**
 * Goal: the invariants hold after every call, whatever the log holds and however it is split into calls (INV-1, INV-2, INV-4).
 * Method: random logs of several processes with lost, repeated and reordered records, goodbyes, grace, replacements,
 * garbage and a clock that advances; two projectors with different budgets and ways to read the log take turns, and some calls
 * compare all parts (the careful path); everything is checked after every step, and nothing is ever rebuilt. A failure prints its seed; repeat it with `FUZZ_SEED=<seed> npx vitest run test/unit/lua/random.test.ts`.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { Journal } from "../../../src/core/journal.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import type { ReadMode } from "../../../src/projector/options.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { TestShard } from "../../../rig/shard.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

const USERS = ["a", "b", "c", "d", "e", "", "__proto__", "1e5"];
const user = fc.constantFrom(...USERS);
const process = fc.nat(2);

const event = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("connect" as const), process, user }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom("leave" as const, "disconnect" as const), process, user }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("append" as const), process, fate: fc.constantFrom("once" as const, "once" as const, "once" as const, "lost" as const, "twice" as const) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("step" as const), other: fc.boolean(), reap: fc.boolean(), check: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 1500 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("bye" as const, "restate" as const, "crash" as const), process }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("garbage" as const), fields: fc.array(fc.string(), { minLength: 2, maxLength: 8 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("regroup" as const) }) },
); // prettier-ignore

it("INV-1, INV-2, INV-4 hold after every call of random histories, and nothing is ever rebuilt", async () => {
  const seed = Number(globalThis.process.env["FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  const runs = Number(globalThis.process.env["FUZZ_RUNS"] ?? 200);
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 20, maxLength: 120 }),
      fc.constantFrom(0, 400),
      fc.constantFrom<[ReadMode, ReadMode][]>(["group", "group"], ["range", "range"], ["group", "range"]),
      async (events, grace, reads) => {
        const shard = new TestShard(server.url, { read: reads[0] });
        const small = projectorOver(
          ioredisPort(shard.redis),
          { prefix: shard.prefix, budget: 200, read: reads[1] },
          { now: () => shard.now },
        );
        const about = { host: "h", pid: 1, version: "0", grace };
        let ids = 0;
        const fresh = () => new Journal(`p${++ids}`, { ttl: 1000, about });
        const journals = [fresh(), fresh(), fresh()];
        const open = journals.map(() => new Map<string, number>());
        for (const e of events) {
          switch (e.kind) {
            case "connect":
              journals[e.process]!.connect(e.user);
              open[e.process]!.set(e.user, (open[e.process]!.get(e.user) ?? 0) + 1);
              break;
            case "leave":
            case "disconnect": {
              const n = open[e.process]!.get(e.user) ?? 0;
              expect(journals[e.process]!.disconnect(e.user, e.kind)).toBe(n > 0);
              if (n > 0) open[e.process]!.set(e.user, n - 1);
              break;
            }
            case "append": {
              const fields = encodeRecord(journals[e.process]!.take({ connections: 1 }));
              if (e.fate !== "lost") await shard.append(...fields);
              if (e.fate === "twice") await shard.append(...fields);
              break;
            }
            case "step":
              await (e.other ? small : shard.projector).step(0, {
                reap: e.reap,
                check: e.check,
              });
              await shard.check();
              break;
            case "wait":
              shard.now += e.ms;
              break;
            case "bye":
              for (let last = false; !last;) {
                const record = journals[e.process]!.take({ bye: true });
                await shard.append(...encodeRecord(record));
                last = record.bye === true;
              }
              journals[e.process] = fresh();
              open[e.process]!.clear();
              break;
            case "crash":
              journals[e.process] = fresh();
              open[e.process]!.clear();
              break;
            case "restate":
              journals[e.process]!.restate(`p${++ids}`);
              break;
            case "garbage":
              await shard.append(...e.fields.slice(0, e.fields.length & ~1));
              break;
            case "regroup":
              await shard.redis.del(shard.keys.records);
              break;
            default:
              e satisfies never;
          }
        }
        // Every process states its open sockets, and they are what is counted.
        for (const journal of journals) {
          journal.restate(`p${++ids}`);
          while (journal.dirty) await shard.append(...encodeRecord(journal.take({ connections: 1 })));
        }
        await shard.drain();
        // A fenced one that crashed is gone after three of its leases.
        for (let i = 0; i < 4; i++) {
          shard.now += 900;
          for (const journal of journals)
            await shard.append(...encodeRecord(journal.take({ connections: 1 })));
          await shard.drain();
        }
        await shard.check();
        const expected = new Map<string, number>();
        for (const counts of open) {
          for (const [id, n] of counts) if (n > 0 && id !== "") expected.set(id, (expected.get(id) ?? 0) + n);
        }
        const counted = Object.entries(await shard.users()).filter(([, n]) => n > 0);
        expect(new Map(counted)).toEqual(expected);
        expect(await shard.totals()).toMatchObject({ rebuilt: "0" });
        await shard.redis.flushdb();
        await shard.close();
      },
    ),
    { numRuns: runs, seed, endOnFailure: false },
  );
}, 120_000);
