/**
 * The API on Node: `node functions/node.ts`. Reads through REDIS_URL or Upstash's variables (see .dev.vars.example). On
 * SIGTERM or SIGINT it serves on for ROLLCALL_DRAIN and then finishes running requests; a second signal ends the process at once.
 */
import { serveFrom } from "../src/node/serve-from.ts";
import { main } from "./lib/main.ts";

await main((signal, fail) => serveFrom({ environment: process.env, signal, fail, logger: console }));
