/**
 * How long one call of the projector holds Redis with a million users present, and how long a crash takes to be exact.
 *
 *   node bench/holds.ts [--users 1000000] [--processes 10] [--operations 200000] [--rounds 3]
 *
 * `users` are connected on `processes` processes, an equal share on each. Then, with all of them present: a backlog of users who come
 * and go, in records of 1,000 and of 100 operations; a process that crashes; one that closes, and states the departures of its users
 * itself; one that closes with a grace, and the end of the graces. Times are those of Redis's slow log, every call in it. They are of the
 * wall, so another process on the core shows in them: of the longest call, the median of the rounds and the worst are printed.
 *
 * A lease is let run out by a clock that is given to the script. "exact after" is how long it takes from the end of the lease until
 * the totals are right, calls one after the other over one connection; what a projector waits until it looks comes on top.
 * bench/hostile.ts has the longest call for what a stranger may append.
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { OPERATIONS_MAX } from "../src/core/limits.ts";
import { keysOf } from "../src/core/keys.ts";
import { encodeRecord } from "../src/core/record.ts";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { projectorOver } from "../src/projector/projector.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";
import { append, comingAndGoing, populate, Recorders } from "./load.ts";
import { chunks, heldBy, loadProjector, median, percentile } from "./support.ts";

const { values } = parseArgs({
  options: {
    users: { type: "string", default: "1000000" },
    processes: { type: "string", default: "10" },
    operations: { type: "string", default: "200000" },
    rounds: { type: "string", default: "3" },
  },
});
const users = Number(values.users);
const processes = Number(values.processes);
const count = Number(values.operations);
const rounds = Number(values.rounds);
const each = Math.floor(users / processes);

await using server = await startRedis();
const redis = new Redis(server.url);
const prefix = "holds";
const keys = keysOf(prefix, 0, 1);
/** Of those that stay, and of those that are to crash, ms. */
const TTL_MS = 1_800_000;
const SHORT_MS = 60_000;
const GRACE_MS = 120_000;
let ahead = 0;
const made = () => projectorOver(ioredisPort(redis), { prefix }, { now: () => Date.now() + ahead });
let projector = made();

/** Calls until nothing is left to do, ms. */
async function settle(): Promise<number> {
  const began = performance.now();
  while ((await projector.step()).more);
  return performance.now() - began;
}

/** By what was measured, in order; a list of calls, ms, for each round. */
const measured = new Map<string, number[][]>();
async function measure(name: string, run: () => Promise<unknown>): Promise<void> {
  const calls = await heldBy(redis, run);
  measured.set(name, [...(measured.get(name) ?? []), calls]);
}

/** Time from the end of a lease until the totals were right, ms. */
const exact = new Map<string, number[]>();
async function crash(name: string): Promise<void> {
  await measure(name, async () => exact.set(name, [...(exact.get(name) ?? []), await settle()]));
}

/** How many users there are. Throws when the totals say something else. */
async function present(): Promise<number> {
  const [found, total] = [await redis.hlen(keys.users), Number(await redis.hget(keys.totals, "users"))];
  if (found !== total) throw new Error(`totals say ${total} users, there are ${found}`);
  return found;
}

async function expect(count: number): Promise<void> {
  const found = await present();
  if (found !== count) throw new Error(`${found} users are present, not ${count}`);
}

/** A process of `each` users that are on no other, registered, folded and present. */
async function another(id: string, options: { ttl: number; grace?: number }): Promise<string[]> {
  const { grace = 0 } = options;
  // Leases and graces count from the time of a record, which is the real one.
  const ttl = options.ttl + ahead;
  const names = Array.from({ length: each }, (_, i) => `${id}-${i}`);
  const about = { host: "bench", pid: 1, version: "0", grace: grace === 0 ? 0 : grace + ahead };
  const records = chunks(names, OPERATIONS_MAX).map((connect, i, all) => {
    const sockets = i === all.length - 1 ? names.length : (i + 1) * OPERATIONS_MAX;
    return encodeRecord({ process: id, seq: i + 1, ttl, ...(i === 0 && { about }), connect, sockets });
  });
  const there = await present();
  await append(redis, keys, records);
  await settle();
  await expect(there + names.length);
  return names;
}

/** The records of its close(): departures, then the goodbye. */
async function close(id: string, names: readonly string[]): Promise<void> {
  const parts = chunks(names, OPERATIONS_MAX);
  let sockets = names.length;
  const records = parts.map((some, i) => {
    sockets -= some.length;
    const seq = parts.length + i + 1;
    return encodeRecord({ process: id, seq, ttl: TTL_MS, close: some, sockets, bye: sockets === 0 });
  });
  await append(redis, keys, records);
}

console.log(`${server.engine}, ${processes} processes, ${each} users each`);
await loadProjector(redis);
const recorders = new Recorders(processes, TTL_MS);
await measure(`the first ${users} users come, 1,000 a record`, () => populate(redis, keys, recorders, users));
const before = await present();
for (let round = 0; round < rounds; round++) {
  for (const size of [1_000, 100]) {
    const operations = comingAndGoing({ count, present: users, processes, second: 0 });
    await append(redis, keys, recorders.records(operations, size));
    await measure(`a backlog, ${size} operations a record`, settle);
  }
  await another(`crash${round}`, { ttl: SHORT_MS });
  ahead += SHORT_MS + 1_000;
  await crash(`a crash of ${each}, ${before} others`);
  await expect(before);

  await close(`close${round}`, await another(`close${round}`, { ttl: TTL_MS }));
  await measure(`close() of a process of ${each}`, settle);
  await expect(before);

  await close(`grace${round}`, await another(`grace${round}`, { ttl: TTL_MS, grace: GRACE_MS }));
  await measure(`close() of ${each} with grace`, settle);
  ahead += GRACE_MS + 1_000;
  await measure(`the end of ${each} graces`, settle);
  await expect(before);
}

// Crashes in a cluster of a tenth of the size.
const few = Math.floor(users / 10);
await redis.flushall();
ahead = 0;
projector = made();
await populate(redis, keys, new Recorders(processes, TTL_MS), few);
const lost = Array.from({ length: Math.floor(each / 10) }, (_, i) => `lost-${i}`);
for (let round = 0; round < rounds; round++) {
  const dying = new Recorders(1, SHORT_MS + ahead, `dying${round}-`);
  const records = chunks(lost, OPERATIONS_MAX).map((connect) => dying.record(0, { connect }));
  await append(redis, keys, records);
  await settle();
  await expect(few + lost.length);
  ahead += SHORT_MS + 1_000;
  await crash(`a crash of ${lost.length}, ${few} others`);
  await expect(few);
}
redis.disconnect();

const text = (ms: number) => ms.toFixed(1).padStart(5);
for (const [name, all] of measured) {
  const calls = all.flat();
  const longest = all.map((some) => Math.max(...some));
  console.log(
    `${name.padEnd(46)} ${String(all[0]!.length).padStart(5)} calls, ms: median ${text(median(calls))}, p99 ${text(percentile(calls, 0.99))}, longest ${text(median(longest))} (worst ${text(Math.max(...longest))})`,
  );
  const times = exact.get(name);
  if (times !== undefined) console.log(`${" ".repeat(47)}exact after ${(median(times) / 1000).toFixed(2)} s`);
}
