/** The API alone as a Cloudflare Worker. It needs no token that can write, and contains no code that reads one. */
import { createFetch } from "../src/edge/api.ts";

export default { fetch: createFetch() };
