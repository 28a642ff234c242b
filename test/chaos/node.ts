/**
 * One Socket.IO process of a run: counts its sockets, and reports to the driver over IPC who came and went. Ends gracefully
 * on SIGTERM. An unhandled rejection ends it too, which the driver treats as a bug.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { type Change, createPresence } from "../../src/index.ts";
import type { NodeMessage, NodeSettings } from "./messages.ts";

const CLOSE_TIMEOUT_MS = 3_000;
/** How often it looks at the size of its mirror. */
const MIRROR_MS = 20;

const settings = JSON.parse(process.env["CHAOS_NODE"]!) as NodeSettings;
const httpServer = createServer();
const io = new Server(httpServer, { transports: ["websocket"] });
const presence = createPresence(io, {
  ...settings,
  user: (socket) => (socket.handshake.auth["user"] as string | undefined) ?? null,
  // What fails and is tried again is what a run is about; only the end of the process would be news.
  logger: { info: note, warn: note, error: note },
});
presence.on("error", ({ code, message }) => note(`${code} ${message}`));
for (const type of ["online", "offline"] as const) presence.on(type, (_, change) => tellChange(change));

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

function tellChange({ at, ...change }: Change): void {
  tell({ type: "change", change: { ...change, at: at.getTime() } });
}

function note(text: string): void {
  tell({ type: "note", text });
}

function tell(message: NodeMessage): void {
  if (process.connected) process.send?.(message);
}
