/**
 * A minimal application: a Socket.IO server that tells its clients which users come online and go offline, whichever process
 * they are connected to. Start it twice with the same REDIS_URL and different PORTs to get a cluster.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/server.ts
 *
 * Without REDIS_URL it starts a temporary Redis, which a real application would not do.
 */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { createPresence } from "../src/index.ts";
import { provideRedis } from "../packages/local-redis/src/index.ts";

const redis = await provideRedis();
const httpServer = createServer();
const io = new Server(httpServer);

const presence = createPresence(io, {
  redis: redis.url,
  // Verify a session or a token here. null: an anonymous visitor, counted as a socket only.
  user: (socket) =>
    typeof socket.handshake.auth["user"] === "string" ? socket.handshake.auth["user"] : null,
  // A user who reloads the page, or whose server restarts, stays online.
  grace: 5_000,
});

// Every process receives every change, so each informs its own clients.
presence.on("online", (user) => io.local.emit("user has connected", user));
presence.on("offline", (user) => io.local.emit("user has disconnected", user));

async function stop(): Promise<void> {
  await presence.close();
  await io.close();
  await redis.stop();
}
process.once("SIGINT", () => void stop());
process.once("SIGTERM", () => void stop());

try {
  await presence.ready;
} catch (error) {
  // Not within 10 s (`readyTimeout`). A server that can do without presence for a while would listen all the same.
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
const port = Number(process.env["PORT"] ?? 3000);
httpServer.listen(port, () => console.log(`listening on port ${port}`));
