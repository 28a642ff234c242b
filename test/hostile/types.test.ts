/**
 * Goal: a key that holds another type stops what needs it, with an error that names it, and nothing is lost: once the key is
 * restored, everything is as if it had never been wrong, or the next level check finds that it is not and rebuilds
 * (docs/protocol.md, "Level checks").
 * Method: two shards with the same history; in one of them any key has any other type for a while.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../rig/redis.ts";
import { operations, TestShard } from "../../rig/shard.ts";
import { REPEAT, SEED, TIMEOUT_MS, TIMES } from "./support.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

const NAMES = ["records", "users", "totals", "processes", "states", "about", "leaving", "changes", "rejected", "ended", "clock"] as const; // prettier-ignore
type Name = (typeof NAMES)[number];
const TYPES = ["string", "list", "set", "zset", "hash", "stream"] as const;
type Type = (typeof TYPES)[number];

function typeOf(name: Name): Type {
  if (name === "records" || name === "changes" || name === "rejected") return "stream";
  if (name === "clock") return "string";
  return name === "processes" || name === "leaving" || name === "ended" ? "zset" : "hash";
}

async function fill({ redis }: TestShard, key: string, type: Type): Promise<unknown> {
  if (type === "string") return redis.set(key, "not ours");
  if (type === "list") return redis.rpush(key, "not ours");
  if (type === "set") return redis.sadd(key, "not ours");
  if (type === "zset") return redis.zadd(key, 1, "not ours");
  if (type === "hash") return redis.hset(key, "not", "ours");
  return redis.xadd(key, "*", "not", "ours");
}

/** What happens while the key is wrong; each a step of the projector with something else to do. */
const ACTS = {
  connect: (shard: TestShard) =>
    shard.record({ process: "old", seq: 2, ttl: 60_000, operations: operations("+bob", "+alice"), sockets: 6 }),
  drop: (shard: TestShard) =>
    shard.record({ process: "old", seq: 2, ttl: 60_000, operations: operations("-alice", "~carol", "-"), sockets: 1 }),
  register: (shard: TestShard) =>
    shard.record({ process: "new", seq: 1, ttl: 60_000, operations: operations("+alice", "+dave"), sockets: 2, connections: 2 }),
  arrive: (shard: TestShard) =>
    shard.record({ process: "new", seq: 1, ttl: 60_000, operations: operations("+dave", "+"), sockets: 2 }),
  bye: (shard: TestShard) => shard.record({ process: "old", seq: 2, bye: true, sockets: 4 }),
  garbage: (shard: TestShard) => shard.append("garbage", "1"),
} as const; // prettier-ignore
type Act = keyof typeof ACTS;
const LATER = { nothing: 0, "lease over": 61_000, "grace over": 1_000 } as const;

interface Life {
  name: Name;
  type: Type;
  act: Act;
  later: keyof typeof LATER;
}

async function born(): Promise<TestShard> {
  const shard = new TestShard(server.url);
  await shard.record({
    process: "old",
    seq: 1,
    ttl: 60_000,
    about: { host: "h", pid: 1, version: "0", grace: 900 },
    operations: operations("+alice", "+carol", "+gone", "+"),
    sockets: 4,
    connections: 3,
  });
  await shard.drain();
  await shard.record({ process: "old", seq: 1, operations: [], sockets: 0 });
  return shard;
}

async function everything(shard: TestShard): Promise<unknown> {
  await shard.check();
  const { users, sockets, connections, records, fenced, rejected } = await shard.totals();
  return {
    users: await shard.users(),
    states: await shard.redis.hgetall(shard.keys.states),
    about: await shard.redis.hgetall(shard.keys.about),
    leases: await shard.redis.zrange(shard.keys.processes, "0", "-1", "WITHSCORES"),
    totals: { users, sockets, connections, records, fenced, rejected },
  };
}

async function live({ name, type, act, later }: Life): Promise<void> {
  const [twin, broken] = [await born(), await born()];
  const key = broken.keys[name];
  for (const shard of [twin, broken]) {
    await ACTS[act](shard);
    shard.now += LATER[later];
  }
  await twin.drain();

  const had = (await broken.redis.exists(key)) === 1;
  if (had) await broken.redis.rename(key, `${key}:kept`);
  await fill(broken, key, type);
  // Again and again: what a failing call leaves behind must not add up.
  for (let i = 0; i < 3; i++) {
    const error = await broken.drain().then(
      () => null,
      (failure: unknown) => failure as Error & { code?: string },
    );
    if (error === null) continue;
    expect(error).toMatchObject({ name: "PresenceError", code: "REDIS_TYPE" });
    expect(error.message).toContain(key);
  }
  await broken.redis.del(key);
  if (had) await broken.redis.rename(`${key}:kept`, key);
  await broken.step({ check: true });
  await broken.drain();
  await twin.drain();
  if ((await broken.totals())["rebuilt"] === "0" || name !== "changes") {
    expect(await everything(broken)).toEqual(await everything(twin));
  } else {
    await broken.check();
    await broken.record({
      process: "again",
      seq: 1,
      ttl: 60_000,
      operations: operations("+alice"),
      sockets: 1,
    });
    await broken.drain();
    expect(await broken.users()).toMatchObject({ alice: 1 });
    await broken.check();
  }
  await twin.close();
  await broken.close();
}

function lives() {
  return fc
    .record({
      name: fc.constantFrom(...NAMES),
      type: fc.constantFrom(...TYPES),
      act: fc.constantFrom(...(Object.keys(ACTS) as Act[])),
      later: fc.constantFrom(...(Object.keys(LATER) as (keyof typeof LATER)[])),
    })
    .filter((life) => life.type !== typeOf(life.name));
}

const options = { numRuns: 120 * TIMES, seed: SEED, endOnFailure: true };

it(
  `a key of another type, at any moment, loses nothing once it is put right (${REPEAT})`,
  { timeout: TIMEOUT_MS },
  async () => {
    await fc.assert(fc.asyncProperty(lives(), live), options);
  },
);
