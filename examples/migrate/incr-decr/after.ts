/** The same number from presence. */
import type { Server } from "socket.io";
import { createPresence } from "../../../src/index.ts";
import type { Way } from "../shadow.ts";

export async function after(io: Server, redis: string): Promise<Way> {
  const presence = createPresence(io, {
    redis,
    user: () => null, // only sockets are asked for
    ttl: 3_000, // a killed server is noticed within 3 s; the default is 10 s
  });
  await presence.ready;
  return {
    ask: {
      async clientsCount() {
        const { sockets } = await presence.counts();
        return sockets;
      },
    },
    close: () => presence.close(),
  };
}
