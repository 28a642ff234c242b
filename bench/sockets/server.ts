/**
 * A Socket.IO server of bench/sockets.ts, as a process of its own. KIND is who counts its sockets: `ours` (createPresence), `recipe`
 * (Socket.IO's recipe in connection handlers) or `neither`. Says `{ url }` once it listens, and answers SIGUSR2 with `{ cpu, heap }`:
 * CPU of this process so far, µs, and the heap in use after a collection, bytes.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Redis } from "ioredis";
import { Server, type Socket } from "socket.io";
import { createPresence } from "../../src/index.ts";
import { DOWN } from "../support.ts";

const { KIND: kind, REDIS: redis, NAME: name } = process.env as Record<"KIND" | "REDIS" | "NAME", string>;
const BEAT_MS = 5_000;
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });
const userOf = (socket: Socket) => socket.handshake.auth["user"] as string;

if (kind === "ours") {
  await createPresence(io, { redis, prefix: "sockets", user: userOf }).ready;
} else if (kind === "recipe") {
  const client = new Redis(redis);
  const sha = (await client.script("LOAD", DOWN)) as string;
  const own = `recipe:${name}`;
  await client.set(`${own}:is-up`, "1", "EX", 10);
  setInterval(() => void client.expire(`${own}:is-up`, 10), BEAT_MS);
  io.on("connection", (socket) => {
    const user = userOf(socket);
    void client.multi().hincrby("recipe:users", user, 1).hincrby(own, user, 1).exec();
    socket.on(
      "disconnect",
      () => void client.multi().evalsha(sha, 1, "recipe:users", user).evalsha(sha, 1, own, user).exec(),
    );
  });
}

process.on("SIGUSR2", () => {
  const { user, system } = process.cpuUsage();
  collect();
  // What the first one only unlinked.
  collect();
  process.send!({ cpu: user + system, heap: process.memoryUsage().heapUsed });
});
process.on("disconnect", () => process.exit(0));
await new Promise<void>((resolve) => {
  http.listen(0, "127.0.0.1", resolve);
});
process.send!({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
