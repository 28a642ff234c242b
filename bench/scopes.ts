/**
 * What rooms cost Redis: CPU a membership that comes or goes, memory a membership, and how long a crash holds Redis.
 *
 *   node bench/scopes.ts [--users 10000] [--operations 20000] [--rounds 5] [--processes 10]
 *
 * `users` are present on `processes` processes. In turn, in every round: `operations` memberships come, then go again, at once (a record and a
 * call of the projector each, pipelined), with 1, 10 and 100 a record, in one room and over 1,000; beside them as many sockets that come and go
 * without a room. CPU is that of Redis's main thread (INFO). Then memory of rooms of three sizes: what Redis has less when they are
 * empty again. Then a process with 10,000 memberships crashes: CPU until nothing is left, and the longest call.
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { keysOf } from "../src/core/keys.ts";
import { project } from "../src/lua/generated.ts";
import { chunks, cpuOf, folded, heldBy, loadProjector, median, projectArguments, step } from "./support.ts";

const { values } = parseArgs({
  options: {
    users: { type: "string", default: "10000" },
    operations: { type: "string", default: "20000" },
    rounds: { type: "string", default: "5" },
    processes: { type: "string", default: "10" },
  },
});
const users = Number(values.users);
const operations = Number(values.operations);
const rounds = Number(values.rounds);
const processes = Number(values.processes);
const PIPELINE = 100;
/** Memberships of one full record: each of a room of its own counts as three operations. */
const FULL = 300;

await using server = await startRedis();
const redis = new Redis(server.url);
const keys = keysOf("scopes", 0, 1);
await loadProjector(redis);
const args = projectArguments(keys);

interface State {
  readonly id: string;
  seq: number;
  sockets: number;
  memberships: number;
}
const fresh = (id: string): State => ({ id, seq: 0, sockets: 0, memberships: 0 });
const all = Array.from({ length: processes }, (_, i) => fresh(`p${i}`));
const user = (i: number) => `user-${i}`;

function record(own: State, lists: Readonly<Record<string, unknown>>, by: { sockets?: number; memberships?: number }, ttl = 3_600_000): string[] {
  own.sockets += by.sockets ?? 0;
  own.memberships += by.memberships ?? 0;
  const { connect, leave, join, part } = lists;
  const fields = ["process", own.id, "seq", String(++own.seq), "ttl", String(ttl)];
  if (connect !== undefined) fields.push("connect", JSON.stringify(connect));
  if (leave !== undefined) fields.push("leave", JSON.stringify(leave));
  fields.push("sockets", String(own.sockets));
  if (join !== undefined) fields.push("join", JSON.stringify(join));
  if (part !== undefined) fields.push("part", JSON.stringify(part));
  if (own.memberships > 0 || join !== undefined || part !== undefined) fields.push("memberships", String(own.memberships));
  return fields;
} // prettier-ignore

/** Records and a call of the projector for each. */
async function atOnce(records: readonly string[][], size: number): Promise<void> {
  for (const some of chunks(records, Math.max(1, Math.floor(PIPELINE / size)))) {
    const pipeline = redis.pipeline();
    for (const fields of some) {
      pipeline.call("XADD", keys.records, "*", ...fields);
      pipeline.call("EVALSHA", project.sha1, ...args);
    }
    const replies = await pipeline.exec();
    for (const [error] of replies!) if (error !== null) throw error;
    folded(replies!.at(-1)![1]);
  }
  while ((await step(redis, keys)).more);
}

/** Memberships as a record lists them: those of one room together. */
function grouped(some: readonly (readonly [scope: string, user: string])[]): string[][] {
  const lists = new Map<string, string[]>();
  for (const [scope, id] of some) {
    const list = lists.get(scope) ?? [scope];
    list.push(id);
    lists.set(scope, list);
  }
  return [...lists.values()];
}

for (const some of chunks(Array.from({ length: users }, (_, i) => i), 1_000))
  for (const own of all) {
    const connect = some.filter((i) => i % processes === Number(own.id.slice(1))).map(user);
    await atOnce([record(own, { connect }, { sockets: connect.length })], 1_000);
  } // prettier-ignore

interface Side {
  readonly name: string;
  readonly come: () => string[][];
  readonly go: () => string[][];
  readonly size: number;
}

