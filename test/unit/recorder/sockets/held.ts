/**
 * What is still held after a collection, of what has gone. Run with --expose-gc; prints one line of JSON: of each kind, how many were
 * made and how many are left.
 */
import { setTimeout as delay } from "node:timers/promises";
import { startRedis } from "../../../../packages/local-redis/src/index.ts";
import { connect, startNode, startServer, userOfAuth } from "../../../../rig/node.ts";
import { until } from "../../../../rig/until.ts";
import { createPresence } from "../../../../src/index.ts";

const N = 20;
const ROUNDS = 200;
const made = new Map<string, WeakRef<object>[]>();

function watch(kind: string, object: object): void {
  made.set(kind, [...(made.get(kind) ?? []), new WeakRef(object)]);
}

const left = (kind: string) => (made.get(kind) ?? []).filter((ref) => ref.deref() !== undefined).length;

const redis = await startRedis();
const quiet = { info() {}, warn() {}, error() {} };
const node = await startNode(
  {
    redis: redis.url,
    heartbeat: 50,
    namespaces: (name) => name !== "/no",
    rooms: true,
    // Every other answer comes never.
    user: (socket) =>
      socket.handshake.auth["user"] === "never" ? new Promise<string>(() => {}) : userOfAuth(socket),
  },
  { cleanupEmptyChildNamespaces: true },
);
node.io.of(/^\/room-\d+$/);
node.io.on("new_namespace", (namespace) => watch("namespaces", namespace));

/** In a function of its own: nothing of it stays on this stack. */
async function sockets(): Promise<void> {
  const clients = [];
  for (let i = 0; i < N; i++) clients.push(await connect(`${node.url}/`, i % 2 === 0 ? "never" : `u${i}`));
  for (let i = 0; i < N; i++) clients.push(await connect(`${node.url}/room-${i}`, `r${i}`));
  for (const name of node.io._nsps.keys())
    for (const socket of node.io.of(name).sockets.values()) {
      watch("sockets", socket);
      void socket.join(["a", socket.id.slice(1)]);
      if (Math.random() < 0.5) socket.removeAllListeners();
    }
  for (const client of clients) client.disconnect();
  await until("all have gone", async () => (await node.presence.counts()).sockets === 0);
}

async function presences(): Promise<void> {
  const { io } = await startServer();
  for (let i = 0; i < N; i++) {
    const presence = createPresence(io, {
      redis: redis.url,
      prefix: "again",
      user: () => null,
      logger: quiet,
    });
    watch("presences", presence);
    presence.on("online", () => {});
    await presence.ready;
    await presence.close();
  }
  watch("servers", io);
  await io.close();
}

function listeners(): void {
  for (let i = 0; i < N; i++) {
    const listener = () => i;
    watch("listeners", listener);
    node.presence.on("online", listener);
    node.presence.off("online", listener);
  }
}

await sockets();
await presences();
listeners();
const collect = globalThis.gc!;
// ioredis and Socket.IO have timers that hold what has gone for some seconds.
for (let i = 0; i < ROUNDS && [...made.keys()].some((kind) => left(kind) > 0); i++) {
  // What was looked at is kept until the end of the turn.
  await delay(50);
  collect();
}
const report = Object.fromEntries(
  [...made].map(([kind, all]) => [kind, { made: all.length, left: left(kind) }]),
);
process.stdout.write(`${JSON.stringify(report)}\n`);
await node.close();
await redis.stop();
process.exit(0);
