/**
 * Rollcall's own connections, made from a URL or with the settings of the application's client. They are separate because a
 * lost connection must fail at once and be retried with the same record, and because reading `changes` blocks.
 */
import { Redis } from "ioredis";
import { backoff } from "../core/backoff.ts";
import { PresenceError } from "../core/errors.ts";
import type { Logger } from "../core/options.ts";
import { warnOfEviction } from "./eviction.ts";
import { type IoRedis, type IoRedisClient, ioredisPort } from "./ioredis.ts";
import type { PipelinePort, ReadPort } from "./port.ts";

/**
 * A redis:// or rediss:// URL, or an ioredis client or Cluster, version 5.4 to 6. Rollcall opens its own connections
 * with the same settings and leaves the one it was given alone.
 */
export type RedisInput = string | IoRedisClient;

/** One argument only: a client may pass a second one, which must not replace backoff's random source. */
const retry = (attempt: number) => backoff(attempt);

export interface ConnectOptions {
  /** A connection is closed when nothing arrives for this long while an answer is pending, ms. */
  readonly timeout: number;
  readonly name: string;
  /** Called once if this Redis may evict keys. Without it, this is not checked. */
  readonly logger?: Logger | undefined;
}

function isClient(value: unknown): value is IoRedisClient {
  return typeof value === "object" && value !== null && "duplicate" in value && "call" in value;
}

/** `duplicate` of a client: from version 5.4 on it accepts the settings to change. */
type Duplicate = (settings: object) => IoRedis;
/** The same of a Cluster, after the startup nodes; an empty list keeps the current ones. */
type DuplicateCluster = (nodes: readonly [], settings: object) => IoRedis;

export interface Connection {
  readonly client: IoRedis;
  /** The Redis user that it logs in as. */
  readonly user: string;
  /** Commands wait for the current connection attempt, and reject when it fails or the connection is closed. */
  readonly port: ReadPort & PipelinePort;
  /** Resolves when the connection is usable; rejects when the current attempt fails. Decide after it, not before. */
  ready(): Promise<void>;
  /** When the connection was last restored, performance.now() ms; undefined: never lost. */
  readonly reconnectedAt: number | undefined;
  /** Called whenever the connection is restored after a loss. Only one listener. Must not throw. */
  onReconnect: (() => void) | undefined;
  /** Closes it at once; pending commands reject. Idempotent. */
  close(): void;
}

/**
 * Without ioredis's offline queue: commands in it would never settle when a connection is closed between two attempts.
 */
const FAIL_FAST = {
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  enableAutoPipelining: false,
  enableOfflineQueue: false,
  keyPrefix: "",
  // A socket that does not close is destroyed after this long, ms. Until then it keeps the process alive.
  disconnectTimeout: 100,
  lazyConnect: false,
};

/** A Cluster asks a node at random whether it is ready, which may be the one that is down: then it begins anew. */
const CLUSTER_ATTEMPTS = 3;

/**
 * Opens a connection without waiting for it; commands wait.
 * Throws PresenceError OPTIONS_INVALID for anything but a redis:// or rediss:// URL, an ioredis client or Cluster.
 */
export function connect(input: RedisInput, { timeout, name, logger }: ConnectOptions): Connection {
  const own = { ...FAIL_FAST, socketTimeout: timeout, connectTimeout: timeout, connectionName: name };
  if (typeof input === "string") {
    if (!/^rediss?:\/\//.test(input)) {
      throw new PresenceError(
        "OPTIONS_INVALID",
        "redis must be a redis:// or rediss:// URL, an ioredis client or Cluster",
      );
    }
    return open(new Redis(input, { ...own, retryStrategy: retry }), logger);
  }
  if (!isClient(input)) {
    throw new PresenceError(
      "OPTIONS_INVALID",
      "redis must be a redis:// or rediss:// URL, an ioredis client or Cluster",
    );
  }
  if (isStandalone(input)) {
    const duplicate = input.duplicate.bind(input) as unknown as Duplicate;
    return open(duplicate({ ...own, retryStrategy: retry }), logger);
  }
  const duplicate = input.duplicate.bind(input) as unknown as DuplicateCluster;
  const { enableOfflineQueue: _, ...ofNodes } = own;
  return open(
    duplicate([], {
      clusterRetryStrategy: retry,
      lazyConnect: false,
      enableOfflineQueue: false,
      // A node that connects at once is still connecting when the Cluster is ready, and refuses commands meanwhile.
      redisOptions: { ...ofNodes, lazyConnect: true },
    }),
    logger,
  );
}

