/** One number in Redis, up with each socket and down with each that closes. */
import { Redis } from "ioredis";
import type { Server } from "socket.io";
import type { Way } from "../shadow.ts";

const KEY = "clients";

export async function before(io: Server, url: string): Promise<Way> {
  const redis = new Redis(url);
  redis.on("error", console.error);
  io.on("connection", (socket) => {
    redis.incr(KEY).catch(console.error);
    // What a killed process has counted is never taken back, and a command that fails is a count that is wrong for good.
    socket.on("disconnect", () => void redis.decr(KEY).catch(console.error));
  });
  return {
    ask: {
      async clientsCount() {
        return Number((await redis.get(KEY)) ?? 0);
      },
    },
    async release() {
      await redis.quit(); // after the decrements
    },
  };
}
