/**
 * A Socket.IO server with rooms and @socket.io/redis-adapter as a separate process. Clients ask it to be in rooms, and are answered with the
 * rooms they are in. Messages over IPC: out `{ ready: url }`, `{ moved: "/,r0 +alice connect" }`, `{ gap: "/,r0 reason" }`, `{ error: code }`, and
 * `{ arrived: id }` when the Move with this id has arrived here through the adapter; in `"drain"` and a Move.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { scopeOf } from "../src/core/scope.ts";
import { createPresence } from "../src/index.ts";

export interface RoomsProcessOptions {
  readonly redis: string;
  readonly prefix: string;
  readonly namespaces: readonly string[];
  /** Rooms whose changes are said. */
  readonly follow: readonly { readonly namespace: string; readonly room: string }[];
  readonly ttl: number;
  readonly grace: number;
  readonly shards: number;
}

/** What another server does to all sockets in a room, wherever they are. */
export interface Move {
  /** Each greater than the one before. */
  readonly id: number;
  readonly namespace: string;
  readonly room: string;
  readonly into?: string;
  readonly outOf?: string;
}

const { follow, ...options } = JSON.parse(process.env["ROOMS_OPTIONS_JSON"]!) as RoomsProcessOptions;
const http = createServer();
const pub = new Redis(options.redis);
const sub = new Redis(options.redis);
const io = new Server(http, { adapter: createAdapter(pub, sub, { key: options.prefix }) });
// Over the connections of the adapter, so that it comes after what the adapter sent before.
const arrivals = `${options.prefix} arrivals`;
await sub.subscribe(arrivals);
sub.on("message", (channel: string, id: string) => {
  if (channel === arrivals) process.send!({ arrived: Number(id) });
});
const presence = createPresence(io, {
  ...options,
  rooms: true,
  changes: true,
  user: (socket) => (socket.handshake.auth["user"] as string | undefined) ?? null,
  logger: { info() {}, warn() {}, error() {} },
});
presence.on("error", ({ code }) => process.send!({ error: code }));
for (const { namespace, room } of follow) {
  const scope = scopeOf(namespace, room);
  const followed = presence.of(namespace).in(room);
  followed.on("online", (user, { cause }) => process.send!({ moved: `${scope} +${user} ${cause}` }));
  followed.on("offline", (user, { cause }) => process.send!({ moved: `${scope} -${user} ${cause}` }));
  followed.on("gap", ({ reason }) => process.send!({ gap: `${scope} ${reason}` }));
}
for (const namespace of options.namespaces)
  io.of(namespace).on("connection", (socket) => {
    const rooms = () => [...socket.rooms].filter((room) => room !== socket.id).sort();
    socket.on("join", async (room: string, answer: (rooms: string[]) => void) => {
      await socket.join(room);
      answer(rooms());
    });
    socket.on("leave", async (room: string, answer: (rooms: string[]) => void) => {
      await socket.leave(room);
      answer(rooms());
    });
    socket.on("rooms", (answer: (rooms: string[]) => void) => answer(rooms()));
  });

function act({ id, namespace, room, into, outOf }: Move): void {
  if (into !== undefined) io.of(namespace).in(room).socketsJoin(into);
  if (outOf !== undefined) io.of(namespace).in(room).socketsLeave(outOf);
  void pub.publish(arrivals, String(id));
}

async function drain(): Promise<void> {
  await presence.close();
  await io.close();
  process.disconnect();
}
process.on("message", (message: "drain" | Move) => {
  if (message === "drain") void drain();
  else act(message);
});
process.on("disconnect", () => process.exit(0));

await new Promise<void>((resolve) => {
  http.listen(0, "127.0.0.1", resolve);
});
await presence.ready;
process.send!({ ready: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
