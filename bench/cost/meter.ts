/**
 * What a per-command bill counts: Redis's own commandstats, so the commands inside scripts and the call of the script too.
 * Not counted, on either side of a comparison, are MULTI and EXEC (a transaction over REST has none on its bill; the recipe
 * gains most by that) and what a connection says when it is opened.
 */
import type { Redis } from "ioredis";

const UNCOUNTED = /^(info|multi|exec|hello|auth|select|ping|quit|client\|.*|config\|.*|script\|.*|flushall)$/;

export type Meter = (run: () => Promise<unknown>) => Promise<number>;

export function meterOver(redis: Redis): Meter {
  async function counted(): Promise<number> {
    const stats = await redis.info("commandstats");
    return [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)]
      .filter(([, name]) => !UNCOUNTED.test(name!))
      .reduce((sum, [, , calls]) => sum + Number(calls), 0);
  }
  return async (run) => {
    const before = await counted();
    await run();
    return (await counted()) - before;
  };
}
