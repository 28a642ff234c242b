/** One read of Redis for each question; no server is asked. Keep the adapter for your events: answers no longer need it. */
import type { Server } from "socket.io";
import { createPresence } from "../../../src/index.ts";
import type { Way } from "../shadow.ts";

export async function after(io: Server, redis: string): Promise<Way> {
  const presence = createPresence(io, {
    redis,
    user: (socket) => socket.handshake.auth["user"] ?? null,
    rooms: (room) => !room.startsWith("user:"), // those of the old way are not asked about any more
    ttl: 3_000, // a killed server is noticed within 3 s; the default is 10 s
  });
  await presence.ready;
  return {
    ask: {
      isUserConnected: (user) => presence.isOnline(user),
      socketsCount: async () => (await presence.counts()).sockets,
      roomCount: async (room) => (await presence.in(room).counts()).sockets,
    },
    close: () => presence.close(),
  };
}
