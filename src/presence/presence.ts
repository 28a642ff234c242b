/**
 * createPresence: a recorder on a Socket.IO server, a reader beside it, and the changes of the whole cluster as events.
 */
import { EventEmitter } from "node:events";
import type { Server, Socket } from "socket.io";
import { type Change, decodeChanges } from "../core/change.ts";
import { PresenceError } from "../core/errors.ts";
import { keysOf } from "../core/keys.ts";
import { type Logger, resolveRecorderOptions, type RecorderOptions } from "../core/options.ts";
import { type Reader, readerOver } from "../reader/reader.ts";
import { Recorder } from "../recorder/recorder.ts";
import { connect, type RedisInput } from "../redis/connect.ts";
import { attach, type NamespaceMatcher, type UserFunction } from "../recorder/socket-io.ts";
import { tail } from "../follow/tail.ts";

export interface PresenceOptions extends RecorderOptions {
  /** A redis:// or rediss:// URL, or an ioredis client or Cluster, after whose settings own connections are made. */
  readonly redis: RedisInput;
  /** Who a socket belongs to; null for an anonymous socket. May be async: the socket is counted once it is known. */
  readonly user: UserFunction;
  /** Whose sockets are counted: names, patterns, functions of the name. Default `["/"]`. */
  readonly namespaces?: readonly NamespaceMatcher[] | RegExp | ((name: string) => boolean) | undefined;
}

export interface PresenceEvents {
  /** A user became present: the first socket anywhere. Once per change on every node. */
  online: [user: string, change: Change];
  /** A user became absent, whatever the cause, a crashed process included. Once per change on every node. */
  offline: [user: string, change: Change];
  /** Something failed that Rollcall goes on trying, or an input it could not use. Once per state, not per retry. */
  error: [error: PresenceError];
}

