/**
 * The Redis that an engine test uses: a server of its own, or, when ROLLCALL_TEST_REDIS names a server that is running, an empty
 * database on that one, emptied again by stop(). Tests that start, stop or configure servers say so with ownOnly().
 *
 * A database that is not empty is never taken, so nothing is lost on a server with data.
 */
import { Redis } from "ioredis";
import type { TestContext } from "vitest";
import {
  type RedisServer,
  type RedisServerOptions,
  startRedis as startOwn,
} from "../packages/local-redis/src/index.ts";

export type { RedisServer };

const given = process.env["ROLLCALL_TEST_REDIS"] ?? "";
/** As many as a server has by default. */
const DATABASES = 16;

/** Skips the test, or before each the tests around, on a shared server. `why`: what it does that others would notice. */
export function ownOnly(why: string): (context: TestContext) => void {
  return (context) => context.skip(given !== "", `needs a Redis of its own: ${why}`);
}

/** As startRedis of packages/local-redis. Rejects on a shared server when it is given options. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  if (given === "") return startOwn(options);
  if (Object.keys(options).length > 0)
    throw new Error("a shared Redis takes no options: mark the test with ownOnly()");
  const url = new URL(given);
  // Test files that run at the same time look at different databases.
  const workers = Math.max(1, Number(process.env["VITEST_MAX_WORKERS"] ?? 2));
  const worker = Number(process.env["VITEST_POOL_ID"] ?? 1) - 1;
  const admin = new Redis(given, { retryStrategy: () => null, protocol: 2 });
  admin.on("error", () => {});
  try {
    for (let database = DATABASES - 1 - (worker % workers); database >= 0; database -= workers) {
      const selected = await admin.select(database).then(
        () => true,
        // Of a Cluster, or of a service that has only one.
        (error: unknown) => !/ERR/.test(String(error)) && Promise.reject(error as Error),
      );
      if (!selected || (await admin.dbsize()) > 0) continue;
      url.pathname = `/${database}`;
      return await lent(url.href, admin);
    }
  } catch (error) {
    admin.disconnect();
    throw error;
  }
  admin.disconnect();
  throw new Error("ROLLCALL_TEST_REDIS has no empty database: empty one, of 0 to 15");
}

async function lent(url: string, admin: Redis): Promise<RedisServer> {
  const info = await admin.info("server");
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, "m").exec(info)?.[1];
  const valkey = field("valkey_version");
  // So that a test that runs longer than others cannot have it taken from under it, it is emptied by whoever took it.
  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= admin.flushdb().then(() => {
      admin.disconnect();
    }));
  return {
    url,
    port: Number(new URL(url).port || 6379),
    pid: Number(field("process_id")),
    engine: valkey === undefined ? `redis ${field("redis_version")}` : `valkey ${valkey}`,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
