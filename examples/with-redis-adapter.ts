/**
 * Beside @socket.io/redis-adapter. The adapter carries messages between servers; Rollcall counts who is there. They share a Redis and
 * nothing else: each has its own connections and keys. Start it several times with one REDIS_URL.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/with-redis-adapter.ts
 */
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { createPresence } from "../src/index.ts";
import { provideRedis } from "../packages/local-redis/src/index.ts";

const USERS = new Set(["alice", "bob", "carol"]); // those who have an account

const redis = await provideRedis();
const publisher = new Redis(redis.url);
const subscriber = publisher.duplicate();
const server = createServer();
const io = new Server(server, { adapter: createAdapter(publisher, subscriber) });
const presence = createPresence(io, {
  redis: publisher, // its settings are taken over; Rollcall opens connections of its own
  user: ({ handshake: { auth } }) => (USERS.has(auth["user"]) ? auth["user"] : null),
  userRooms: true, // the adapter carries socketsOf() to the other servers
});

// The events fire on every server, so they are emitted locally. `io.emit` would deliver each once per server.
presence.on("online", (user) => io.local.emit("user has connected", user));
presence.on("offline", (user) => io.local.emit("user has disconnected", user));

io.on("connection", (socket) => {
  // A message is sent by one server, so it goes through the adapter.
  socket.on("message", (text) => io.emit("message", text));
  socket.on("whisper", (to, text) => {
    if (USERS.has(to)) presence.socketsOf(to).emit("whisper", text);
  });
});

presence.on("online", async (user) => console.log(`+ ${user}, ${(await presence.counts()).users} online`));
presence.on("offline", async (user) => console.log(`- ${user}, ${(await presence.counts()).users} online`));

await presence.ready;
server.listen(process.env["PORT"] ?? 3000, () => console.log("listening on", server.address()));

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
async function stop(): Promise<void> {
  await presence.close();
  await io.close();
  publisher.disconnect();
  subscriber.disconnect();
  await redis.stop();
}
