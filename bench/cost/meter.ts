/**
 * What per-command billing counts, from Redis's commandstats: commands inside scripts, and script calls too. MULTI and EXEC
 * are not counted on either side (a REST transaction is not billed for them, which helps the recipe most), nor are the commands
 * that open a connection.
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
