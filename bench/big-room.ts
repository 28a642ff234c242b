/**
 * One large room whose members are all on the same process, in one shard: what it takes, and what its end takes.
 *
 *   node bench/big-room.ts [--members 100000] [--asked 1000]
 *
 * `members` users connect, then join the room, in full records that are folded at once. Memory a membership is what Redis uses more once
 * they have joined. The reader is asked for the room's counts `asked` times, one after another. Then the process crashes: its lease ends,
 * and the projector is called again and again, as a worker does, until there is nothing left to do. Calls are measured by Redis's slow log,
 * and by its CPU time, which other work on the machine does not lengthen; the room is looked at between calls.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { keysOf, scopeKey } from "../src/core/keys.ts";
import { encodeRecord, type RecordEntry } from "../src/core/record.ts";
import { readerOver } from "../src/reader/reader.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";
import { bytesThrough, chunks, cpuOf, heldBy, loadProjector, median, percentile, step } from "./support.ts";

const { values } = parseArgs({
  options: {
    members: { type: "string", default: "100000" },
    asked: { type: "string", default: "1000" },
  },
});
const members = Number(values.members);
const asked = Number(values.asked);
const FULL = 1_000;
/** Each record renews it; no step takes that long. */
const LEASE_MS = 5_000;
const SCOPE = "/,all";

await using server = await startRedis();
const redis = new Redis(server.url);
const prefix = "big-room";
const keys = keysOf(prefix, 0, 1);
await loadProjector(redis);

let seq = 0;
let sockets = 0;
let memberships = 0;
async function fold(lists: Pick<RecordEntry, "connect" | "join">): Promise<void> {
  sockets += lists.connect?.length ?? 0;
  memberships += lists.join?.reduce((sum, [, ...users]) => sum + users.length, 0) ?? 0;
  const about =
    seq++ === 0 ? { about: { host: "bench", pid: 1, version: "0", grace: 0, tracks: [SCOPE] } } : {};
  const record = encodeRecord({
    process: "lost",
    seq,
    ttl: LEASE_MS,
    ...about,
    ...lists,
    sockets,
    memberships,
  });
  await redis.call("XADD", keys.records, "*", ...record);
  while ((await step(redis, keys)).more);
}

const used = async () => Number(/used_memory:(\d+)/.exec(await redis.info("memory"))![1]);
const longest = (held: readonly number[]) => `${held.length} calls, median ${median(held).toFixed(2)} ms, longest ${Math.max(...held).toFixed(2)} ms`; // prettier-ignore

const users = Array.from({ length: members }, (_, i) => `user-${i}`);
for (const connect of chunks(users, FULL)) await fold({ connect });
const before = await used();
const joined = await heldBy(redis, async () => {
  for (const some of chunks(users, FULL - 2)) await fold({ join: [[SCOPE, ...some]] });
});
console.log(`${server.engine}; ${members} members, load ${loadavg()[0]!.toFixed(1)}`);
console.log(`joining: ${longest(joined)}`);
console.log(`memory: ${((await used()) - before) / members} bytes a membership`);

const reader = readerOver(ioredisPort(redis), { prefix });
const room = reader.in("all");
const expected = await room.counts();
if (expected.users !== members) throw new Error(`not all are counted: ${JSON.stringify(expected)}`);
const empty = await bytesThrough(redis);
const start = await bytesThrough(redis);
const times: number[] = [];
for (let i = 0; i < asked; i++) {
  const from = performance.now();
  await room.counts();
  times.push(performance.now() - from);
}
const through = ((await bytesThrough(redis)) - start - (start - empty)) / asked;
console.log(
  `counts(): median ${median(times).toFixed(2)} ms, p99 ${percentile(times, 0.99).toFixed(2)} ms, ${through.toFixed(0)} bytes`,
);

await fold({});
while (Number(await redis.call("ZCOUNT", keys.processes, "1", "(" + String(await now()))) === 0)
  await redis.ping();
const from = performance.now();
let gone: number | undefined;
/** Of each call, ms. */
const cpu: number[] = [];
const held = await heldBy(redis, async () => {
  for (let more = true; more;) {
    const start = await cpuOf(redis);
    ({ more } = await step(redis, keys));
    cpu.push(((await cpuOf(redis)) - start) / 1_000);
    if (gone === undefined && (await redis.exists(scopeKey(keys, SCOPE))) === 0)
      gone = performance.now() - from;
  }
});
const took = performance.now() - from;
console.log(
  `the process crashes: ${longest(held)}; CPU ${cpu.reduce((sum, ms) => sum + ms, 0).toFixed(0)} ms, of the longest call ${Math.max(...cpu).toFixed(2)} ms; the room is gone ${gone?.toFixed(0)} ms after the lease, all work done after ${took.toFixed(0)} ms`,
);
redis.disconnect();

/** Redis's clock, ms. */
async function now(): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}
