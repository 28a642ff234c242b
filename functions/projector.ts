/**
 * The projector as a separate process: `node functions/projector.ts`. It requires REDIS_URL with write access. Any number may
 * run at once, also while Socket.IO servers project themselves. SIGTERM and SIGINT end it between two calls.
 */
import { createProjector } from "../src/projector/create.ts";
import * as read from "../src/edge/environment.ts";
import { main } from "./lib/main.ts";

await main(async (signal) => {
  const options = {
    redis: read.redisUrlFrom(process.env),
    ...read.projectorOptionsFrom(process.env),
    logger: console,
  };
  const projector = createProjector(options);
  try {
    console.info(`projecting ${options.prefix ?? "presence"}, ${projector.shards} shard(s)`);
    await projector.run({ signal });
  } finally {
    await projector.close();
  }
});