function memberships(rooms: number, size: number): Side {
  const make = (kind: "join" | "part") => () =>
    chunks(Array.from({ length: operations }, (_, i) => i), size).map((some, r) => {
      const own = all[r % processes]!;
      const list = grouped(some.map((i) => [`/,room-${(i * 7) % rooms}`, user(i % users)] as const));
      return record(own, { [kind]: list }, { memberships: kind === "join" ? some.length : -some.length });
    }); // prettier-ignore
  return { name: `${rooms === 1 ? "one room" : `${rooms} rooms`}, ${size} a record`, come: make("join"), go: make("part"), size };
} // prettier-ignore

function sockets(size: number): Side {
  const make = (kind: "connect" | "leave") => () =>
    chunks(Array.from({ length: operations }, (_, i) => i), size).map((some, r) => {
      const list = some.map((i) => `visitor-${i}`);
      return record(all[r % processes]!, { [kind]: list }, { sockets: kind === "connect" ? list.length : -list.length });
    }); // prettier-ignore
  return { name: `no room, ${size} a record`, come: make("connect"), go: make("leave"), size };
}

const sides = [1, 10, 100].flatMap((size) => [sockets(size), memberships(1, size), memberships(1_000, size)]);
const cpu = new Map(sides.map(({ name }): [string, number[]] => [name, []]));
for (let round = -1; round < rounds; round++) {
  for (const { name, come, go, size } of sides) {
    // In this order: `memberships` and `seq` go on from one to the other.
    const [coming, going] = [come(), go()];
    const before = await cpuOf(redis);
    await atOnce(coming, size);
    await atOnce(going, size);
    if (round >= 0) cpu.get(name)!.push(((await cpuOf(redis)) - before) / (2 * operations));
  }
}
console.log(
  `${server.engine}; ${users} users on ${processes} processes, ${operations} that come and go again; medians of ${rounds}`,
);
console.log("µs of Redis CPU an operation:");
for (const { name } of sides)
  console.log(`  ${name.padEnd(26)} ${median(cpu.get(name)!).toFixed(2).padStart(7)}`);

async function used(): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info("memory"))![1]);
}

console.log("bytes of Redis a membership:");
for (const size of [2, 100, 10_000]) {
  const rooms = Math.max(1, Math.floor(20_000 / size));
  const pairs = Array.from({ length: rooms * size }, (_, i) => [`/,room-${Math.floor(i / size)}`, user(i % users)] as const);
  const own = all[0]!;
  const each = chunks(pairs, FULL);
  await atOnce(each.map((some) => record(own, { join: grouped(some) }, { memberships: some.length })), FULL);
  const before = await used();
  await atOnce(each.map((some) => record(own, { part: grouped(some) }, { memberships: -some.length })), FULL);
  console.log(`  rooms of ${String(size).padEnd(6)} ${((before - (await used())) / pairs.length).toFixed(0).padStart(4)}`);
} // prettier-ignore

console.log("a process with 10,000 memberships crashes:");
for (const size of [100, 1_000]) {
  const pairs = Array.from({ length: 10_000 }, (_, i) => [`/,room-${i % (10_000 / size)}`, user(i % users)] as const);
  const others = Array.from({ length: 10_000 }, (_, i) => [`/,room-${i % (10_000 / size)}`, user((i + 5_000) % users)] as const);
  const lost = fresh(`lost-${size}`);
  for (const some of chunks(pairs, FULL))
    await atOnce([record(lost, { join: grouped(some) }, { memberships: some.length }, 1_000)], FULL);
  for (const some of chunks(others, FULL))
    await atOnce([record(all[0]!, { join: grouped(some) }, { memberships: some.length })], FULL);
  // Its lease, on Redis's clock.
  const until = performance.now() + 1_500;
  while (performance.now() < until) await redis.ping();
  const before = await cpuOf(redis);
  const held = await heldBy(redis, async () => {
    while ((await step(redis, keys)).more);
  });
  const took = (await cpuOf(redis)) - before;
  console.log(`  rooms of ${String(size).padEnd(6)} ${(took / 1_000).toFixed(1)} ms in ${held.length} calls, the longest ${Math.max(...held).toFixed(2)} ms`);
  for (const some of chunks(others, FULL))
    await atOnce([record(all[0]!, { part: grouped(some) }, { memberships: -some.length })], FULL);
} // prettier-ignore
redis.disconnect();
