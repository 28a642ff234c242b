/**
 * One instance of PM2's cluster mode: ready when presence is, and gone after a goodbye.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 npx pm2 start examples/pm2/ecosystem.config.cjs
 */
import { createServer, type ServerResponse } from "node:http";
import { Server } from "socket.io";
import { createPresence } from "../../src/index.ts";

const server = createServer((request, response) => {
  if (request.url === "/online") void online(response);
  else response.writeHead(404).end();
});

// PM2 hands connections to the instances in turn. Long polling would need all requests of a client on one instance; a WebSocket is
// one connection, so it stays where it is. Clients have to ask for it too: io(url, { transports: ["websocket"] }).
const io = new Server(server, { transports: ["websocket"] });
const presence = createPresence(io, {
  redis: process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379",
  user: (socket) => socket.handshake.auth["user"] ?? null, // a real application checks a session here
  grace: 5_000, // a client that reconnects within 5 s to another instance was never offline: `pm2 reload` is silent
});
presence.on("online", (user) => io.local.emit("user has connected", user));
presence.on("offline", (user) => io.local.emit("user has disconnected", user));

async function online(response: ServerResponse): Promise<void> {
  try {
    const { users } = await presence.usersList({ max: 1_000 });
    const { processes } = await presence.processes();
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({
        online: users.map(({ id }) => id).sort(),
        instances: processes.filter(({ state }) => state === "live").map(({ pid }) => pid),
      }),
    );
  } catch {
    response.writeHead(503).end();
  }
}

process.once("SIGINT", () => void stop()); // what PM2 sends
process.once("SIGTERM", () => void stop());
async function stop(): Promise<void> {
  await presence.close();
  await io.close();
  process.exit();
}

await presence.ready;
server.listen(Number(process.env["PORT"] ?? 3000), () => process.send?.("ready"));
