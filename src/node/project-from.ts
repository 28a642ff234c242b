/** The projector as a process, configured by environment variables: functions/projector.ts and `rollcall project`. */
import * as read from "../edge/environment.ts";
import { createProjector } from "../projector/create.ts";
import { createWebhook } from "../webhooks/create.ts";
import type { From } from "./serve-from.ts";
import { serve } from "./server.ts";
import { WorkerHealth } from "./worker-health.ts";

/** Projects until `signal` fires; the call under way is finished. Rejects as a projector's run() does. */
export async function projectFrom({ environment, signal, fail, logger }: From): Promise<void> {
  const options = {
    redis: read.redisUrlFrom(environment),
    ...read.projectorOptionsFrom(environment),
    logger,
  };
  const at = read.healthOptionsFrom(environment);
  const hook = read.webhookOptionsFrom(environment);
  const projector = createProjector(options);
  const webhook = hook === undefined ? undefined : createWebhook({ redis: options.redis, ...hook, logger });
  const health = new WorkerHealth(projector, signal);
  try {
    logger.info(`projecting ${options.prefix ?? "presence"}, ${projector.shards} shard(s)`);
    const running = [projector.run({ signal, onTurn: health.heard })];
    if (at !== undefined) {
      const onListen = (url: string) => logger.info(`health on ${url}`);
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
}
