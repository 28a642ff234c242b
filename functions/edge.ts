/** The API alone as a Cloudflare Worker. It needs no token that can write, and has no code that would ask for one. */
import { createFetch } from "../src/edge/api.ts";

export default { fetch: createFetch() };
