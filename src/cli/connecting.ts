/** What `doctor` and `check` share: where the Redis is, and their code, which needs a client of Redis. */
import type { Where } from "../doctor/reach.ts";
import { type Call, UsageError } from "./command.ts";
import { environmentOf } from "./environment.ts";
import { NO_SOURCE, preferRedis, refuseNone } from "./source.ts";

/** The flag, REDIS_URL, or the REST API of the environment, in this order. Throws UsageError, without what was given: it may have a password in it. */
export function whereIs(call: Call): Where {
  const { given } = call;
  const environment = preferRedis(environmentOf(call));
  const timeout = given.number("timeout")!;
  const url = (environment["REDIS_URL"] ?? "").trim();
  if (url !== "") {
    const name = given.isOnLine("redis") ? "--redis" : "REDIS_URL";
    if (!/^rediss?:\/\//.test(url) || !URL.canParse(url))
      throw new UsageError(`${name} must be a redis:// or rediss:// URL`);
    return { url, cluster: given.on("cluster"), timeout };
  }
  refuseNone(environment);
  const token = (environment["UPSTASH_REDIS_REST_TOKEN"] ?? "").trim();
  if (token === "") throw new UsageError(`UPSTASH_REDIS_REST_TOKEN is not set, and ${NO_SOURCE}`);
  return { rest: { url: environment["UPSTASH_REDIS_REST_URL"]!.trim(), token }, timeout };
}

/** Loads what needs ioredis, which other commands do without. */
export async function loadDoctor() {
  const [{ reach }, { gather }] = await Promise.all([
    import("../doctor/reach.ts"),
    import("../doctor/gather.ts"),
  ]);
  return { reach, gather };
}
