/** The same questions answered by presence. Hashes, heartbeat, scripts and sweep are gone, and `online` and `offline` are told. */
import type { Server } from "socket.io";
import { createPresence } from "../../../src/index.ts";
import type { Way } from "../shadow.ts";

export async function after(io: Server, redis: string): Promise<Way> {
  const presence = createPresence(io, {
    redis,
    user: (socket) => socket.handshake.auth["user"] ?? null,
    ttl: 3_000, // a killed server is noticed within 3 s; the default is 10 s
  });
  presence.on("online", (user) => console.log(`online: ${user}`));
  presence.on("offline", (user, { cause }) => console.log(`offline: ${user} (${cause})`));
  await presence.ready;
  return {
    ask: {
      isUserConnected: (user) => presence.isOnline(user),
      usersCount: async () => (await presence.counts()).users,
      async usersList() {
        const { users } = await presence.usersList({ max: 10_000 });
        return users.map(({ id }) => id).sort();
      },
    },
    close: () => presence.close(),
  };
}
