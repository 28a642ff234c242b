/**
 * A Socket.IO server as a container runs it: what it needs is in its environment, a port of its own answers probes and Prometheus, and
 * SIGTERM takes it out of service without anybody going offline. deploy/compose.yaml and deploy/kubernetes/app.yaml start it.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 ROLLCALL_HEALTH_PORT=9090 node examples/in-a-container.ts
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { createProbes, serve } from "../src/http.ts";
import { createPresence, createReader } from "../src/index.ts";

const { REDIS_URL: redis, ROLLCALL_PREFIX: prefix, HOST: host = "127.0.0.1" } = process.env;
if (redis === undefined) throw new Error("REDIS_URL is not set");

const httpServer = createServer();
// Pages bring a client of their own: the one that Socket.IO would serve is not in the image.
const io = new Server(httpServer, { serveClient: false });
const presence = createPresence(io, {
  redis,
  prefix,
  // Verify a session or a token here. null: an anonymous visitor, counted as a socket only.
  user: (socket) =>
    typeof socket.handshake.auth["user"] === "string" ? socket.handshake.auth["user"] : null,
  // Longer than clients take to reconnect, so that nobody goes offline in a rolling deploy.
  grace: 30_000,
  logger: console,
});
presence.on("online", (user) => io.local.emit("user has connected", user));
presence.on("offline", (user) => io.local.emit("user has disconnected", user));
// It serves without presence until Redis is there; /serving says when that is. The log has the reason.
presence.ready.catch(() => {});

const stopping = new AbortController();
const { signal } = stopping;
const reader = createReader({ redis, prefix });
const probes = serve(createProbes({ reader, signal }), {
  port: Number(process.env["ROLLCALL_HEALTH_PORT"] ?? 9090),
  host,
  signal,
  onListen: (url) => console.log(`probes on ${url}`),
});

async function stop(): Promise<void> {
  stopping.abort();
  // Its last record gives every user the grace. Then the sockets are closed, and clients go to another server.
  await presence.close();
  await io.close();
  await probes;
  reader.close();
}
process.once("SIGTERM", () => void stop());
process.once("SIGINT", () => void stop());
probes.catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
  void stop();
});

const port = Number(process.env["PORT"] ?? 3000);
httpServer.listen(port, host, () => {
  console.log(`listening on http://${host}:${(httpServer.address() as AddressInfo).port}`);
});
