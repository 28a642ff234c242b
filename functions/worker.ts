/**
 * The Cloudflare Worker: `fetch` serves the API with credentials that cannot write; `scheduled`, on a cron, projects
 * with those that can. wrangler.toml and .dev.vars.example name the variables. Two Workers of one thing each are edge.ts
 * and sweep.ts: then the one that is open to the world has no token that can write.
 */
import { restApi } from "../src/edge/api.ts";
import type { Environment } from "../src/edge/environment.ts";
import { restProjection } from "../src/edge/projection.ts";

const serve = restApi();
const sweep = restProjection();

export default {
  fetch: (request: Request, environment: Environment): Promise<Response> => serve(request, environment),
  scheduled: (_event: unknown, environment: Environment): Promise<void> => sweep(environment),
};
