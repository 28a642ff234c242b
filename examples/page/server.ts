/**
 * A plain page that shows which friends are online, over the HTTP API.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/page/server.ts
 */
import { startSite } from "./site.ts";

await startSite(new URL("page.ts", import.meta.url));
