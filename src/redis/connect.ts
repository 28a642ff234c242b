/**
 * Connections of our own, made from a URL or after the pattern of the application's client. Ours, because a lost
 * connection must fail at once and be retried with the same record, and because reading `changes` blocks.
 */
import { Redis } from "ioredis";
import { backoff } from "../core/backoff.ts";
import { PresenceError } from "../core/errors.ts";
import { type IoRedis, type IoRedisClient, ioredisPort } from "./ioredis.ts";
import type { PipelinePort, ReadPort } from "./port.ts";

/**
 * A redis:// or rediss:// URL, or an ioredis client or Cluster, version 5.4 to 6. Rollcall opens its own connections
 * with the same settings and leaves the one it was given alone.
 */
export type RedisInput = string | IoRedisClient;

/** A client's own second argument, if it passes one, is no source of chance. */
const retry = (attempt: number) => backoff(attempt);

export interface ConnectOptions {
  /** A connection on which nothing arrives for this long while an answer is awaited is given up, ms. */
  readonly timeout: number;
  readonly name: string;
}

function isClient(value: unknown): value is IoRedisClient {
  return typeof value === "object" && value !== null && "duplicate" in value && "call" in value;
}

/** `duplicate` of a client: from version 5.4 on it takes the settings that differ. */
type Duplicate = (settings: object) => IoRedis;
/** The same of a Cluster, after the nodes to start with; none: those it has. */
type DuplicateCluster = (nodes: readonly [], settings: object) => IoRedis;

export interface Connection {
  readonly client: IoRedis;
  /** Commands wait for the connection attempt under way, and reject when it fails or the connection is closed. */
  readonly port: ReadPort & PipelinePort;
  /** Resolves when the connection is usable; rejects when the attempt under way fails. What is decided after it is not stale. */
  ready(): Promise<void>;
  /** When the connection was last made again after a loss, performance.now() ms; undefined: never lost. */
  readonly reconnectedAt: number | undefined;
  /** Called whenever it is made again after a loss. At most one. Must not throw. */
  onReconnect: (() => void) | undefined;
  /** Ends it at once; what was sent and not answered rejects. Idempotent. */
  close(): void;
}

/**
 * No queue of ioredis's own: what is in it when a connection that is between two attempts is told to disconnect would
 * never be answered.
 */
const FAIL_FAST = {
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  enableAutoPipelining: false,
  enableOfflineQueue: false,
  keyPrefix: "",
  // A socket that does not end by itself is destroyed after this long, ms; until then it keeps the process alive.
  disconnectTimeout: 100,
  lazyConnect: false,
};

/**
 * Opens a connection. Does not wait for it: commands do.
 * Throws PresenceError OPTIONS_INVALID for anything but a redis:// or rediss:// URL, an ioredis client or Cluster.
 */
export function connect(input: RedisInput, { timeout, name }: ConnectOptions): Connection {
  const own = { ...FAIL_FAST, socketTimeout: timeout, connectTimeout: timeout, connectionName: name };
  if (typeof input === "string") {
    if (!/^rediss?:\/\//.test(input)) {
      throw new PresenceError(
        "OPTIONS_INVALID",
        "redis must be a redis:// or rediss:// URL, an ioredis client or Cluster",
      );
    }
    return open(new Redis(input, { ...own, retryStrategy: retry }));
  }
  if (!isClient(input)) {
    throw new PresenceError(
      "OPTIONS_INVALID",
      "redis must be a redis:// or rediss:// URL, an ioredis client or Cluster",
    );
  }
  if (isStandalone(input)) {
    const duplicate = input.duplicate.bind(input) as unknown as Duplicate;
    return open(duplicate({ ...own, retryStrategy: retry }));
  }
  const duplicate = input.duplicate.bind(input) as unknown as DuplicateCluster;
  const { enableOfflineQueue: _, ...ofNodes } = own;
  return open(
    duplicate([], {
      clusterRetryStrategy: retry,
      lazyConnect: false,
      enableOfflineQueue: false,
      redisOptions: ofNodes,
    }),
  );
}

function open(client: IoRedis): Connection {
  let closed = false;
  /** The connection attempt under way, for all who wait for it; undefined: nobody does. */
  let attempt: PromiseWithResolvers<void> | undefined;
  function settle(problem?: string): void {
    if (problem === undefined) attempt?.resolve();
    else attempt?.reject(new PresenceError("REDIS_UNAVAILABLE", problem));
    attempt = undefined;
  }
  let lost = false;
  client.on("ready", () => {
    settle();
    if (!lost) return;
    lost = false;
    connection.reconnectedAt = performance.now();
    connection.onReconnect?.();
  });
  client.on("close", () => {
    stopTimer(client);
    lost = true;
    settle("Redis cannot be reached");
  });
  client.on("end", () => settle("Redis cannot be reached"));
  // Nodes of a Cluster.
  client.on("-node", stopTimer);
  // ioredis prints an error nobody listens for. Whoever sent the command gets it as well.
  client.on("error", () => {});

  /** Resolves when the connection is usable; rejects when the attempt under way fails. */
  async function ready(): Promise<void> {
    if (closed) throw new PresenceError("REDIS_UNAVAILABLE", "this connection has been closed");
    if (client.status === "ready") return;
    attempt ??= Promise.withResolvers();
    await attempt.promise;
  }

  const port = ioredisPort(client);
  const connection: { -readonly [K in keyof Connection]: Connection[K] } = {
    client,
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
      // On one that has ended already, ioredis would leave a timer behind.
      if (client.status !== "end") client.disconnect();
      for (const one of [client, ...nodes]) stopTimer(one);
    },
  };
  return connection;
}

/**
 * ioredis 5 lets the timer of `socketTimeout` run on when a connection ends while an answer is due. For as long as that is
 * the process would stay alive, and then the connection that was made meanwhile would be destroyed.
 */
function stopTimer(client: object): void {
  const { socketTimeoutTimer: timer } = client as { socketTimeoutTimer?: ReturnType<typeof setTimeout> };
  if (timer === undefined) return;
  clearTimeout(timer);
  Object.assign(client, { socketTimeoutTimer: undefined });
}

/** Whether each command of this client goes to the one server, so that one call may name keys of several shards. */
export function isStandalone({ isCluster = false }: { readonly isCluster?: boolean }): boolean {
  return !isCluster;
}
