/**
 * The API on Node: `node functions/node.ts`. Reads through REDIS_URL or Upstash's variables (see .dev.vars.example). On
 * SIGTERM or SIGINT it finishes running requests; a second signal ends the process at once.
 */
import { createReader } from "../src/reader/create.ts";
import { createApp } from "../src/http/app.ts";
import * as read from "../src/edge/environment.ts";
import { main } from "./lib/main.ts";
import { serve } from "../src/node/server.ts";
import { upstashClient } from "../src/edge/upstash.ts";

await main(async (signal) => {
  const source = read.readSourceFrom(process.env);
  const redis = typeof source === "string" ? source : upstashClient(source);
  const options = read.appOptionsFrom(process.env);
  const reader = createReader({ redis, ...read.readerOptionsFrom(process.env) });
  try {
    const app = createApp({ reader, ...options, signal, logger: console });
    await serve(app, {
      ...read.listenOptionsFrom(process.env),
      signal,
      onListen: (url) => console.info(`listening on ${url}`),
    });
  } finally {
    reader.close();
  }
});
