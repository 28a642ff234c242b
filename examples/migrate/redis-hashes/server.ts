/** `MODE=shadow REDIS_URL=redis://127.0.0.1:6379 PORT=3000 node examples/migrate/redis-hashes/server.ts`; MODE is before, shadow or after. */
import { run } from "../run.ts";
import { after } from "./after.ts";
import { before } from "./before.ts";

await run(before, after);
