/**
 * The environment, checked. Nothing else reads one, and each function here reads only what its caller may see: what
 * serves requests never asks for write credentials.
 *
 * Every function throws PresenceError OPTIONS_INVALID with a message that begins with the variable's name. Values are
 * not quoted where a secret may have been put by mistake. An empty variable counts as one that is not set.
 */
import { PresenceError } from "../core/errors.ts";
import { checkScopes, checkTokens } from "../http/auth.ts";
import { type AppOptions, checkOrigins } from "../http/options.ts";
import {
  type KeyOptions,
  type ProjectorOptions,
  type ReaderOptions,
  resolveKeyOptions,
  resolveReaderOptions,
} from "../core/options.ts";

export type Environment = Readonly<Record<string, unknown>>;

export interface RestCredentials {
  readonly url: string;
  readonly token: string;
}

const SWEEP_INTERVAL_MS = 15_000;
const SWEEP_INTERVAL_MS_MIN = 1_000;
/** The invocations themselves. */
const SWEEP_INTERVAL_MS_MAX = 60_000;
/** Cloudflare's free plan allows 50 an invocation; the last step of a sweep may take a few more than are left. */
const SWEEP_REQUESTS = 45;
const SWEEP_REQUESTS_MAX = 10_000;
const PORT = 3000;
/** Reachable from this machine only, until somebody says otherwise. */
const HOST = "127.0.0.1";

/** ROLLCALL_PREFIX, ROLLCALL_SHARDS: what everybody who opens the prefix has to agree on. */
export function keyOptionsFrom(environment: Environment): KeyOptions {
  const prefix = text(environment, "ROLLCALL_PREFIX");
  const shards = whole(environment, "ROLLCALL_SHARDS");
  checked("ROLLCALL_PREFIX", () => resolveKeyOptions({ prefix }));
  checked("ROLLCALL_SHARDS", () => resolveKeyOptions({ shards }));
  return { prefix, shards };
}

/** The same and ROLLCALL_STALE_AFTER, ms. */
export function readerOptionsFrom(environment: Environment): ReaderOptions {
  const staleAfter = whole(environment, "ROLLCALL_STALE_AFTER");
  checked("ROLLCALL_STALE_AFTER", () => resolveReaderOptions({ staleAfter }));
  return { ...keyOptionsFrom(environment), staleAfter };
}

/**
 * ROLLCALL_TOKENS, ROLLCALL_COUNTS_TOKENS and ROLLCALL_ORIGINS, separated by commas; ROLLCALL_COUNTS, `open` or `closed`;
 * ROLLCALL_STREAMS, ROLLCALL_STREAM_LIFE (ms) and ROLLCALL_STREAM_REQUESTS.
 */
export function appOptionsFrom(
  environment: Environment,
): Pick<AppOptions, "tokens" | "countsTokens" | "origins" | "counts" | "streams"> {
  const counts = text(environment, "ROLLCALL_COUNTS") ?? "open";
  if (counts !== "open" && counts !== "closed") {
    throw new PresenceError("OPTIONS_INVALID", "ROLLCALL_COUNTS must be open or closed");
  }
  const tokens = checked("ROLLCALL_TOKENS", () => checkTokens(list(environment, "ROLLCALL_TOKENS")));
  const countsTokens = checked("ROLLCALL_COUNTS_TOKENS", () => {
    const given = checkTokens(list(environment, "ROLLCALL_COUNTS_TOKENS"));
    checkScopes(tokens, given);
    return given;
  });
  return {
    tokens,
    countsTokens,
    streams: {
      most: within(environment, "ROLLCALL_STREAMS", 0, 100_000),
      life: within(environment, "ROLLCALL_STREAM_LIFE", 1_000, 86_400_000, " ms"),
      requests: within(environment, "ROLLCALL_STREAM_REQUESTS", 1, 1_000_000),
    },
    origins: checked("ROLLCALL_ORIGINS", () => checkOrigins(list(environment, "ROLLCALL_ORIGINS"))),
    counts,
  };
}

/** UPSTASH_REDIS_REST_URL with the token that cannot write. Does not look at the other one. */
export function readCredentialsFrom(environment: Environment): RestCredentials {
  return { url: restUrl(environment), token: required(environment, "UPSTASH_REDIS_REST_READONLY_TOKEN") };
}

/** UPSTASH_REDIS_REST_URL with the token that can write: for a projector, and for nothing that serves requests. */
export function writeCredentialsFrom(environment: Environment): RestCredentials {
  return { url: restUrl(environment), token: required(environment, "UPSTASH_REDIS_REST_TOKEN") };
}

