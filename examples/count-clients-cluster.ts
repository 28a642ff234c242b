/**
 * The same numbers over several servers: whichever you ask, the answer is for all of them, in one request to Redis and without a
 * Socket.IO adapter. Start it in several terminals with one REDIS_URL, then kill one with `kill -9`: its clients are no longer counted once
 * its lease has ended.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/count-clients-cluster.ts
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3001 node examples/count-clients-cluster.ts
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
  user: () => null,
  namespaces: ["/", "/chat"],
  rooms: ["news"],
  ttl: 3_000, // a killed server is noticed within 3 s; the default is 10 s
});

io.of("/chat");
io.on("connection", (socket) => {
  socket.on("read the news", () => void socket.join("news"));
});

async function counted(): Promise<string> {
  const { connections } = await presence.counts();
  const { scopes } = await presence.countsIn([{ namespace: "/" }, { namespace: "/chat" }, { room: "news" }]);
  const { processes } = await presence.processes();
  const sizes = scopes.map(({ namespace, room, sockets }) => `${room ?? namespace} ${sockets}`);
  const servers = processes.map(({ sockets }) => sockets).sort((a, b) => a - b);
  return `connections ${connections}, ${sizes.join(", ")}; sockets of each server: ${servers.join(", ")}`;
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
