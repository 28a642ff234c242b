/**
 * Fastify with Socket.IO on its server: presence as a decorator of the app, and the order in which they close.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/fastify/server.ts
 */
import Fastify from "fastify";
import { Server } from "socket.io";
import { createPresence, type Presence, PresenceError } from "../../src/index.ts";
import { provideRedis } from "../../packages/local-redis/src/index.ts";

declare module "fastify" {
  interface FastifyInstance {
    readonly io: Server;
    readonly presence: Presence;
  }
}

const redis = await provideRedis();
const app = Fastify();
const io = new Server(app.server);
const presence = createPresence(io, {
  redis: redis.url,
  user: (socket) => socket.handshake.auth["user"] ?? null, // a real application checks a session here
});
app.decorate("io", io).decorate("presence", presence);

// preClose runs before Fastify waits for its connections, so the sockets are ended here; and presence goes before them. The other way
// round everybody would be recorded as having left, not as connected to a server that restarts.
app.addHook("preClose", async () => {
  await presence.close();
  await io.close();
});
// onClose runs when the last request has been answered.
app.addHook("onClose", async () => {
  await redis.stop();
});

app.setErrorHandler((error, _request, reply) => {
  if (!(error instanceof PresenceError)) return reply.send(error);
  return reply.code(error.code === "USER_INVALID" ? 400 : 503).send({ error: error.code });
});

app.get("/counts", async () => {
  const { users, sockets } = await app.presence.counts();
  return { users, sockets };
});
app.get<{ Params: { id: string } }>("/users/:id", async ({ params: { id } }) => ({
  id,
  online: await app.presence.isOnline(id),
}));

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void app.close());

await presence.ready;
await app.listen({ port: Number(process.env["PORT"] ?? 3000), host: "127.0.0.1" });
console.log("listening on", app.server.address());