/** The same as keyOptionsFrom and ROLLCALL_READ, `script`, `client` or `auto`: who reads the log. */
export function projectorOptionsFrom(environment: Environment): ProjectorOptions {
  const read = text(environment, "ROLLCALL_READ");
  if (read !== undefined && read !== "script" && read !== "client" && read !== "auto") {
    throw new PresenceError("OPTIONS_INVALID", "ROLLCALL_READ must be script, client or auto");
  }
  return { ...keyOptionsFrom(environment), read };
}

export interface SweepSettings {
  /** How often a scheduled function sweeps inside its minute, ms. */
  readonly interval: number;
  /** Most requests of one invocation. */
  readonly requests: number;
}

/** SWEEP_INTERVAL, ms, default 15,000, and SWEEP_REQUESTS, default 45. */
export function sweepSettingsFrom(environment: Environment): SweepSettings {
  const least = SWEEP_INTERVAL_MS_MIN;
  const most = SWEEP_INTERVAL_MS_MAX;
  return {
    interval: within(environment, "SWEEP_INTERVAL", least, most, " ms") ?? SWEEP_INTERVAL_MS,
    requests: within(environment, "SWEEP_REQUESTS", 1, SWEEP_REQUESTS_MAX) ?? SWEEP_REQUESTS,
  };
}

/** REDIS_URL, which a projector on Node needs. */
export function redisUrlFrom(environment: Environment): string {
  const url = required(environment, "REDIS_URL");
  if (!/^rediss?:\/\/\S+$/.test(url)) {
    throw new PresenceError("OPTIONS_INVALID", "REDIS_URL must begin with redis:// or rediss://");
  }
  return url;
}

/** REDIS_URL or Upstash's variables, whichever is set. Both is an error: they may be two databases. */
export function readSourceFrom(environment: Environment): string | RestCredentials {
  const names = ["REDIS_URL", "UPSTASH_REDIS_REST_URL"];
  const [direct, rest] = names.map((name) => text(environment, name) !== undefined);
  if (direct === rest) {
    const found =
      direct === true ? "are both set: keep the one to read" : "are both missing: set the one to read";
    throw new PresenceError("OPTIONS_INVALID", `${names.join(" and ")} ${found}`);
  }
  return direct === true ? redisUrlFrom(environment) : readCredentialsFrom(environment);
}

/** PORT (default 3000, 0 for a free one) and HOST (default 127.0.0.1; 0.0.0.0 in a container). */
export function listenOptionsFrom(environment: Environment): { port: number; host: string } {
  const port = whole(environment, "PORT") ?? PORT;
  if (port > 65_535) throw new PresenceError("OPTIONS_INVALID", `PORT must be from 0 to 65535, got ${port}`);
  return { port, host: text(environment, "HOST") ?? HOST };
}

function text(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  const trimmed = typeof value === "string" ? value.trim() : "";
  return trimmed === "" ? undefined : trimmed;
}

function required(environment: Environment, name: string): string {
  const value = text(environment, name);
  if (value === undefined) throw new PresenceError("OPTIONS_INVALID", `${name} is not set`);
  return value;
}

function list(environment: Environment, name: string): string[] {
  const parts = text(environment, name)?.split(",") ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

function whole(environment: Environment, name: string): number | undefined {
  const value = text(environment, name);
  if (value === undefined) return undefined;
  if (!/^\d{1,9}$/.test(value)) throw new PresenceError("OPTIONS_INVALID", `${name} must be a whole number`);
  return Number(value);
}

function within(
  environment: Environment,
  name: string,
  least: number,
  most: number,
  unit = "",
): number | undefined {
  const value = whole(environment, name);
  if (value !== undefined && (value < least || value > most)) {
    throw new PresenceError(
      "OPTIONS_INVALID",
      `${name} must be from ${least} to ${most}${unit}, got ${value}`,
    );
  }
  return value;
}

function restUrl(environment: Environment): string {
  const url = required(environment, "UPSTASH_REDIS_REST_URL");
  if (!/^https?:\/\/\S+$/.test(url) || !URL.canParse(url)) {
    throw new PresenceError(
      "OPTIONS_INVALID",
      "UPSTASH_REDIS_REST_URL must be an http:// or https:// address",
    );
  }
  return url;
}

/** What `check` returns; what it throws, with the name of the variable before it. */
function checked<T>(name: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof PresenceError)) throw error;
    throw new PresenceError(error.code, `${name}: ${error.message}`, { cause: error });
  }
}
