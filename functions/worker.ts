/**
 * The Cloudflare Worker: `fetch` serves the API with the read-only token; `scheduled`, run by a cron trigger, projects with the
 * token that can write. wrangler.toml and .dev.vars.example list the variables. edge.ts and sweep.ts split this into two
 * Workers, so that the public one has no token that can write.
 */
import { createFetch } from "../src/edge/api.ts";
import { createScheduled } from "../src/edge/projection.ts";

export default { fetch: createFetch(), scheduled: createScheduled() };
