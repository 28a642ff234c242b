/**
 * The API on Node: `node functions/node.ts`. Reads through REDIS_URL or Upstash's variables (see .dev.vars.example). On
 * SIGTERM or SIGINT it serves on for ROLLCALL_DRAIN and then finishes running requests; a second signal ends the process at once.
 */
import { createReader } from "../src/reader/create.ts";
import { createApp, createProbes } from "../src/http/app.ts";
import * as read from "../src/edge/environment.ts";
import { main } from "./lib/main.ts";
import { serve } from "../src/node/server.ts";
import { upstashClient } from "../src/edge/upstash.ts";

await main(async (signal, fail) => {
  const source = read.readSourceFrom(process.env);
  const redis = typeof source === "string" ? source : upstashClient(source);
  const options = read.appOptionsFrom(process.env);
  const hasTokens = [...(options.tokens ?? []), ...(options.countsTokens ?? [])].length > 0;
  const hasDashboard = options.dashboard ?? hasTokens;
  const health = read.healthOptionsFrom(process.env);
  const drain = read.drainFrom(process.env);
  const times = read.timeoutsFrom(process.env);
  const reader = createReader({ redis, ...read.readerOptionsFrom(process.env) });
  const common = { reader, signal, logger: console };
  try {
    const serving = [
      serve(createApp({ ...common, ...options, drain }), {
        ...read.listenOptionsFrom(process.env),
        ...times,
        drain,
        signal,
        onListen(url) {
          console.info(`listening on ${url}`);
          if (hasDashboard) console.info(`dashboard on ${url}/`);
        },
      }),
    ];
    if (health !== undefined) {
      const onListen = (url: string) => console.info(`probes on ${url}`);
      serving.push(serve(createProbes(common), { ...health, ...times, drain, signal, onListen }));
    }
    // If one of them cannot listen, the other does not go on alone.
    for (const one of serving) one.catch(fail);
    const results = await Promise.allSettled(serving);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  } finally {
    reader.close();
  }
});
