/**
 * One Socket.IO process of the demo, written like an application: it counts its sockets with Rollcall, tells its clients which
 * users come online and go offline, and says goodbye on SIGTERM. It also reports the changes it receives to the demo.
 *
 * Started by cluster.ts with REDIS_URL, ROLLCALL_PREFIX, DEMO_TTL and DEMO_GRACE (ms) in its environment.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { type Change, createPresence } from "../../src/index.ts";
import type { NodeMessage } from "./messages.ts";

const HOST = "127.0.0.1";
/** Redis is local: if it does not answer by then, the lease has to expire. */
const CLOSE_TIMEOUT_MS = 2_000;

const { REDIS_URL, ROLLCALL_PREFIX, DEMO_TTL, DEMO_GRACE } = process.env;
if (REDIS_URL === undefined) throw new Error("REDIS_URL is not set: this file is started by the demo");

const httpServer = createServer();
const io = new Server(httpServer, { transports: ["websocket"] });
const presence = createPresence(io, {
  redis: REDIS_URL,
  prefix: ROLLCALL_PREFIX,
  ttl: Number(DEMO_TTL),
  grace: Number(DEMO_GRACE),
  rooms: true,
  history: true,
  // A real application verifies a session or a token here.
  user: (socket) =>
    typeof socket.handshake.auth["user"] === "string" ? socket.handshake.auth["user"] : null,
});

const ROOMS = ["lobby", "news", "support", "design", "games"];

// As in an application: everybody is in the first, and each further room has fewer.
io.on("connection", (socket) => {
  const chance = (Number.parseInt(Buffer.from(socket.id).toString("hex").slice(-6), 16) % 100) / 100;
  void socket.join(ROOMS.filter((_, i) => chance < 1 / (i + 1)));
});

// The answer arrives after everything sent to the client before: a socket keeps the order of its packets.
io.on("connection", (socket) => {
  socket.on("all told", (answer: () => void) => answer());
});

presence.on("online", (user, change) => {
  io.local.emit("user has connected", user);
  tellChange(change);
});
presence.on("offline", (user, change) => {
  io.local.emit("user has disconnected", user);
  tellChange(change);
});

process.once("SIGTERM", () => {
  // Goodbye first: the sockets that io.close() then closes are no longer counted.
  void presence
    .close({ timeout: CLOSE_TIMEOUT_MS })
    .then(() => io.close())
    .finally(() => process.disconnect());
});

httpServer.listen(0, HOST);
await once(httpServer, "listening");
await presence.ready;
const { port } = httpServer.address() as AddressInfo;
tell({ type: "ready", url: `http://${HOST}:${port}`, processIds: presence.processIds });

function tellChange({ at, ...change }: Change): void {
  tell({ type: "change", change: { ...change, at: at.getTime() } });
}

function tell(message: NodeMessage): void {
  if (process.connected) process.send?.(message);
}
