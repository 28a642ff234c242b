/**
 * A page that shows which of some users are online, over Socket.IO alone: it names them, gets the list, and then each change. The page's part is
 * presence-in-a-page-client.ts.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/presence-in-a-page.ts
 */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { createPresence } from "../src/index.ts";
import { provideRedis } from "../packages/local-redis/src/index.ts";

const redis = await provideRedis();
const server = createServer();
const io = new Server(server);
const presence = createPresence(io, {
  redis: redis.url,
  user: (socket) => socket.handshake.auth["user"] ?? null, // a real application checks a session here
});

const WATCHED_MAX = 100;
const isId = (id: unknown): id is string => typeof id === "string" && id.length > 0 && id.length <= 64;

io.on("connection", (socket) => {
  socket.on("watch", async (ids: unknown, answer: unknown) => {
    if (!Array.isArray(ids) || ids.length > WATCHED_MAX || !ids.every(isId) || typeof answer !== "function")
      return;
    // A real application checks here whether this user may know about them.
    for (const room of socket.rooms)
      if (room.startsWith("watch:") && !ids.includes(room.slice(6))) await socket.leave(room);
    await socket.join(ids.map((id) => `watch:${id}`)); // first: whatever changes from now on is told
    try {
      const { users } = await presence.lookup(ids); // then the list
      answer(users.filter(({ online }) => online).map(({ id }) => id));
    } catch {
      // Redis is away. Without an answer the page asks again.
    }
  });
});

// Both events fire on every server, so each tells its own pages.
presence.on("online", (user) => io.local.to(`watch:${user}`).emit("online", user));
presence.on("offline", (user) => io.local.to(`watch:${user}`).emit("offline", user));
presence.on("gap", () => io.local.emit("watch again"));

await presence.ready;
server.listen(process.env["PORT"] ?? 3000, () => console.log("listening on", server.address()));

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
async function stop(): Promise<void> {
  await presence.close();
  await io.close();
  await redis.stop();
}
