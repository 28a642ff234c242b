/**
 * One connection of Rollcall's own: when it is usable, why it is not, and when to give it up.
 *
 * It is given up, and made anew, when the server says that another one is responsible now. After a failover the old primary
 * may keep its connections, and would refuse every record sent on them.
 */
import { backoff } from "../core/backoff.ts";
import { type ErrorDetails, PresenceError } from "../core/errors.ts";
import type { Logger } from "../core/options.ts";
import { checkAbilities } from "./abilities.ts";
import { explained, isElsewhere, redisError } from "./errors.ts";
import { warnOfEviction } from "./eviction.ts";
import { type IoRedis, ioredisPort } from "./ioredis.ts";
import { type PipelinePort, type ReadPort, type Reply, ReplyError } from "./port.ts";
import { hidesWhy, lastWords, placeOf, targetOf, unreachable } from "./unreachable.ts";

export interface Connection {
  readonly client: IoRedis;
  /** The Redis user that it logs in as. */
  readonly user: string;
  /** Where it leads, for messages. */
  readonly place: ErrorDetails;
  /** Whether it has ever been usable: until then nothing was sent. */
  readonly wasUsable: boolean;
  /** Commands wait for the current connection attempt, and reject when it fails or the connection is closed. */
  readonly port: ReadPort & PipelinePort;
  /**
   * Resolves when the connection is usable; rejects when the current attempt fails. Decide after it, not before. Rejects with
   * REDIS_TOO_OLD while no usable server has been seen; the same later is REDIS_UNAVAILABLE, since a failover may end it.
   */
  ready(): Promise<void>;
  /** When the connection was last restored, performance.now() ms; undefined: never lost. */
  readonly reconnectedAt: number | undefined;
  /** Called whenever the connection is restored after a loss. Only one listener. Must not throw. */
  onReconnect: (() => void) | undefined;
  /** Closes it at once; pending commands reject. Idempotent. */
  close(): void;
}

/** A Cluster asks a node at random whether it is ready, which may be the one that is down: then it begins anew. */
const CLUSTER_ATTEMPTS = 3;

/** What ioredis says when it gives up a connection on which nothing came. */
const SOCKET_TIMEOUT = /Socket timeout/;

const isLost = (error: unknown) => error instanceof PresenceError && error.details.reason === "LOST";

const closedError = () => new PresenceError("REDIS_UNAVAILABLE", "this connection has been closed");

