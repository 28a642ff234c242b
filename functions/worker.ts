/**
 * The Cloudflare Worker: `fetch` serves the API with credentials that cannot write; `scheduled`, on a cron, projects
 * with those that can. wrangler.toml and .dev.vars.example name the variables. Two Workers of one thing each are edge.ts
 * and sweep.ts: then the one that is open to the world has no token that can write.
 */
import { createFetch } from "../src/edge/api.ts";
import { createScheduled } from "../src/edge/projection.ts";

export default { fetch: createFetch(), scheduled: createScheduled() };
