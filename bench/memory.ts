/**
 * Memory of Redis a user, against the recipe's two hashes.
 *
 *   node bench/memory.ts [--users 1000000] [--processes 10]
 *
 * `users` come, with a socket each, and the log is folded. Then used_memory with and without each key, from the last to the first: what Redis
 * gives back is what the key took, its share of the allocator's waste included. `changes` keeps a bounded number of entries and
 * does not grow with the users who are there, so it is told apart.
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { keysOf } from "../src/core/keys.ts";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { populate, Recorders } from "./load.ts";
import { loadProjector } from "./support.ts";

const { values } = parseArgs({
  options: { users: { type: "string", default: "1000000" }, processes: { type: "string", default: "10" } },
});
const users = Number(values.users);
const processes = Number(values.processes);
const PIPELINE = 10_000;

await using server = await startRedis();
const redis = new Redis(server.url);
await loadProjector(redis);
const keys = keysOf("memory", 0, 1);

async function used(): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info("memory"))![1]);
}

/** What Redis gives back for a key, bytes a user. */
async function without(key: string): Promise<number> {
  const before = await used();
  await redis.del(key);
  return (before - (await used())) / users;
}

async function recipe(name: (i: number) => string): Promise<number> {
  for (let i = 0; i < users; i += PIPELINE) {
    const pipeline = redis.pipeline();
    for (let j = i; j < Math.min(i + PIPELINE, users); j++)
      pipeline.hincrby("recipe:users", name(j), 1).hincrby(`recipe:${j % processes}`, name(j), 1);
    await pipeline.exec();
  }
  let sum = await without("recipe:users");
  for (let process = 0; process < processes; process++) sum += await without(`recipe:${process}`);
  return sum;
}

const hex = (i: number, digits: number) => ((i * 2_654_435_761) % 2 ** 32).toString(16).padStart(digits, "0");
const kinds = [
  ["short ids, such as user-123456", (i: number) => `user-${i}`],
  ["UUIDs", (i: number) => `${hex(i, 8)}-4f1d-4a2b-8c3d-${hex(i + 1, 12)}`],
] as const;
console.log(`${server.engine}; ${users} users on ${processes} processes; bytes of used_memory a user`);
for (const [kind, name] of kinds) {
  await populate(redis, keys, new Recorders(processes), users, name);
  const parts: [string, number][] = [];
  for (const part of ["changes", "records", "users"] as const) parts.push([part, await without(keys[part])]);
  const before = await used();
  await redis.flushall();
  parts.push(["all others", (before - (await used())) / users]);
  const sum = parts.reduce((all, [part, bytes]) => (part === "changes" ? all : all + bytes), 0);
  const own = parts.map(([part, bytes]) => `${part} ${bytes.toFixed(1)}`).join(", ");
  const its = await recipe(name);
  console.log(`${kind}: ${sum.toFixed(1)} without changes (${own}); the recipe ${its.toFixed(1)}`);
}
redis.disconnect();
