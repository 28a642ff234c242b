/**
 * The projector as a separate process: `node functions/projector.ts`. It requires REDIS_URL with write access. Any number may
 * run at once, also while Socket.IO servers project themselves. SIGTERM and SIGINT end it between two calls. With
 * ROLLCALL_HEALTH_PORT it answers /health, /ready and /metrics. With ROLLCALL_WEBHOOK_URL it sends who came and went there.
 */
import { createProjector } from "../src/projector/create.ts";
import { createWebhook } from "../src/webhooks/create.ts";
import * as read from "../src/edge/environment.ts";
import { serve } from "../src/node/server.ts";
import { main } from "./lib/main.ts";
import { WorkerHealth } from "./lib/worker-health.ts";

await main(async (signal, fail) => {
  const options = {
    redis: read.redisUrlFrom(process.env),
    ...read.projectorOptionsFrom(process.env),
    logger: console,
  };
  const at = read.healthOptionsFrom(process.env);
  const hook = read.webhookOptionsFrom(process.env);
  const projector = createProjector(options);
  const webhook =
    hook === undefined ? undefined : createWebhook({ redis: options.redis, ...hook, logger: console });
  const health = new WorkerHealth(projector, signal);
  try {
    console.info(`projecting ${options.prefix ?? "presence"}, ${projector.shards} shard(s)`);
    const running = [projector.run({ signal, onTurn: health.heard })];
    if (at !== undefined) {
      const onListen = (url: string) => console.info(`health on ${url}`);
      running.push(serve(health.app, { ...at, signal, onListen }));
    }
    if (webhook !== undefined) running.push(webhook.run({ signal }));
    // None goes on without the others.
    for (const one of running) one.catch(fail);
    for (const result of await Promise.allSettled(running))
      if (result.status === "rejected") throw result.reason;
  } finally {
    await Promise.all([projector.close(), webhook?.close()]);
  }
});
