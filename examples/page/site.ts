/**
 * A site in one process: its page, its Socket.IO server, a token for who is signed in, and the HTTP API under the same origin. The token names
 * the friends of that user, so the page learns of nobody else.
 */
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Hono } from "hono";
import { Server } from "socket.io";
import { createApp, nodeHandler } from "../../src/http.ts";
import { createPresence, createReader, signToken } from "../../src/index.ts";
import { provideRedis } from "../../packages/local-redis/src/index.ts";

const FRIENDS: Readonly<Record<string, readonly string[]>> = {
  alice: ["bob", "carol"],
  bob: ["alice"],
  carol: ["alice"],
};
const secret = process.env["PRESENCE_SECRET"] ?? randomBytes(32).toString("hex"); // of several servers: the same in all
const names = { issuer: "https://app.example", audience: "presence" };

/** `script`: the module of the page, which is bundled for browsers here; an application has a build for that. */
export async function startSite(script: URL): Promise<void> {
  const redis = await provideRedis();
  const reader = createReader({ redis: redis.url });
  const ending = new AbortController();
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(script)],
    bundle: true,
    format: "esm",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    write: false,
  });

  const site = new Hono();
  site.get("/", (c) =>
    c.html(
      '<!doctype html><title>Friends</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
    ),
  );
  site.get("/page.js", (c) => c.body(outputFiles[0]!.text, 200, { "content-type": "text/javascript" }));
  site.get("/token", async (c) => {
    const user = c.req.query("user") ?? ""; // a real application asks the session
    const users = FRIENDS[user];
    if (users === undefined) return c.text("", 401);
    const grants = { actions: ["counts", "lookup", "changes"], users } as const;
    return c.text(await signToken({ secret, ...names, subject: user, grants, expiresIn: 60_000 }));
  });
  const browserTokens = { ...names, secrets: secret };
  site.mount("/presence", createApp({ reader, browserTokens, signal: ending.signal }).fetch);

  const handle = nodeHandler(site);
  const server = createServer((request, response) => void handle(request, response)); // it never rejects
  const io = new Server(server);
  const presence = createPresence(io, {
    redis: redis.url,
    user: ({ handshake }) => (typeof handshake.auth["user"] === "string" ? handshake.auth["user"] : null),
    grace: 2_000, // a reload is no departure
  });
  await presence.ready;
  server.listen(Number(process.env["PORT"] ?? 3000), () => console.log("listening on", server.address()));

  async function stop(): Promise<void> {
    await presence.close();
    ending.abort(); // event streams end: the HTTP server waits for them
    await io.close();
    reader.close();
    await redis.stop();
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
}
