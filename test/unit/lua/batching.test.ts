/**
 * Goal: nothing depends on how the records of a log are grouped into calls (INV-12): not who is present, who is in grace and
 * until when, what is counted or which changes are reported, except transitions that cancel each other within a call.
 * Method: random logs of several processes, with and without grace, with gaps, repetitions, wrong check digits, garbage,
 * goodbyes, closing servers and replacements, are folded on new prefixes: one record per call, all at once, and in random groups,
 * by the quick path and the careful path, in both read modes; all must end in the same state. A failure prints its seed;
 * repeat it with `FUZZ_SEED=<seed> npx vitest run test/unit/lua/batching.test.ts`.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { Journal } from "../../../src/core/journal.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { TestShard } from "../../../rig/shard.ts";

const SEED = Number(globalThis.process.env["FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(globalThis.process.env["FUZZ_RUNS"] ?? 120);
const BEGIN = 1_000_000;
/** Longer than a history, so that no lease expires in it. */
const GRACE = 10_000;
const TTL = 20_000;

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

const user = fc.constantFrom("a", "b", "c", "d", "");
const process = fc.nat(2);
const event = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("connect" as const), process, user }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom("leave" as const, "disconnect" as const), process, user }) },
  { weight: 9, arbitrary: fc.record({ kind: fc.constant("append" as const), process, ms: fc.nat(20), fate: fc.constantFrom("once" as const, "once" as const, "once" as const, "once" as const, "once" as const, "lost" as const, "twice" as const, "digit" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("bye" as const, "abrupt" as const, "restate" as const), process }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("garbage" as const), fields: fc.array(fc.string(), { minLength: 2, maxLength: 8 }) }) },
); // prettier-ignore
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

interface Entry {
  readonly id: string;
  readonly fields: readonly string[];
}

/** The log that a history leaves. */
function logOf(events: readonly Event[], graces: readonly number[]): Entry[] {
  const log: Entry[] = [];
  let at = BEGIN;
  let names = 0;
  const add = (fields: readonly string[]) => log.push({ id: `${at}-${log.length + 1}`, fields });
  const fresh = (place: number) =>
    new Journal(`p${++names}`, {
      ttl: TTL,
      about: { host: "h", pid: 1, version: "0", grace: graces[place]! },
    });
  const journals = [fresh(0), fresh(1), fresh(2)];
  for (const e of events) {
    switch (e.kind) {
      case "connect":
        journals[e.process]!.connect(e.user);
        break;
      case "leave":
      case "disconnect":
        journals[e.process]!.disconnect(e.user, e.kind);
        break;
      case "append": {
        at += e.ms;
        const record = journals[e.process]!.take({ connections: log.length });
        const fields = encodeRecord(e.fate === "digit" ? { ...record, sockets: record.sockets + 1 } : record);
        if (e.fate !== "lost") add(fields);
        if (e.fate === "twice") add(fields);
        break;
      }
      case "bye":
        for (let last = false; !last;) {
          const record = journals[e.process]!.take({ bye: true });
          add(encodeRecord(record));
          last = record.bye === true;
        }
        journals[e.process] = fresh(e.process);
        break;
      case "abrupt":
        at++;
        // A goodbye with open sockets, which our recorders never send: the remaining users are searched for.
        add(encodeRecord({ ...journals[e.process]!.take(), bye: true }));
        journals[e.process] = fresh(e.process);
        break;
      case "restate":
        at++;
        journals[e.process]!.restate(`p${++names}`);
        add(encodeRecord(journals[e.process]!.take()));
        break;
      case "garbage":
        add(e.fields.slice(0, e.fields.length & ~1));
        break;
      default:
        e satisfies never;
    }
  }
  return log;
}

/** How a log is folded: the sizes of the groups, over and over, and whether each call compares all parts first. */
interface Way {
  readonly sizes: readonly number[];
  readonly checks: readonly boolean[];
  readonly budget: number;
  readonly read: "group" | "range";
}

type Told = readonly [user: string, type: "online" | "offline"];

interface Outcome {
  readonly state: unknown;
  /** The changes reported, by the number of records folded until then. */
  readonly told: ReadonlyMap<number, readonly Told[]>;
}

