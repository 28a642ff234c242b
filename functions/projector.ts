/**
 * The projector as a separate process: `node functions/projector.ts`. It requires REDIS_URL with write access. Any number may
 * run at once, also while Socket.IO servers project themselves. SIGTERM and SIGINT end it between two calls. With
 * ROLLCALL_HEALTH_PORT it answers /health, /ready and /metrics. With ROLLCALL_WEBHOOK_URL it sends who came and went there.
 */
import { projectFrom } from "../src/node/project-from.ts";
import { main } from "./lib/main.ts";

await main((signal, fail) => projectFrom({ environment: process.env, signal, fail, logger: console }));
