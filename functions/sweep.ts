/** The scheduled projector alone as a Cloudflare Worker, with the token that can write. It serves no requests. */
import { createScheduled } from "../src/edge/projection.ts";

export default { scheduled: createScheduled() };
