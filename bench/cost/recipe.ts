/**
 * The data model of Socket.IO's recipe for counting users, doing the same work: two counters per connect, two calls of a small
 * script per disconnect, a heartbeat and a check of the other processes every 5 s.
 */
import type { ChainableCommander, Redis } from "ioredis";
import type { Meter } from "./meter.ts";
import type { Session } from "./sessions.ts";

const EVERY_MS = 5_000;
const AT_ONCE = 500;

const DOWN = `
local n = redis.call('HINCRBY', KEYS[1], ARGV[1], -1)
if n == 0 then redis.call('HDEL', KEYS[1], ARGV[1]) end
return n`;

const USERS = "recipe:users";
const OWN_USERS = "recipe:p:users";
const IS_UP = "recipe:p:is-up";
const PROCESSES = "recipe:processes";

export async function recipeCost(
  redis: Redis,
  meter: Meter,
  nodes: number,
  sessions: readonly Session[],
): Promise<number> {
  const sha = (await redis.script("LOAD", DOWN)) as string;
  await redis.sadd(PROCESSES, "p");
  await redis.set(IS_UP, "1");
  const pairs = await meter(async () => {
    for (let i = 0; i < sessions.length; i += AT_ONCE) {
      const some = sessions.slice(i, i + AT_ONCE);
      // Sent together, so that measuring takes no time; the commands are the same.
      const all = (run: (transaction: ChainableCommander, user: string) => ChainableCommander) =>
        Promise.all(some.map(({ user }) => run(redis.multi(), user).exec()));
      await all((transaction, user) => transaction.hincrby(USERS, user, 1).hincrby(OWN_USERS, user, 1));
      await all((transaction, user) =>
        transaction.evalsha(sha, 1, USERS, user).evalsha(sha, 1, OWN_USERS, user),
      );
    }
  });
  return pairs + (await recipeIdleCost(redis, meter, nodes, sessions.at(-1)!.to));
}

/** Commands during `ms` without a session: heartbeats and checks of the other processes. */
export async function recipeIdleCost(redis: Redis, meter: Meter, nodes: number, ms: number): Promise<number> {
  const beats = await meter(async () => {
    for (let node = 0; node < nodes; node++) await redis.expire(IS_UP, 10);
  });
  return beats * Math.floor(ms / EVERY_MS) + (await recipeSweepCost(redis, meter, ms));
}

/** Commands to check the other processes during `ms`, which one process does for all; by default once. */
export async function recipeSweepCost(redis: Redis, meter: Meter, ms = EVERY_MS): Promise<number> {
  const once = await meter(async () => {
    await redis.smembers(PROCESSES);
    await redis.mget(IS_UP);
  });
  return once * Math.floor(ms / EVERY_MS);
}