export function open(
  client: IoRedis,
  logger: Logger | undefined,
  onRestored: () => void = () => {},
): Connection {
  const target = targetOf(client);
  const user = userOf(client);
  const place = placeOf(target);
  let asked = logger;
  /** How often the current attempt has failed, and how often it may. */
  let failures = 0;
  const patience = isStandalone(client) ? 1 : CLUSTER_ATTEMPTS;
  /** The first error of the current attempt: what follows is its consequence. */
  let cause: unknown;
  /** Since the connection was made: settles when the server has been checked and takes commands. */
  let usable: Promise<void> | undefined;
  /** The `usable` that has resolved: nothing is left to wait for while both are the same. */
  let prepared: Promise<void> | undefined;
  let wasUsable = false;
  let closed = false;
  /** The current connection attempt, shared by all callers that wait for it; undefined: none waits. */
  let attempt: PromiseWithResolvers<void> | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let lost = false;
  /** What the client said when the connection was lost, which it does not tell those whose commands were pending. */
  let ending: unknown;
  /** We have closed it: whoever waits, waits for the next attempt. */
  let gaveUp = false;

  function settle(problem?: PresenceError): void {
    if (problem === undefined) attempt?.resolve();
    else attempt?.reject(problem);
    attempt = undefined;
  }

  function failed(): void {
    failures++;
    if (failures < patience) return;
    const reason = cause;
    cause = undefined;
    const waiting = attempt;
    if (waiting === undefined || !hidesWhy(reason)) return settle(unreachable(target, reason));
    // Whoever waits from now on waits for the next attempt.
    attempt = undefined;
    void lastWords(target).then((said) =>
      waiting.reject(closed ? closedError() : unreachable(target, said ?? reason)),
    );
  }

  async function prepare(): Promise<void> {
    await connectMasters(client);
    try {
      await checkAbilities(client);
    } catch (error) {
      if (!wasUsable || !(error instanceof PresenceError)) throw error;
      throw new PresenceError("REDIS_UNAVAILABLE", error.message, { cause: error });
    }
    wasUsable = true;
  }

  client.on("ready", () => {
    failures = 0;
    cause = undefined;
    const made = (usable = prepare());
    made.then(
      // Unless it was lost meanwhile.
      () => {
        if (usable !== made) return;
        prepared = made;
        settle();
      },
      (error: PresenceError) => (usable === made ? settle(error) : undefined),
    );
    if (asked !== undefined) void warnOfEviction(client, asked);
    asked = undefined;
    if (!lost) return;
    lost = false;
    connection.reconnectedAt = performance.now();
    onRestored();
    connection.onReconnect?.();
  });
  client.on("close", () => {
    stopTimer(client);
    ending = cause;
    lost = true;
    usable = undefined;
    if (!gaveUp) failed();
    gaveUp = false;
  });
  client.on("end", () => {
    usable = undefined;
    if (closed) return settle(closedError());
    // ioredis has given up, as it does when it is told to reconnect while it asks a Sentinel.
    failed();
    clearTimeout(again);
    again = setTimeout(() => void client.connect().catch(() => {}), backoff(failures));
  });
  // Nodes of a Cluster.
  client.on("-node", stopTimer);
  // What the Cluster itself says afterwards is only that no node was left.
  client.on("node error", (error) => {
    if (!/Connection is closed/.test(String(error))) cause ??= error;
  });
  // Without a listener ioredis prints the error. The sender of a command gets it anyway.
  client.on("error", (error) => {
    cause ??= error;
    // It asks them again by itself, without a `close` between.
    if (client.status === "connecting" && /All sentinels are unreachable/.test(String(error))) failed();
  });

  /** Resolves when the connection is usable; rejects when the current attempt fails. */
  async function ready(): Promise<void> {
    if (closed) throw closedError();
    if (client.status === "ready" && usable !== undefined) return usable;
    attempt ??= Promise.withResolvers();
    await attempt.promise;
  }

  /** Sends, and gives the connection up when the reply says that another server is responsible. */
  async function sent<T>(send: () => Promise<T>): Promise<T> {
    if (closed || client.status !== "ready" || usable === undefined || usable !== prepared) await ready();
    const on = usable;
    const giveUp = (error: unknown) => {
      // Not the connection that has been made since.
      if (on !== usable || closed || !isElsewhere(error)) return;
      usable = undefined;
      gaveUp = true;
      client.disconnect(true);
    };
    try {
      const replies: unknown = await send();
      if (Array.isArray(replies)) {
        for (const reply of replies as (Reply | ReplyError)[]) if (reply instanceof ReplyError) giveUp(reply);
      }
      return replies as T;
    } catch (error) {
      giveUp(error);
      const isStuck = isLost(error) && SOCKET_TIMEOUT.test(String(ending ?? cause));
      throw explained(isStuck ? redisError(ending ?? cause) : error, { user, place });
    }
  }

  const port = ioredisPort(client);
  const connection: { -readonly [K in keyof Connection]: Connection[K] } = {
    client,
    user,
    place,
    get wasUsable() {
      return wasUsable;
    },
    ready,
    reconnectedAt: undefined,
    onReconnect: undefined,
    port: {
      read: (commands) => sent(() => port.read(commands)),
      call: (command) => sent(() => port.call(command)),
      pipeline: (commands) => sent(() => port.pipeline(commands)),
    },
    close() {
      closed = true;
      clearTimeout(again);
      settle(closedError());
      const nodes = client.nodes?.("all") ?? [];
      // On a connection that has already ended, disconnect() would leave a timer behind.
      if (client.status !== "end") client.disconnect();
      for (const one of [client, ...nodes]) stopTimer(one);
    },
  };
  return connection;
}

/** Makes the connections to the masters of a Cluster that ioredis has not made yet. Never rejects. */
async function connectMasters(client: IoRedis): Promise<void> {
  const waiting = client.nodes?.("master").filter(({ status }) => status === "wait") ?? [];
  if (waiting.length > 0) await Promise.allSettled(waiting.map((node) => node.connect()));
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

/** Whether this client has one server, so that one command may name keys of several shards. */
export function isStandalone({ isCluster = false }: { readonly isCluster?: boolean }): boolean {
  return !isCluster;
}

/** From the settings of a client or a Cluster; a connection that names no user is Redis's own `default`. */
function userOf(client: object): string {
  interface Named {
    readonly username?: string | null;
  }
  const { options } = client as { options?: Named & { readonly redisOptions?: Named } };
  return options?.username || options?.redisOptions?.username || "default";
}
