/**
 * Socket.IO with a JSON Web Token: a middleware verifies it, the user is its subject, and the socket ends when the token does.
 *
 *   JWT_SECRET=… REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/jwt-middleware/server.ts
 */
import { createServer } from "node:http";
import { type DefaultEventsMap, Server, type Socket } from "socket.io";
import { createPresence } from "../../src/index.ts";
import { provideRedis } from "../../packages/local-redis/src/index.ts";
import { verified, type Verified } from "./tokens.ts";

/** The longest time that setTimeout takes, ms: 24 days. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const redis = await provideRedis();
const server = createServer();
const io = new Server<DefaultEventsMap, DefaultEventsMap, DefaultEventsMap, Verified>(server);

io.use((socket, next) => void admit(socket, next));
async function admit(socket: Socket, next: (error?: Error) => void): Promise<void> {
  try {
    Object.assign(socket.data, await verified(socket.handshake.auth["token"]));
    next();
  } catch {
    next(new Error("unauthorized")); // no more: the reason helps only those who guess
  }
}

const presence = createPresence(io, {
  redis: redis.url,
  user: (socket) => (socket.data as Verified).user, // called after the middleware
});

io.on("connection", (socket) => {
  const left = socket.data.expires - Date.now();
  const timer = setTimeout(() => socket.disconnect(), Math.min(left, TIMER_MS_MAX));
  socket.on("disconnect", () => clearTimeout(timer));
  socket.on("who is online", async (answer: unknown) => {
    if (typeof answer !== "function") return;
    try {
      const { users } = await presence.usersList({ max: 1_000 });
      answer({ users: users.map(({ id }) => id).sort() });
    } catch {
      answer({ error: "not known now" });
    }
  });
});

await presence.ready;
server.listen(Number(process.env["PORT"] ?? 3000), () => console.log("listening on", server.address()));

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
async function stop(): Promise<void> {
  await presence.close();
  await io.close();
  await redis.stop();
}
