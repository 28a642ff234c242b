/**
 * One Socket.IO process of a run: counts its sockets, and reports to the driver over IPC who came and went. Ends gracefully
 * on SIGTERM. An unhandled rejection ends it too, which the driver treats as a bug.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { type Change, createPresence } from "../../src/index.ts";
import type { Told } from "./history.ts";
import type { NodeMessage, NodeSettings } from "./messages.ts";
import { HEARD } from "./settings.ts";

const CLOSE_TIMEOUT_MS = 3_000;
/** How often it looks at the size of its mirror. */
const MIRROR_MS = 20;

const settings = JSON.parse(process.env["CHAOS_NODE"]!) as NodeSettings;
const httpServer = createServer();
const io = new Server(httpServer, { transports: ["websocket"] });
const presence = createPresence(io, {
  ...settings,
  rooms: true,
  changes: true,
  user: (socket) => (socket.handshake.auth["user"] as string | undefined) ?? null,
  // What fails and is tried again is what a run is about; only the end of the process would be news.
  logger: { info: note, warn: note, error: note },
});
presence.on("error", ({ code, message }) => note(`${code} ${message}`));
for (const type of ["online", "offline"] as const) {
  presence.on(type, (_, change) => tell({ type: "change", change: plain(change) }));
  for (const room of HEARD)
    presence.in(room).on(type, (_, change) => tell({ type: "moved", room, change: plain(change) }));
}
io.on("connection", (socket) => {
  // Before the client hears that it is connected, so it knows where it is.
  void socket.join(socket.handshake.auth["rooms"] as string[]);
  socket.on("join", (room: string, done: () => void) => {
    void socket.join(room);
    done();
  });
  socket.on("part", (room: string, done: () => void) => {
    void socket.leave(room);
    done();
  });
});

let closing = false;
process.once("SIGTERM", () => {
  closing = true;
  // Close presence first: the sockets that io.close() then closes are already removed.
  void presence
    .close({ timeout: CLOSE_TIMEOUT_MS })
    .then(() => io.close())
    .finally(() => process.disconnect());
});

httpServer.listen(0, "127.0.0.1");
await once(httpServer, "listening");
await presence.ready;
await presence.mirror.ready;
tell({ type: "ready", url: `http://127.0.0.1:${(httpServer.address() as AddressInfo).port}` });

let size = -1;
setInterval(() => {
  if (closing || presence.mirror.size === size) return;
  size = presence.mirror.size;
  tell({ type: "mirror", size });
}, MIRROR_MS).unref();

function plain({ at, ...change }: Change): Told {
  return { ...change, at: at.getTime() };
}

function note(text: string): void {
  tell({ type: "note", text });
}

function tell(message: NodeMessage): void {
  if (process.connected) process.send?.(message);
}
