/**
 * Connections of our own, made from a URL or after the pattern of the application's client. Ours, because a lost
 * connection must fail at once and be retried with the same record, and because reading `changes` blocks.
 */
import { type Cluster, Redis } from "ioredis";
import { PresenceError } from "../core/errors.ts";
import type { IoRedis } from "./ioredis.ts";

export type RedisInput = string | Redis | Cluster;

const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 2000;

/** Jittered exponential back-off: all processes lose Redis at the same moment and must not return at the same moment. */
export function backoff(attempt: number): number {
  const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling * (0.5 + Math.random() / 2));
}

export interface ConnectOptions {
  /** A connection on which nothing arrives for this long while an answer is awaited is given up, ms. */
  readonly timeout: number;
  readonly name: string;
}

function isClient(value: unknown): value is IoRedis {
  return typeof value === "object" && value !== null && "duplicate" in value && "call" in value;
}

/** The most a command waits for a connection: the attempt under way. After that the caller's own retry takes over. */
const FAIL_FAST = {
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  enableAutoPipelining: false,
  keyPrefix: "",
  lazyConnect: false,
};

/**
 * Opens a connection. Does not wait for it: commands do.
 * Throws PresenceError OPTIONS_INVALID for anything but a redis:// or rediss:// URL, an ioredis client or Cluster.
 */
export function connect(input: RedisInput, { timeout, name }: ConnectOptions): IoRedis {
  const own = { ...FAIL_FAST, socketTimeout: timeout, connectTimeout: timeout, connectionName: name };
  if (typeof input === "string") {
    if (!/^rediss?:\/\//.test(input)) {
      throw new PresenceError("OPTIONS_INVALID", "redis must be a redis:// or rediss:// URL, an ioredis client or Cluster");
    }
    return quiet(new Redis(input, { ...own, retryStrategy: backoff }));
  }
  if (!isClient(input)) {
    throw new PresenceError("OPTIONS_INVALID", "redis must be a redis:// or rediss:// URL, an ioredis client or Cluster");
  }
  if (isStandalone(input)) return quiet(input.duplicate({ ...own, retryStrategy: backoff }));
  return quiet(input.duplicate([], { clusterRetryStrategy: backoff, lazyConnect: false, redisOptions: own }));
}

/** ioredis prints an error nobody listens for. Whoever sent the command gets it as well. */
function quiet(client: IoRedis): IoRedis {
  client.on("error", () => {});
  return client;
}

/** Whether each command of this client goes to the one server, so that one call may name keys of several shards. */
export function isStandalone(client: IoRedis): client is Redis {
  // Not `instanceof`: the application may bring another copy of ioredis.
  return !("isCluster" in client && client.isCluster);
}

/** Ends a connection of ours. On one that has ended already, ioredis would leave a timer behind. */
export function disconnect(client: IoRedis): void {
  if (client.status !== "end") client.disconnect();
}
