/** The scheduled projector alone as a Cloudflare Worker, with the token that can write. It answers no requests. */
import type { Environment } from "../src/edge/environment.ts";
import { restProjection } from "../src/edge/projection.ts";

const sweep = restProjection();

export default {
  scheduled: (_event: unknown, environment: Environment): Promise<void> => sweep(environment),
};
