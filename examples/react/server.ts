/**
 * The same in React, with the hooks of `rollcall/react`.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/react/server.ts
 */
import { startSite } from "../page/site.ts";

await startSite(new URL("page.tsx", import.meta.url));
