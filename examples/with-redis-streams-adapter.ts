/**
 * Beside @socket.io/redis-streams-adapter, with connection state recovery. A client whose transport drops comes back with its id, its
 * rooms and the messages it missed; with a `grace` at least as long it has not been offline in between either. Start it several times with one
 * REDIS_URL: a client may come back to another server.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/with-redis-streams-adapter.ts
 */
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { createPresence } from "../src/index.ts";
import { provideRedis } from "../packages/local-redis/src/index.ts";

const AWAY_MS = 30_000;

const redis = await provideRedis();
const client = new Redis(redis.url);
const server = createServer();
const io = new Server(server, {
  adapter: createAdapter(client),
  connectionStateRecovery: { maxDisconnectionDuration: AWAY_MS },
});
const presence = createPresence(io, {
  redis: client, // its settings are taken over; Rollcall opens connections of its own
  user: (socket) => socket.handshake.auth["user"] ?? null,
  rooms: ["news"],
  grace: AWAY_MS,
});

io.on("connection", (socket) => {
  if (socket.recovered) console.log(`recovered ${socket.handshake.auth["user"]}`);
  else void socket.join("news"); // a recovered socket is in it again
  socket.on("message", (text) => io.to("news").emit("message", text));
});

for (const event of ["online", "offline"] as const)
  presence.on(event, async (user) => {
    const { users, sockets } = await presence.in("news").counts();
    console.log(`${event} ${user}; news has ${users} users on ${sockets} sockets`);
  });

await presence.ready;
server.listen(process.env["PORT"] ?? 3000, () => console.log("listening on", server.address()));

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
async function stop(): Promise<void> {
  await presence.close();
  await io.close();
  client.disconnect();
  await redis.stop();
}
