/**
 * Counts of sockets by user: a hash for the cluster, and one for each process so that somebody can subtract it when that process is gone. A
 * key with an expiry says that a process lives, and a sweep looks for those that do not.
 */
import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import type { Server } from "socket.io";
import type { Way } from "../shadow.ts";

const ALIVE_S = 3; // 10 or so where nobody waits for it
const SWEEP_MS = 1_000;

const ADD = `
local left = redis.call("HINCRBY", KEYS[1], ARGV[1], ARGV[2])
if left <= 0 then redis.call("HDEL", KEYS[1], ARGV[1]) end
if redis.call("HINCRBY", KEYS[2], ARGV[1], ARGV[2]) <= 0 then redis.call("HDEL", KEYS[2], ARGV[1]) end
return left`;
const SUBTRACT = `
local own = redis.call("HGETALL", KEYS[2])
for i = 1, #own, 2 do
  if redis.call("HINCRBY", KEYS[1], own[i], -own[i + 1]) <= 0 then redis.call("HDEL", KEYS[1], own[i]) end
end
redis.call("DEL", KEYS[2])
redis.call("SREM", KEYS[3], ARGV[1])`;

export async function before(io: Server, url: string): Promise<Way> {
  const redis = new Redis(url);
  redis.on("error", console.error);
  const id = randomUUID();
  const ownKey = (process: string) => `counting:users:${process}`;
  const aliveKey = (process: string) => `counting:alive:${process}`;

  await redis.multi().sadd("counting:processes", id).set(aliveKey(id), 1, "EX", ALIVE_S).exec();
  async function sweep(): Promise<void> {
    await redis.set(aliveKey(id), 1, "EX", ALIVE_S);
    for (const one of await redis.smembers("counting:processes"))
      if ((await redis.exists(aliveKey(one))) === 0)
        await redis.eval(SUBTRACT, 3, "counting:users", ownKey(one), "counting:processes", one);
    // Whose users are gone now? That nobody is told.
  }
  const timer = setInterval(() => void sweep().catch(console.error), SWEEP_MS);

  io.on("connection", (socket) => {
    const user = String(socket.handshake.auth["user"]);
    const add = (by: number) =>
      redis.eval(ADD, 2, "counting:users", ownKey(id), user, by).catch(console.error);
    void add(1);
    socket.on("disconnect", () => void add(-1));
  });
  return {
    ask: {
      isUserConnected: async (user) => (await redis.hexists("counting:users", user)) === 1,
      usersCount: () => redis.hlen("counting:users"),
      usersList: async () => (await redis.hkeys("counting:users")).sort(),
    },
    async release() {
      clearInterval(timer);
      await redis.eval(SUBTRACT, 3, "counting:users", ownKey(id), "counting:processes", id);
      await redis.quit();
    },
  };
}
