/**
 * Beside @socket.io/cluster-adapter and @socket.io/sticky: several processes on one machine behind one port.
 *
 * The primary accepts connections and passes each to a worker, all requests of a session to the same one (sticky). It carries the
 * adapter's messages between the workers and replaces a worker that dies. It has no sockets, so no Socket.IO server and no presence.
 * Each worker has a Socket.IO server and a presence of its own, which is one process in Redis.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/with-cluster-adapter.ts
 */
import cluster, { type Worker } from "node:cluster";
import { createServer } from "node:http";
import { createAdapter, setupPrimary } from "@socket.io/cluster-adapter";
import { setupMaster, setupWorker } from "@socket.io/sticky";
import { Server } from "socket.io";
import { createPresence } from "../src/index.ts";
import { provideRedis } from "../packages/local-redis/src/index.ts";

const USERS = new Set(["alice", "bob", "carol"]); // those who have an account

await (cluster.isPrimary ? primary() : worker());

async function primary(): Promise<void> {
  const redis = await provideRedis();
  cluster.setupPrimary({ serialization: "advanced" }); // what passes between the processes is binary
  const server = createServer();
  setupMaster(server, { loadBalancingMethod: "round-robin" });
  setupPrimary();
  const fork = () => cluster.fork({ REDIS_URL: redis.url });
  await Promise.all([fork(), fork()].map(isReady)); // as many as you have cores
  cluster.on("exit", fork);
  server.listen(process.env["PORT"] ?? 3000, () => console.log("listening on", server.address()));

  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
  async function stop(): Promise<void> {
    server.close();
    cluster.off("exit", fork);
    const workers = Object.values(cluster.workers ?? {});
    const ended = workers.map((worker) => new Promise((resolve) => worker!.once("exit", resolve)));
    for (const worker of workers) worker!.process.kill("SIGTERM");
    await Promise.all(ended);
    await redis.stop();
    process.exit(); // what clients still hold open ends with it
  }
}

function isReady(worker: Worker): Promise<void> {
  return new Promise((resolve) => worker.on("message", (message) => message === "ready" && resolve()));
}

async function worker(): Promise<void> {
  const io = new Server(createServer(), { adapter: createAdapter() });
  setupWorker(io);
  const presence = createPresence(io, {
    redis: process.env["REDIS_URL"]!,
    user: ({ handshake: { auth } }) => (USERS.has(auth["user"]) ? auth["user"] : null),
    userRooms: true,
    ttl: 3_000, // a killed worker's users are offline within 3 s, unless they have connected to another
  });
  const print = async (sign: string, user: string) =>
    console.log(`worker ${process.pid}: ${sign} ${user}, ${(await presence.counts()).users} online`);
  presence.on("online", (user) => print("+", user));
  presence.on("offline", (user) => print("-", user));
  io.on("connection", (socket) => {
    socket.on("whisper", (to, text) => {
      if (USERS.has(to)) presence.socketsOf(to).emit("whisper", text);
    });
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
}
