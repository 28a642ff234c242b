/**
 * A Socket.IO server as a separate process, for tests that kill, stop and drain one. Messages over IPC:
 * out `{ ready: url }`, `{ change: "+alice connect" }`, `{ error: code }`; in `"drain"`, which SIGTERM does too. With `billing`, an address, it
 * serves a durable subscriber that posts each departure there, with the delivery's id and the id of this process in headers.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { createPresence } from "../src/index.ts";

const { billing, ...options } = JSON.parse(process.env["NODE_OPTIONS_JSON"]!) as {
  redis: string;
  billing?: string;
};
const http = createServer();
const io = new Server(http);
const presence = createPresence(io, {
  ...options,
  user: (socket) => (socket.handshake.auth["user"] as string | undefined) ?? null,
  logger: { info() {}, warn() {}, error() {} },
});
presence.on("online", (user, { cause }) => process.send!({ change: `+${user} ${cause}` }));
presence.on("offline", (user, { cause }) => process.send!({ change: `-${user} ${cause}` }));
presence.on("error", ({ code }) => process.send!({ error: code }));

if (billing !== undefined) {
  presence.subscribe(
    "billing",
    async (change, { id, signal }) => {
      if (change.type === "gap") return;
      const headers = { "idempotency-key": id, "x-process": String(process.pid) };
      const answer = await fetch(billing, { method: "POST", headers, body: change.user, signal });
      if (!answer.ok) throw new Error(`answered ${answer.status}`);
    },
    { filter: { types: ["offline"] }, from: "start", turn: 1_500, retries: Array<number>(100).fill(100) },
  );
}

async function drain(): Promise<void> {
  await presence.close();
  await io.close();
  process.disconnect();
}
process.on("message", (message) => {
  if (message === "drain") void drain();
});
process.once("SIGTERM", () => void drain());
process.on("disconnect", () => process.exit(0));

await new Promise<void>((resolve) => {
  http.listen(0, "127.0.0.1", resolve);
});
await presence.ready;
process.send!({ ready: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