function open(client: IoRedis, logger: Logger | undefined): Connection {
  let asked = logger;
  /** How often the current attempt has failed, and how often it may. */
  let failures = 0;
  const patience = isStandalone(client) ? 1 : CLUSTER_ATTEMPTS;
  /** A Cluster that is ready has connections to some of its nodes: those to its masters, which take commands once they are made. */
  let masters: Promise<unknown> | undefined;
  let closed = false;
  /** The current connection attempt, shared by all callers that wait for it; undefined: none waits. */
  let attempt: PromiseWithResolvers<void> | undefined;
  function settle(problem?: string): void {
    if (problem === undefined) attempt?.resolve();
    else attempt?.reject(new PresenceError("REDIS_UNAVAILABLE", problem));
    attempt = undefined;
  }
  let lost = false;
  client.on("ready", () => {
    failures = 0;
    const made = (masters = connectMasters(client));
    if (made === undefined) settle();
    // Unless it was lost meanwhile.
    else void made.then(() => (masters === made ? settle() : undefined));
    if (asked !== undefined) void warnOfEviction(client, asked);
    asked = undefined;
    if (!lost) return;
    lost = false;
    connection.reconnectedAt = performance.now();
    connection.onReconnect?.();
  });
  client.on("close", () => {
    stopTimer(client);
    lost = true;
    masters = undefined;
    failures++;
    if (failures >= patience) settle("Redis is unreachable");
  });
  client.on("end", () => settle("Redis is unreachable"));
  // Nodes of a Cluster.
  client.on("-node", stopTimer);
  // Without a listener ioredis prints the error. The sender of the command gets it anyway.
  client.on("error", () => {});

  /** Resolves when the connection is usable; rejects when the current attempt fails. */
  async function ready(): Promise<void> {
    if (closed) throw new PresenceError("REDIS_UNAVAILABLE", "this connection has been closed");
    if (client.status === "ready") {
      if (masters !== undefined) await masters;
      return;
    }
    attempt ??= Promise.withResolvers();
    await attempt.promise;
  }

  const port = ioredisPort(client);
  const connection: { -readonly [K in keyof Connection]: Connection[K] } = {
    client,
    user: userOf(client),
    ready,
    reconnectedAt: undefined,
    onReconnect: undefined,
    port: {
      read: (commands) => ready().then(() => port.read(commands)),
      call: (command) => ready().then(() => port.call(command)),
      pipeline: (commands) => ready().then(() => port.pipeline(commands)),
    },
    close() {
      closed = true;
      settle("this connection has been closed");
      const nodes = client.nodes?.("all") ?? [];
      // On a connection that has already ended, disconnect() would leave a timer behind.
      if (client.status !== "end") client.disconnect();
      for (const one of [client, ...nodes]) stopTimer(one);
    },
  };
  return connection;
}

/** The connections to the masters of a Cluster that ioredis has not made yet; undefined: none. Never rejects. */
function connectMasters(client: IoRedis): Promise<unknown> | undefined {
  const waiting = client.nodes?.("master").filter(({ status }) => status === "wait") ?? [];
  return waiting.length === 0 ? undefined : Promise.allSettled(waiting.map((node) => node.connect()));
}

/**
 * ioredis 5 does not clear the timer of `socketTimeout` when a connection ends while an answer is pending. The timer would
 * keep the process alive, and then destroy the connection made in the meantime.
 */
function stopTimer(client: object): void {
  const { socketTimeoutTimer: timer } = client as { socketTimeoutTimer?: ReturnType<typeof setTimeout> };
  if (timer === undefined) return;
  clearTimeout(timer);
  Object.assign(client, { socketTimeoutTimer: undefined });
}

/** From the settings of a client or a Cluster; a connection that names no user is Redis's own `default`. */
function userOf(client: object): string {
  interface Named {
    readonly username?: string | null;
  }
  const { options } = client as { options?: Named & { readonly redisOptions?: Named } };
  return options?.username || options?.redisOptions?.username || "default";
}

/** Whether this client has one server, so that one command may name keys of several shards. */
export function isStandalone({ isCluster = false }: { readonly isCluster?: boolean }): boolean {
  return !isCluster;
}
