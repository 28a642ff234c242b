/** One worker: a Socket.IO server and a presence, which is one process in Redis. GET /online says which workers there are. */
import { createServer, type ServerResponse } from "node:http";
import { createAdapter } from "@socket.io/cluster-adapter";
import { setupWorker } from "@socket.io/sticky";
import { Server } from "socket.io";
import { createPresence } from "../../src/index.ts";

const server = createServer((request, response) => {
  if (request.url === "/online") void online(response);
  else response.writeHead(404).end();
});
const io = new Server(server, { adapter: createAdapter() });
setupWorker(io);
const presence = createPresence(io, {
  redis: process.env["REDIS_URL"]!,
  user: (socket) => socket.handshake.auth["user"] ?? null, // a real application checks a session here
  ttl: 3_000, // a killed worker's users are offline within 3 s, unless they have connected to another; the default is 10 s
});

async function online(response: ServerResponse): Promise<void> {
  try {
    const { users } = await presence.usersList({ max: 1_000 });
    const { processes } = await presence.processes();
    const live = processes.filter(({ state }) => state === "live");
    const workers = live.map(({ pid, sockets }) => ({ pid, sockets }));
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ online: users.map(({ id }) => id).sort(), workers }));
  } catch {
    response.writeHead(503).end();
  }
}

for (const event of ["online", "offline"] as const)
  presence.on(event, (user, { cause }) => {
    console.log(`worker ${process.pid}: ${user} is ${event} (${cause})`);
    io.local.emit(event, user);
  });

process.on("SIGINT", () => {}); // Ctrl-C reaches the workers as well; they wait for the primary
process.once("SIGTERM", () => void stop());
async function stop(): Promise<void> {
  await presence.close();
  await io.close();
  process.exit();
}

await presence.ready;
process.send!("ready");
