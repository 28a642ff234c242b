/** The scheduled projector alone as a Cloudflare Worker, with the token that can write. It answers no requests. */
import { createScheduled } from "../src/edge/projection.ts";

export default { scheduled: createScheduled() };
