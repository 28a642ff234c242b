/**
 * "Alice is typing" beside presence. Typing is not presence: it lasts seconds, may be lost, and nobody asks later who was typing. So it
 * goes from tab to tab as a volatile event and is stored nowhere. Presence says when somebody is gone who can no longer stop typing.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/typing/server.ts
 */
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { createPresence } from "../../src/index.ts";
import { provideRedis } from "../../packages/local-redis/src/index.ts";

const ROOM = "news";

const redis = await provideRedis();
const client = new Redis(redis.url);
client.on("error", () => {}); // it reconnects; presence logs the outage
const server = createServer();
const io = new Server(server, { adapter: createAdapter(client) }); // typing crosses servers by the adapter

const userOf = (auth: Record<string, unknown>) => (typeof auth["user"] === "string" ? auth["user"] : null);
const presence = createPresence(io, {
  redis: redis.url,
  user: (socket) => userOf(socket.handshake.auth), // a real application checks a session here
  rooms: [ROOM],
  changes: [ROOM], // so that the room has events
  ttl: 3_000, // a killed server is noticed within 3 s; the default is 10 s
});

io.on("connection", (socket) => {
  const user = userOf(socket.handshake.auth);
  if (user === null) return;
  void socket.join(ROOM);
  // The user is the one whom the server knows, never what the event says.
  socket.on("typing", () => socket.volatile.to(ROOM).emit("typing", user));
  socket.on("message", (text: unknown) => {
    if (typeof text === "string" && text.length <= 2_000) io.to(ROOM).emit("message", user, text);
  });
});

// Every server has this event, also when another one was killed, so each tells its own clients.
presence.in(ROOM).on("offline", (user) => io.local.to(ROOM).emit("stopped typing", user));

await presence.ready;
server.listen(Number(process.env["PORT"] ?? 3000), () => console.log("listening on", server.address()));

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
async function stop(): Promise<void> {
  await presence.close();
  await io.close();
  client.disconnect();
  await redis.stop();
}
