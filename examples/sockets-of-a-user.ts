/**
 * Act on all sockets of a user, on every server: where they are, send to them, let them join a room, disconnect them. Start it several
 * times with one REDIS_URL; any of them reaches all. A real application puts its own authorisation before these routes.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/sockets-of-a-user.ts
 *   curl "http://127.0.0.1:3000/where?user=alice"       # and /notify, /join, /disconnect
 */
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { createPresence } from "../src/index.ts";
import { provideRedis } from "../packages/local-redis/src/index.ts";

const redis = await provideRedis();
const [publisher, subscriber] = [new Redis(redis.url), new Redis(redis.url)];

const actions: Record<string, (user: string) => Promise<string>> = {
  async "/where"(user) {
    const { processes } = await presence.user(user); // read from Redis; no adapter is needed
    return `${user}: ${processes.map(({ id, sockets }) => `${sockets} on ${id}`).join(", ") || "nowhere"}`;
  },
  async "/notify"(user) {
    const notice = presence.socketsOf(user).timeout(5_000);
    const answers = await notice.emitWithAck("notice", "Your invoice is ready");
    return `${user}: ${answers.length} received it`;
  },
  async "/join"(user) {
    presence.socketsOf(user).socketsJoin("invoices");
    return `${user}: joining`;
  },
  async "/disconnect"(user) {
    presence.socketsOf(user).disconnectSockets(true);
    return `${user}: being disconnected`;
  },
};

async function answer(url = "/"): Promise<string> {
  const { pathname, searchParams } = new URL(url, "http://localhost");
  const action = actions[pathname] ?? (async () => `try ${Object.keys(actions).join(", ")}`);
  const line = await action(searchParams.get("user") ?? "").catch(String);
  console.log(line);
  return `${line}\n`;
}

const server = createServer(({ url }, response) => {
  void answer(url).then((text) => response.end(text));
});

const io = new Server(server, { adapter: createAdapter(publisher, subscriber) });
const presence = createPresence(io, {
  redis: redis.url,
  user: (socket) => socket.handshake.auth["user"] ?? null,
  userRooms: true, // each socket is in a room of its user
});
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
