/**
 * How many clients are connected: low-level connections, and the sockets of the main namespace, of another namespace and of a room.
 * A connection can carry a socket in each namespace, so these are different numbers.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/count-clients.ts
 *
 * On one server Socket.IO has the same numbers in memory. The line shows them in brackets; they count this process only, so
 * Rollcall's are the ones that stay right when a second server is added. Your application imports from "rollcall" and has its own Redis.
 */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { createPresence, type PresenceError } from "../src/index.ts";
import { provideRedis } from "../packages/local-redis/src/index.ts";

const redis = await provideRedis();
const server = createServer();
const io = new Server(server);
const presence = createPresence(io, {
  redis: redis.url,
  user: () => null, // only sockets are asked for here
  namespaces: ["/", "/chat"], // whose sockets are counted
  rooms: ["news"], // in each of these namespaces
});

io.of("/chat"); // so that clients can connect to it
io.on("connection", (socket) => {
  socket.on("read the news", () => void socket.join("news"));
});

async function counted(): Promise<string> {
  const { connections } = await presence.counts();
  const main = await presence.of("/").counts();
  const chat = await presence.of("/chat").counts();
  const news = await presence.in("news").counts();
  return (
    `connections ${connections} (${io.engine.clientsCount}), main namespace ${main.sockets} (${io.of("/").sockets.size}), ` +
    `/chat ${chat.sockets} (${io.of("/chat").sockets.size}), room news ${news.sockets} (${io.of("/").adapter.rooms.get("news")?.size ?? 0})`
  );
}

await presence.ready;
server.listen(process.env["PORT"] ?? 3000, () => console.log("listening on", server.address()));

let last = "";
async function print(): Promise<void> {
  const line = await counted().catch((error: PresenceError) => `not known: ${error.code}`);
  if (line !== last) console.log((last = line));
}
const timer = setInterval(() => void print(), 500);

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
async function stop(): Promise<void> {
  clearInterval(timer);
  await presence.close();
  await io.close();
  await redis.stop();
}
