/**
 * fetchSockets(), which asks every server each time. Every answer carries all it has about every socket, and comes as late as the
 * slowest server: one that is stuck, or was killed a moment ago, holds all of them up until the request times out.
 */
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import type { Server } from "socket.io";
import type { Way } from "../shadow.ts";

export async function before(io: Server, url: string): Promise<Way> {
  const [publisher, subscriber] = [new Redis(url), new Redis(url)];
  for (const client of [publisher, subscriber]) client.on("error", console.error);
  io.adapter(createAdapter(publisher, subscriber, { requestsTimeout: 2_000 }));
  io.on("connection", (socket) => void socket.join(`user:${socket.handshake.auth["user"]}`));

  return {
    ask: {
      isUserConnected: async (user) => (await io.in(`user:${user}`).fetchSockets()).length > 0,
      socketsCount: async () => (await io.fetchSockets()).length,
      roomCount: async (room) => (await io.in(room).fetchSockets()).length,
    },
    async release() {
      publisher.disconnect();
      subscriber.disconnect();
    },
  };
}