export interface Presence extends Omit<Reader, "shards"> {
  on<E extends keyof PresenceEvents>(event: E, listener: (...args: PresenceEvents[E]) => void): this;
  once<E extends keyof PresenceEvents>(event: E, listener: (...args: PresenceEvents[E]) => void): this;
  off<E extends keyof PresenceEvents>(event: E, listener: (...args: PresenceEvents[E]) => void): this;
  /**
   * Resolves when this process is registered and hears of every change from then on.
   * Rejects with SHARDS_MISMATCH when the prefix is in use with another number of shards.
   */
  readonly ready: Promise<void>;
  /** Ids under which this process is registered now, shard by shard; a fresh one after each re-registration. */
  readonly processIds: readonly string[];
  /**
   * Says whose an open socket is from now on; null makes it anonymous. Wins over a `user` function still pending.
   * Throws USER_INVALID, or OPTIONS_INVALID for a socket of a namespace that is not counted; ignores a closed socket.
   */
  identify(socket: Socket, user: string | null): void;
  /**
   * Appends what is left, says goodbye and closes the connections, within about `timeout` ms (default 5,000); when
   * Redis does not answer in time the lease runs out by itself. Idempotent. Sockets stay open and are counted no more.
   */
  close(options?: { readonly timeout?: number | undefined }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const CLOSE_TIMEOUT_MS = 5_000;
/** A connection that says nothing for this long while an answer is due is given up, ms: a third of the lease, within these. */
const SILENCE_MS_MIN = 1_000;
const SILENCE_MS_MAX = 5_000;

const consoleLogger: Logger = {
  info() {},
  // oxlint-disable-next-line no-console
  warn: (message) => console.warn(`[rollcall] ${message}`),
  // oxlint-disable-next-line no-console
  error: (message) => console.error(`[rollcall] ${message}`),
};

/**
 * Counts the sockets of `io` in Redis. Works at once; await `ready` to know that it is registered.
 * Throws PresenceError OPTIONS_INVALID.
 */
export function createPresence(io: Server, input: PresenceOptions): Presence {
  const options = resolveRecorderOptions({ logger: consoleLogger, ...input });
  const { logger } = options;
  if (typeof input.user !== "function") {
    throw new PresenceError(
      "OPTIONS_INVALID",
      "user must be a function of a socket that returns its user's id or null",
    );
  }
  const namespaces = namespaceMatchers(input.namespaces ?? ["/"]);

  const events = new EventEmitter<PresenceEvents>({ captureRejections: false });
  function onError(error: Error): void {
    const failure =
      error instanceof PresenceError
        ? error
        : new PresenceError("REDIS_UNAVAILABLE", error.message, { cause: error });
    if (events.listenerCount("error") === 0) {
      logger.error(`${failure.code}: ${failure.message}`);
      return;
    }
    try {
      events.emit("error", failure);
    } catch (thrown) {
      logger.error(`a listener of "error" threw ${thrown instanceof Error ? thrown.name : typeof thrown}`);
    }
  }

  const connection = connect(input.redis, {
    timeout: Math.max(SILENCE_MS_MIN, Math.min(SILENCE_MS_MAX, Math.floor(options.ttl / 3))),
    name: "rollcall",
  });
  const { port } = connection;
  const reader = readerOver(port, { prefix: options.prefix, shards: options.shards });
  const recorder = new Recorder({
    connection,
    options,
    onError,
    connections: () => io.engine?.clientsCount ?? 0,
  });
  const attachment = attach({
    io,
    user: input.user,
    namespaces,
    connect: (user) => recorder.connect(user),
    disconnect: (user, fall) => recorder.disconnect(user, fall),
    onError,
  });

  function tell(change: Change): void {
    try {
      events.emit(change.type, change.user, change);
    } catch (cause) {
      onError(new PresenceError("LISTENER_FAILED", `a listener of "${change.type}" threw`, { cause }));
    }
  }

  const changes = tail({
    redis: input.redis,
    streams: Array.from(
      { length: options.shards },
      (_, shard) => keysOf(options.prefix, shard, options.shards).changes,
    ),
    onEntries(_, entries) {
      for (const { id, fields } of entries) for (const change of decodeChanges(id, fields)) tell(change);
    },
    onState(error) {
      if (error === null) return;
      logger.warn(`cannot read changes: ${error.message}`);
      onError(error);
    },
  });

  const ready = Promise.all([recorder.ready(), changes.ready]).then(() => {});
  ready.catch(() => {});

  let closed: Promise<void> | undefined;
  async function close(timeout: number): Promise<void> {
    attachment.detach();
    const graceful = await recorder.close(timeout);
    if (!graceful) logger.warn("closed without a goodbye; the lease runs out by itself");
    connection.close();
    await changes.close();
    events.removeAllListeners();
  }

  const presence: Presence = {
    on(event, listener) {
      events.on(event, listener as never);
      return presence;
    },
    once(event, listener) {
      events.once(event, listener as never);
      return presence;
    },
    off(event, listener) {
      events.off(event, listener as never);
      return presence;
    },
    ready,
    get processIds() {
      return recorder.processes;
    },
    identify: (socket, user) => attachment.identify(socket, user),
    close: ({ timeout = CLOSE_TIMEOUT_MS } = {}) => (closed ??= close(timeout)),
    counts: () => reader.counts(),
    isOnline: (user) => reader.isOnline(user),
    user: (user) => reader.user(user),
    users: () => reader.users(),
    usersList: (options) => reader.usersList(options),
    page: (options) => reader.page(options),
    lookup: (users) => reader.lookup(users),
    processes: () => reader.processes(),
    changes: (options) => reader.changes(options),
    totals: () => reader.totals(),
    [Symbol.asyncDispose]: () => presence.close(),
  };
  return presence;
}

function namespaceMatchers(input: NonNullable<PresenceOptions["namespaces"]>): readonly NamespaceMatcher[] {
  const list: readonly unknown[] = Array.isArray(input) ? input : [input];
  for (const matcher of list) {
    if (typeof matcher === "string" && !matcher.startsWith("/")) {
      throw new PresenceError(
        "OPTIONS_INVALID",
        `namespaces: ${JSON.stringify(matcher)} must start with "/"`,
      );
    }
    if (typeof matcher !== "string" && typeof matcher !== "function" && !(matcher instanceof RegExp)) {
      throw new PresenceError(
        "OPTIONS_INVALID",
        `namespaces holds names, patterns and functions, got ${typeof matcher}`,
      );
    }
  }
  if (list.length === 0)
    throw new PresenceError("OPTIONS_INVALID", "namespaces must name at least one namespace");
  return list as readonly NamespaceMatcher[];
}