async function fold(log: readonly Entry[], way: Way, later: number): Promise<Outcome> {
  const shard = new TestShard(server.url, { budget: way.budget, read: way.read });
  const { redis, keys } = shard;
  const end = Number(log.at(-1)?.id.split("-")[0] ?? BEGIN);
  shard.now = end;
  const told = new Map<number, Told[]>();
  let heard = 0;
  let done = 0;
  for (let group = 0; done < log.length; group++) {
    const size = way.sizes[group % way.sizes.length]!;
    const entries = log.slice(done, done + size);
    for (const { id, fields } of entries) await redis.xadd(keys.records, id, ...fields);
    done += entries.length;
    const check = way.checks[group % way.checks.length]!;
    while ((await shard.step({ check })).more);
    const changes = await shard.changes();
    told.set(
      done,
      changes.slice(heard).map(({ user: who, type }) => [who, type]),
    );
    heard = changes.length;
  }
  await shard.check();
  shard.now = end + later;
  await shard.drain();
  await shard.check();
  const totals = await shard.totals();
  const names = ["users", "sockets", "connections", "graced", "records", "rejected", "fenced", "reaped", "rebuilt", "slots"]; // prettier-ignore
  const outcome = {
    state: {
      users: await redis.hgetall(keys.users),
      leaving: await redis.zrange(keys.leaving, "0", "-1", "WITHSCORES"),
      states: await redis.hgetall(keys.states),
      about: await redis.hgetall(keys.about),
      processes: await redis.zrange(keys.processes, "0", "-1", "WITHSCORES"),
      ended: await redis.zrange(keys.ended, "0", "-1", "WITHSCORES"),
      totals: Object.fromEntries(names.map((name) => [name, totals[name]])),
      rejected: (await redis.xrange(keys.rejected, "-", "+")).map(([, fields]) => fields),
    },
    told,
  };
  await redis.flushdb();
  await shard.close();
  return outcome;
}

/**
 * What is left of transitions once those that cancel each other are taken out. The cause is that of the last departure, which
 * alone may have been no transition.
 */
function net(told: readonly Told[]): Record<string, string> {
  const left = new Map<string, Told[]>();
  for (const one of told) left.set(one[0], [...(left.get(one[0]) ?? []), one]);
  return Object.fromEntries(
    [...left.values()].filter(({ length }) => length % 2 === 1).map((all) => all[0]!),
  );
}

/** Each group has reported what its records report one by one, merged. */
function expectMerged(fine: Outcome, coarse: Outcome): void {
  let from = 0;
  for (const [until, told] of coarse.told) {
    const parts = [...fine.told].filter(([at]) => at > from && at <= until).flatMap(([, one]) => one);
    expect(net(told)).toEqual(net(parts));
    from = until;
  }
}

const way: fc.Arbitrary<Way> = fc.record({
  sizes: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }),
  checks: fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }),
  budget: fc.constantFrom(100, 1000, 2000),
  read: fc.constantFrom("group" as const, "range" as const),
});
const history = fc.tuple(
  fc.array(event, { minLength: 10, maxLength: 80, size: "max" }),
  fc.array(fc.constantFrom(0, GRACE), { minLength: 3, maxLength: 3 }),
);

async function agree(later: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(history, way, way, fc.boolean(), async ([events, graces], one, two, check) => {
      const log = logOf(events, graces);
      const fine = await fold(log, { ...one, sizes: [1], checks: [check] }, later);
      for (const other of [
        { ...two, sizes: [1_000_000] },
        one,
        two,
        { ...two, sizes: [1], checks: [!check] },
      ]) {
        const coarse = await fold(log, other, later);
        expect(coarse.state).toEqual(fine.state);
        expectMerged(fine, coarse);
      }
    }),
    { numRuns: RUNS, seed: SEED, endOnFailure: false },
  );
}

it(`INV-12: the same log gives the same result, however it is grouped into calls (FUZZ_SEED=${SEED})`, async () => {
  await agree(0);
}, 120_000);

it(`INV-12: so it does when graces and leases have expired since (FUZZ_SEED=${SEED})`, async () => {
  await agree(GRACE - 500);
  await agree(4 * TTL);
}, 120_000);

it("INV-12: a goodbye counts at once, however many users of an ended process are still to be removed", async () => {
  const shard = new TestShard(server.url, { budget: 100 });
  const about = { host: "h", pid: 1, version: "0", grace: GRACE };
  const users = Array.from({ length: 900 }, (_, i) => `user-${i}`);
  await shard.record({ process: "q", seq: 1, sockets: 0 });
  await shard.record({ process: "p", seq: 1, about, connect: users, sockets: 900 });
  await shard.drain();
  await shard.record({ process: "p", seq: 2, bye: true, sockets: 900 });
  expect(await shard.step()).toMatchObject({ more: true });
  const some = users.slice(-100);
  await shard.record({ process: "q", seq: 2, connect: some, leave: some, sockets: 0 });
  for (let seq = 3; seq <= 150; seq++) await shard.record({ process: "q", seq, sockets: 0 });
  await shard.step();
  await shard.check();
  await shard.drain();
  expect(Object.keys(await shard.users()).sort()).toEqual(users.slice(0, -100).sort());
  expect(new Set(Object.values(await shard.users()))).toEqual(new Set([0]));
  await shard.check();
  await shard.close();
});
