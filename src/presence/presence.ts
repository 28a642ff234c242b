/**
 * createPresence: a recorder for a Socket.IO server, a reader, and the changes of the whole cluster as events.
 */
import { EventEmitter } from "node:events";
import type { Server, Socket } from "socket.io";
import { type Change, decodeChanges } from "../core/change.ts";
import { PresenceError } from "../core/errors.ts";
import { keysOf } from "../core/keys.ts";
import { SILENCE_MS, SILENCE_MS_MIN } from "../core/limits.ts";
import { type Reader, readerOver } from "../reader/reader.ts";
import { Recorder } from "../recorder/recorder.ts";
import { connect } from "../redis/connect.ts";
import { attach } from "../recorder/socket-io.ts";
import { tail } from "../follow/tail.ts";
import {
  checkServer,
  type CloseOptions,
  type PresenceOptions,
  resolveCloseOptions,
  resolvePresenceOptions,
} from "./options.ts";

export type { CloseOptions, PresenceOptions };

/** The events of a presence and the arguments of their listeners. */
export interface PresenceEvents {
  /** A user became present: the first socket on any server. Emitted once per change on every server. */
  online: [user: string, change: Change];
  /** A user became absent, for any cause including a crashed process. Emitted once per change on every server. */
  offline: [user: string, change: Change];
  /**
   * A failure that Rollcall keeps retrying (REDIS_UNAVAILABLE), an invalid input (USER_INVALID, USER_FUNCTION_FAILED), a
   * listener that threw (LISTENER_FAILED), or a bug in Rollcall (INTERNAL). Emitted once per outage, not per retry. Without a
   * listener it is logged; it never throws.
   */
  error: [error: PresenceError];
}

/**
 * What createPresence() returns: the reader's methods, and the changes of the whole cluster as events. The methods that read
 * reject as those of a Reader do.
 */
export interface Presence extends Omit<Reader, "shards"> {
  /** Calls `listener` with each event from now on. If it throws, `error` is emitted with LISTENER_FAILED and nothing stops. */
  on<E extends keyof PresenceEvents>(event: E, listener: (...args: PresenceEvents[E]) => void): this;
  /** The same, for the next event only. */
  once<E extends keyof PresenceEvents>(event: E, listener: (...args: PresenceEvents[E]) => void): this;
  /** Removes a listener added with on() or once(). */
  off<E extends keyof PresenceEvents>(event: E, listener: (...args: PresenceEvents[E]) => void): this;
  /**
   * Resolves when this process is registered and receives every change from then on.
   * Rejects with SHARDS_MISMATCH when the prefix is in use with another number of shards.
   */
  readonly ready: Promise<void>;
  /** The ids under which this process is registered now, one per shard; a new one after each re-registration. */
  readonly processIds: readonly string[];
  /**
   * Sets the user of an open socket; null makes it anonymous. Overrides a `user` function that is still pending.
   * Throws USER_INVALID, or OPTIONS_INVALID for a socket of a namespace that is not counted; ignores a closed socket.
   */
  identify(socket: Socket, user: string | null): void;
  /**
   * Appends what is left, says goodbye and closes the connections, within about `timeout` ms. If Redis does not answer in
   * time, the lease expires instead. Idempotent. Sockets stay open and are no longer counted. Rejects with OPTIONS_INVALID.
   */
  close(options?: CloseOptions): Promise<void>;
  /** close(), for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Counts the sockets of `io`, a Socket.IO server of version 4.6 or later, in Redis. Counting starts at once; await `ready` to
 * know that the process is registered. While Redis is unreachable, counting continues in memory (bounded by the open sockets)
 * and `error` is emitted. Throws PresenceError OPTIONS_INVALID.
 *
 *   const presence = createPresence(io, { redis: "redis://127.0.0.1:6379", user: (socket) => socket.data.userId });
 *   presence.on("offline", (user) => …);
 */
export function createPresence(io: Server, input: PresenceOptions): Presence {
  checkServer(io);
  const { redis, user, namespaces, recorder: options } = resolvePresenceOptions(input);
  const { logger } = options;
  const events = new EventEmitter({ captureRejections: false });
  /** An EventEmitter of known events takes no generic listener: its types cannot relate the two. */
  function emit<E extends keyof PresenceEvents>(event: E, ...args: PresenceEvents[E]): void {
    events.emit(event, ...args);
  }
  function onError(failure: PresenceError): void {
    if (events.listenerCount("error") === 0) {
      logger.error(`${failure.code}: ${failure.message}`);
      return;
    }
    try {
      emit("error", failure);
    } catch (thrown) {
      logger.error(`a listener of "error" threw ${thrown instanceof Error ? thrown.name : typeof thrown}`);
    }
  }

  const connection = connect(redis, {
    timeout: Math.max(SILENCE_MS_MIN, Math.min(SILENCE_MS, Math.floor(options.ttl / 3))),
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
    user,
    namespaces,
    connect: (user) => recorder.connect(user),
    disconnect: (user, fall) => recorder.disconnect(user, fall),
    onError,
  });

  function tell(change: Change): void {
    try {
      emit(change.type, change.user, change);
    } catch (cause) {
      onError(new PresenceError("LISTENER_FAILED", `a listener of "${change.type}" threw`, { cause }));
    }
  }

  const changes = tail({
    redis,
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
    if (!graceful)
      logger.warn("closed without a goodbye: Redis did not answer in time, so the lease expires instead");
    connection.close();
    await changes.close();
    events.removeAllListeners();
  }

  const presence: Presence = {
    on(event, listener) {
      events.on(event, listener);
      return presence;
    },
    once(event, listener) {
      events.once(event, listener);
      return presence;
    },
    off(event, listener) {
      events.off(event, listener);
      return presence;
    },
    ready,
    get processIds() {
      return recorder.processes;
    },
    identify: (socket, user) => attachment.identify(socket, user),
    async close(closeOptions = {}) {
      const { timeout } = resolveCloseOptions(closeOptions);
      await (closed ??= close(timeout));
    },
    counts: () => reader.counts(),
    isOnline: (user) => reader.isOnline(user),
    user: (user) => reader.user(user),
    users: () => reader.users(),
    usersList: (listOptions) => reader.usersList(listOptions),
    page: (pageOptions) => reader.page(pageOptions),
    lookup: (users) => reader.lookup(users),
    processes: () => reader.processes(),
    changes: (changesOptions) => reader.changes(changesOptions),
    totals: () => reader.totals(),
    [Symbol.asyncDispose]: () => presence.close(),
  };
  return presence;
}
