/**
 * A Socket.IO server of bench/rooms.ts, as a process of its own: every socket is in one room. @socket.io/redis-adapter uses the Redis of ADAPTER,
 * Rollcall that of PRESENCE. Says `{ url }` once it listens. Gets `{ id, ask, times }` as JSON: asks `times` times, one after the other, how many
 * are in the room, by `counts` (presence) or by `fetch` (fetchSockets), and says `{ id, ms, sockets }` or `{ id, ms, error }`; `ms` of one answer.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { createPresence } from "../../src/index.ts";

export interface Question {
  readonly id: number;
  readonly ask: "counts" | "fetch";
  readonly times: number;
}

export interface Answer {
  readonly id: number;
  readonly ms: number;
  readonly sockets?: number;
  readonly error?: string;
}

const { ADAPTER: adapter, PRESENCE: redis, TTL: ttl } = process.env as Record<string, string>;
const ROOM = "room";

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  adapter: createAdapter(new Redis(adapter!), new Redis(adapter!)),
  // So that nothing but the answers is measured.
  pingInterval: 3_600_000,
});
const presence = createPresence(io, {
  redis: redis!,
  prefix: "rooms",
  ttl: Number(ttl),
  rooms: [ROOM],
  user: (socket) => socket.handshake.auth["user"] as string,
});
await presence.ready;
io.on("connection", (socket) => void socket.join(ROOM));

const asks: Record<Question["ask"], () => Promise<number>> = {
  counts: async () => (await presence.in(ROOM).counts()).sockets,
  fetch: async () => (await io.in(ROOM).fetchSockets()).length,
};

async function answer({ id, ask, times }: Question): Promise<Answer> {
  const began = performance.now();
  const ms = () => (performance.now() - began) / times;
  try {
    let sockets = 0;
    for (let i = 0; i < times; i++) sockets = await asks[ask]();
    return { id, ms: ms(), sockets };
  } catch (error) {
    return { id, ms: ms(), error: (error as Error).message };
  }
}

process.on("message", (text: string) => {
  void answer(JSON.parse(text) as Question).then((said) => process.send!(said));
});
process.on("disconnect", () => process.exit(0));
await new Promise<void>((resolve) => {
  http.listen(0, "127.0.0.1", resolve);
});
process.send!({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
