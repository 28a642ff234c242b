/**
 * Node's cluster with sticky sessions: workers behind one port, as many as there are cores. The primary carries the adapter's messages
 * and replaces a worker that dies. It has no sockets, so no Socket.IO server and no presence.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/node-cluster/main.ts
 */
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { createServer } from "node:http";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setupPrimary } from "@socket.io/cluster-adapter";
import { setupMaster } from "@socket.io/sticky";
import { provideRedis } from "../../packages/local-redis/src/index.ts";

/** A worker that dies sooner than this is replaced only then, ms: one that cannot start must not use up the machine. */
const RESTART_MS = 1_000;

const redis = await provideRedis();
const server = createServer();
setupMaster(server, { loadBalancingMethod: "round-robin" });
setupPrimary();
cluster.setupPrimary({ exec: join(import.meta.dirname, "worker.ts"), serialization: "advanced" });

let isStopping = false;
const timers = new Set<NodeJS.Timeout>();
function start(): Worker {
  const started = Date.now();
  const worker = cluster.fork({ REDIS_URL: redis.url });
  worker.once("exit", (code, signal) => {
    if (isStopping) return;
    console.log(`worker ${worker.process.pid} died (${signal ?? code}), another is started`);
    const timer = setTimeout(
      () => {
        timers.delete(timer);
        start();
      },
      started + RESTART_MS - Date.now(),
    );
    timers.add(timer);
  });
  return worker;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
async function stop(): Promise<void> {
  isStopping = true;
  for (const timer of timers) clearTimeout(timer);
  server.close();
  const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  const ended = workers.map((worker) => once(worker, "exit"));
  for (const worker of workers) worker.process.kill("SIGTERM");
  await Promise.all(ended);
  await redis.stop();
  process.exit(); // what clients still hold open ends with it
}

const count = Number(process.env["WORKERS"] ?? availableParallelism());
await Promise.all(
  Array.from({ length: count }, start).map(async (worker) => {
    await once(worker, "message"); // it is ready
  }),
);
server.listen(Number(process.env["PORT"] ?? 3000), () => console.log("listening on", server.address()));
