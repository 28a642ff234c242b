/**
 * Rollcall's own connections, made from a URL or with the settings of the application's client (settings.ts says which). They are
 * separate because a lost connection must fail at once and be retried with the same record, and because reading `changes` blocks.
 */
import { Redis } from "ioredis";
import { invalid, type Logger } from "../core/options.ts";
import { type Connection, isStandalone, open } from "./connection.ts";
import type { IoRedis, IoRedisClient } from "./ioredis.ts";
import { clusterSettings, redisSettings } from "./settings.ts";

export { type Connection, isStandalone } from "./connection.ts";

/**
 * A redis:// or rediss:// URL, or an ioredis client or Cluster, version 5.4 to 6. Rollcall opens its own connections
 * with the same settings and leaves the one it was given alone.
 */
export type RedisInput = string | IoRedisClient;

export interface ConnectOptions {
  /** A connection is closed when nothing arrives for this long while an answer is pending, ms. */
  readonly timeout: number;
  readonly name: string;
  /** Called once if this Redis may evict keys. Without it, this is not checked. */
  readonly logger?: Logger | undefined;
  /** Called whenever the connection is restored after a loss. Must not throw. */
  readonly onRestored?: (() => void) | undefined;
}

function isClient(value: unknown): value is IoRedisClient {
  return typeof value === "object" && value !== null && "duplicate" in value && "call" in value;
}

/** `duplicate` of a client: from version 5.4 on it accepts the settings to change. */
type Duplicate = (settings: object) => IoRedis;
/** The same of a Cluster, after the startup nodes; an empty list keeps the current ones. */
type DuplicateCluster = (nodes: readonly [], settings: object) => IoRedis;

/**
 * Opens a connection without waiting for it; commands wait.
 * Throws PresenceError OPTIONS_INVALID for anything but a redis:// or rediss:// URL, an ioredis client or Cluster.
 */
export function connect(
  input: RedisInput,
  { timeout, name, logger, onRestored }: ConnectOptions,
): Connection {
  const own = { timeout, name };
  if (typeof input === "string" && /^rediss?:\/\//.test(input)) {
    // The error of ioredis would have the whole of it, password included.
    if (!URL.canParse(input))
      invalid(
        "redis is no URL: percent-encode its password, and correct its port (the URL is not repeated here)",
      );
    return open(new Redis(input, redisSettings(own)), logger, onRestored);
  }
  if (!isClient(input)) invalid("redis must be a redis:// or rediss:// URL, an ioredis client or Cluster");
  if (isStandalone(input)) {
    const duplicate = input.duplicate.bind(input) as unknown as Duplicate;
    return open(duplicate(redisSettings(own)), logger, onRestored);
  }
  const duplicate = input.duplicate.bind(input) as unknown as DuplicateCluster;
  return open(duplicate([], clusterSettings(own)), logger, onRestored);
}
