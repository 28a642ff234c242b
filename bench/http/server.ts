/**
 * One side of bench/http.ts as a process: `node bench/http/server.ts SIDE REDIS_URL`. Writes its port, then answers each line
 * of stdin with its CPU time so far, µs, and its resident memory, bytes, as JSON lines.
 *
 *   rollcall   serve() over createApp() over Redis
 *   node       node:http that answers the bytes and headers of the environment's ANSWER
 *   hono       the same from a Hono app on @hono/node-server with its defaults
 */
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { serve as serveHono } from "@hono/node-server";
import { Hono } from "hono";
import { createApp } from "../../src/http/app.ts";
import { serve } from "../../src/node/server.ts";
import { createReader } from "../../src/reader/create.ts";

const [side, redis = ""] = process.argv.slice(2);
const { status, headers, body } = JSON.parse(process.env["ANSWER"] ?? "{}") as {
  status: number;
  headers: Record<string, string>;
  body: string;
};
const bytes = new TextEncoder().encode(body);
const tell = (port: number) => console.log(JSON.stringify({ port }));

if (side === "rollcall") {
  const reader = createReader({ redis, prefix: "bench" });
  const app = createApp({ reader, tokens: ["a-token-for-the-benchmark"] });
  const { signal } = new AbortController();
  void serve(app, { port: 0, signal, onListen: (url) => tell(Number(new URL(url).port)) });
} else if (side === "node") {
  const length = { ...headers, "content-length": bytes.length };
  const server = createServer((_, response) => {
    response.writeHead(status, length);
    response.end(bytes);
  });
  server.listen(0, "127.0.0.1", () => tell((server.address() as { port: number }).port));
} else {
  const app = new Hono();
  app.get("*", () => new Response(bytes, { status, headers }));
  serveHono({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => tell(port));
}

for await (const _ of createInterface({ input: process.stdin })) {
  const { user, system } = process.cpuUsage();
  console.log(JSON.stringify({ cpu: user + system, rss: process.memoryUsage.rss() }));
}
process.exit();
