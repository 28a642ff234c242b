/** The options of every command that looks at a Redis, and what they mean. */
import { invalid, nearest } from "../core/options.ts";
import type { Where } from "../doctor/reach.ts";

export const CONNECTING = {
  redis: { type: "string" },
  prefix: { type: "string" },
  shards: { type: "string" },
  timeout: { type: "string" },
  cluster: { type: "boolean", default: false },
} as const;

export const TIMEOUT_MS = 5_000;
const TIMEOUT_MS_MOST = 600_000;

/** A number of an option; undefined when it is not given. Throws PresenceError OPTIONS_INVALID. */
export function numberOf(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  return invalid(`--${name} must be a whole number from ${least} to ${most}, got ${JSON.stringify(text)}`);
} // prettier-ignore

/**
 * Where the Redis is: the option, REDIS_URL, or the REST API of the environment, in this order. Throws PresenceError OPTIONS_INVALID,
 * without what was given: it may have a password in it.
 */
export function whereOf(
  given: {
    readonly redis?: string | undefined;
    readonly timeout?: string | undefined;
    readonly cluster: boolean;
  },
  environment: Readonly<Record<string, string | undefined>>,
): Where {
  const timeout = numberOf("timeout", given.timeout, 100, TIMEOUT_MS_MOST) ?? TIMEOUT_MS;
  const url = given.redis ?? environment["REDIS_URL"];
  const [rest, token] = [environment["UPSTASH_REDIS_REST_URL"], environment["UPSTASH_REDIS_REST_TOKEN"]];
  if (url !== undefined && url !== "") {
    const name = given.redis === undefined ? "REDIS_URL" : "--redis";
    if (!/^rediss?:\/\//.test(url) || !URL.canParse(url))
      invalid(`${name} must be a redis:// or rediss:// URL`);
    return { url, cluster: given.cluster, timeout };
  }
  if (rest !== undefined && rest !== "" && token !== undefined && token !== "")
    return { rest: { url: rest, token }, timeout };
  return invalid(
    "say which Redis: --redis redis://host:port, REDIS_URL, or UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN",
  );
}

/** What parseArgs throws for an option that does not exist, with the nearest one that does. */
export function useError(error: unknown, options: readonly string[]): string | undefined {
  if (!(error instanceof TypeError) || !("code" in error)) return undefined;
  const name = /^Unknown option '--?([^']*)'/.exec(error.message)?.[1];
  if (name === undefined) return error.message.split(". To specify")[0];
  const near = nearest(name, options);
  return `unknown option --${name}: ${near === undefined ? `it takes ${options.map((one) => `--${one}`).join(", ")}` : `did you mean --${near}?`}`;
}

/** Loads what needs ioredis, which other commands do without. */
export async function loadDoctor() {
  try {
    const [{ reach }, { gather }] = await Promise.all([
      import("../doctor/reach.ts"),
      import("../doctor/gather.ts"),
    ]);
    return { reach, gather };
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    return undefined;
  }
}
