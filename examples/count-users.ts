/**
 * Who is online: isUserConnected, usersCount and usersList, and the events "user has connected" and "user has disconnected". A user
 * with several tabs or devices, on one server or on several, is one user.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/count-users.ts
 *
 * examples/README.md has a client for it.
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

async function isUserConnected(user: string): Promise<boolean> {
  return presence.isOnline(user);
}

async function usersCount(): Promise<number> {
  const { users } = await presence.counts();
  return users;
}

async function usersList(): Promise<string[]> {
  const { users } = await presence.usersList({ max: 1_000 });
  return users.map(({ id }) => id).sort();
}

// Both events fire on every server, so each tells its own clients. A second tab fires nothing.
presence.on("online", (user) => io.local.emit("user has connected", user));
presence.on("offline", (user) => io.local.emit("user has disconnected", user));

presence.on("online", (user) => print("user has connected", user));
presence.on("offline", (user) => print("user has disconnected", user));
async function print(event: string, user: string): Promise<void> {
  const list = (await usersList()).join(", ");
  console.log(
    `${event}: ${user} (connected: ${await isUserConnected(user)}); ${await usersCount()} online: ${list}`,
  );
}

await presence.ready;
server.listen(process.env["PORT"] ?? 3000, () => console.log("listening on", server.address()));

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
async function stop(): Promise<void> {
  await presence.close();
  await io.close();
  await redis.stop();
}
