/**
 * createPresence: a recorder for a Socket.IO server, a reader, and the changes of the whole cluster as events.
 */
import type { Server, Socket } from "socket.io";
import { announce } from "../adapter/clusters.ts";
import { SILENCE_MS, SILENCE_MS_MIN } from "../core/limits.ts";
import { PresenceError } from "../core/errors.ts";
import { isTold } from "../core/scope-patterns.ts";
import { OutageLog } from "../core/outage-log.ts";
import type { Reporter } from "../core/outages.ts";
import { invalid } from "../core/options.ts";
import { attachTelemetry } from "../core/telemetry.ts";
import { type Reader, readerOver } from "../reader/reader.ts";
import { type Forgotten, Recorder } from "../recorder/recorder.ts";
import { connect } from "../redis/connect.ts";
import { attach, type Attachment } from "../recorder/socket-io.ts";
import type { Mirror } from "../follow/mirror.ts";
import { clusterOver } from "./cluster.ts";
import { Events, type PresenceEvents, type PresenceListener, type ScopeEvents } from "./events.ts";
import { Listening } from "./listening.ts";
import { type PresenceNamespace, type PresenceScope, readerOf, scopesOver } from "./scope-objects.ts";
import { ScopeListening } from "./scopes.ts";
import { type Subscribe, type Subscription, Subscriptions } from "./subscriptions.ts";
import type { Handle, HandleBatch, SubscribeOptions } from "../subscriber/options.ts";
import type { WebhookOptions } from "../webhooks/options.ts";
import { within } from "../time/deadline.ts";
import { processRuntime } from "../time/runtime.ts";
import { checkUserRooms, type SocketsOfOptions, type UserBroadcast, UserSockets } from "./user-sockets.ts";
import {
  checkServer,
  type CloseOptions,
  type PresenceOptions,
  resolveCloseOptions,
  resolvePresenceOptions,
  type UserRoomsOptions,
} from "./options.ts";

export type {
  CloseOptions,
  PresenceEvents,
  PresenceListener,
  PresenceNamespace,
  PresenceOptions,
  PresenceScope,
  ScopeEvents,
  SocketsOfOptions,
  Subscribe,
  Subscription,
  UserBroadcast,
  UserRoomsOptions,
};

/**
 * What createPresence() returns: the reader's methods, and the changes of the whole cluster as events. The methods that read
 * reject as those of a Reader do.
 */
export interface Presence extends Omit<Reader, "shards" | "of" | "in"> {
  /** A namespace: its sockets, its users, its rooms, and who comes and goes. Throws PresenceError SCOPE_INVALID. Needs `rooms`. */
  of(namespace: string): PresenceNamespace;
  /** A room in the main namespace. Throws PresenceError SCOPE_INVALID. Needs `rooms`. */
  in(room: string): PresenceScope;
  /**
   * Calls `listener` with each event from now on. If it throws or rejects, `error` is emitted with LISTENER_FAILED and
   * nothing stops. The first listener of `online`, `offline` or `gap` starts following the cluster's changes; await `ready`
   * to know that it has started.
   */
  on<E extends keyof PresenceEvents>(event: E, listener: PresenceListener<E>): this;
  /** The same, for the next event only. */
  once<E extends keyof PresenceEvents>(event: E, listener: PresenceListener<E>): this;
  /** Removes a listener added with on() or once(). Following ends a second after the last listener is removed. */
  off<E extends keyof PresenceEvents>(event: E, listener: PresenceListener<E>): this;
  /**
   * Who is online, from memory: has(user) and size, without a request to Redis. The first access starts it, and it is kept
   * until close(), with one entry per user. `await presence.mirror.ready` first. Throws CLOSED after close().
   */
  readonly mirror: Mirror;
  /**
   * Resolves when this process is registered, and the listeners added so far receive every change from then on.
   * Rejects after `readyTimeout` (10 s) with the first reason why it is not, such as REDIS_UNAVAILABLE; asking again waits again. Rejects
   * with CLOSED if close() comes first. Rejects with SHARDS_MISMATCH and RECORD_KEYS_MISMATCH when the prefix is in use with another number of shards or other
   * `recordKeys`, and with PERMISSION or REDIS_TYPE when records cannot be appended until somebody changes that; attempts go on, and
   * once one succeeds `ready` is a promise that resolves. A process that can append and not project is ready: `error` is emitted,
   * and others fold its records.
   */
  readonly ready: Promise<void>;
  /** The ids under which this process is registered now, one per shard; a new one after each re-registration. */
  readonly processIds: readonly string[];
  /**
   * Sets the user of a socket; null makes it anonymous. Overrides a `user` function that is still pending, and one that has not been
   * asked: in a middleware it is remembered. Never throws: emits `error` with USER_INVALID (the socket keeps its user), or with
   * OPTIONS_INVALID for a socket of a namespace that is not counted. Ignores a closed socket, and every call after close().
   */
  identify(socket: Socket, user: string | null): void;
  /**
   * All sockets of a user, on every server: Socket.IO's own operator for the user's room. Needs the option `userRooms`, and an adapter for
   * several servers where there are several; without one it reaches this process only, and a warning is logged. It reads nothing from
   * Redis: a socket is reached from when its user is known on its server. Throws OPTIONS_INVALID without `userRooms` and for a
   * namespace that is not counted, USER_INVALID for an invalid id, and CLOSED.
   *
   *   presence.socketsOf("alice").emit("notice", "Your invoice is ready");
   *   presence.socketsOf("alice").disconnectSockets(true);
   *   const answers = await presence.socketsOf("alice").timeout(5_000).emitWithAck("still there?");
   *   const tabs = await presence.socketsOf("alice", { namespace: "/chat" }).fetchSockets();
   */
  socketsOf(user: string, options?: SocketsOfOptions): UserBroadcast;
  /**
   * Serves a durable subscriber: `handle` gets each change of the cluster at least once, in one process at a time, in order for a user, also
   * those that came while no process ran. A name is 1 to 64 letters, digits, dots, dashes and underscores; processes that use the same one
   * share the work. A handler that throws or rejects is called again later, with the same `id`. Failures are emitted as `error` (DELIVERY_FAILED).
   * Needs the rights that `npx rollcall acl` prints for a subscriber. Throws OPTIONS_INVALID, and CLOSED.
   *
   *   presence.subscribe("billing", async ({ user }, { id, signal }) => endSession(user, { idempotencyKey: id, signal }), {
   *     filter: { types: ["offline"] },
   *   });
   */
  readonly subscribe: Subscribe;
  /**
   * Serves a webhook: a durable subscriber that posts each change to `url`, signed as Standard Webhooks 1.0 says. An answer with a status from
   * 200 to 299 is success, 410 disables it, anything else is repeated; failures are emitted as `error` (DELIVERY_FAILED). Addresses that are not
   * of the public internet are refused unless `allow` names them. Needs the rights of a subscriber. Throws OPTIONS_INVALID, and CLOSED.
   *
   *   presence.webhook("crm", { url: "https://crm.example/hooks/presence", secrets: [process.env.CRM_SECRET] });
   */
  webhook(name: string, options: WebhookOptions): Subscription;
  /**
   * Removes what is kept about a user who is not present; as Projector.forget(), which says what that is. Rejects with USER_PRESENT while
   * the user is present anywhere. This process's Redis user needs a projector's rights, also with `project: false`.
   */
  forget(user: string): Promise<Forgotten>;
  /**
   * Appends what is left, says goodbye and closes the connections, within about `timeout` ms. If Redis does not answer in
   * time, the lease expires instead. Where Redis has never been reached, it does not wait for it. Idempotent. Sockets stay open and are no longer counted. Rejects with OPTIONS_INVALID.
   */
  close(options?: CloseOptions): Promise<void>;
  /** close(), for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The prefixes under which a server's sockets are counted now. */
const inUse = new WeakMap<Server, Set<string>>();

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
  const {
    redis,
    user,
    namespaces,
    rooms,
    tracks,
    socketIds,
    mirrorMax,
    readyTimeout,
    userRooms,
    onlyOne,
    telemetry: telemetries,
    recorder: options,
  } = resolvePresenceOptions(input);
  const { logger, prefix } = options;
  const prefixes = inUse.get(io) ?? new Set<string>();
  if (prefixes.has(prefix)) {
    invalid(
      `this server already has a presence with the prefix ${JSON.stringify(prefix)}, so each socket would count twice: ` +
        "close() that one first, or use another prefix",
    );
  }
  checkUserRooms(io, userRooms);
  const events: Events = new Events(
    logger,
    () => listening.review(),
    (...failed) => outages.occurred(...failed),
  );
  const onError = (failure: PresenceError) => events.error(failure);
  const outages: OutageLog = new OutageLog({
    logger,
    // It has its line already.
    onError: (failure) => events.emit("error", failure),
    runtime: processRuntime,
    process: () => recorder.processes[0],
  });
  const source = { prefix, levels: () => ({ ...recorder.levels, mirror: listening.users }) };
  const telemetry = attachTelemetry(telemetries, source, logger);
  const connection = connect(redis, {
    timeout: Math.max(SILENCE_MS_MIN, Math.min(SILENCE_MS, Math.floor(options.ttl / 3))),
    name: "rollcall",
    logger,
    onRestored: () => telemetry?.happened("reconnected", { connection: "recorder" }),
  });
  const { port } = connection;
  const reader = readerOver(port, { prefix: options.prefix, shards: options.shards }, { tracks });
  const userSockets = new UserSockets({
    io,
    userRooms,
    onlyOne,
    prefix,
    shards: options.shards,
    port,
    reader,
    onError,
    logger,
    countsIn: (namespace) => attachment.countsIn(namespace),
  });
  // What it does belongs to no request in which the presence happens to be made.
  const apart = telemetry?.apart ?? ((call) => call());
  const recorder: Recorder = apart(
    () =>
      new Recorder({
        telemetry,
        connection,
        options,
        onError,
        outages,
        tracks,
        ids: socketIds,
        connections: () => io.engine?.clientsCount ?? 0,
        listens: () => listening.listens || scopes.listens,
        records: userSockets.records,
      }),
  );
  const attachment: Attachment = attach({
    io,
    user,
    namespaces,
    connect: (user) => recorder.connect(user),
    disconnect: (user, departure) => recorder.disconnect(user, departure),
    rooms: rooms && { ...rooms, isOwnRoom: userSockets.isUserRoom },
    join: (scope, user) => recorder.join(scope, user),
    part: (scope, user, departure) => recorder.part(scope, user, departure),
    ids: socketIds
      ? {
          opened: (id, user, scopes) => recorder.opened(id, user, scopes),
          gone: (id, user) => recorder.gone(id, user),
        }
      : undefined,
    onError,
    logger,
    heartbeat: options.heartbeat,
    watchers: userSockets.watchers,
  });

  inUse.set(io, prefixes.add(prefix));
  const unannounce =
    rooms === undefined
      ? () => {}
      : announce(
          io,
          clusterOver({
            reader,
            processes: () => recorder.processes,
            countsIn: (namespace) => attachment.countsIn(namespace),
            userRooms,
          }),
        );

  const subscriptions = new Subscriptions({
    redis,
    prefix: options.prefix,
    shards: options.shards,
    logger,
    onError: (failure) => events.emit("error", failure),
    telemetry,
  });
  const reading = { changes: reportsOf("changes", "changes"), moves: reportsOf("moves", "changes of rooms") };
  const followed = (kind: keyof typeof reading) => ({
    redis,
    prefix: options.prefix,
    shards: options.shards,
    ttl: options.ttl,
    max: mirrorMax,
    telemetry,
    // What is missing is missing in all shards.
    logger: { ...logger, info: (message: string) => outages.note(kind, "info", message, {}) },
    onState: (error: PresenceError | null, group: readonly number[]) => reading[kind].onState(error, group),
  });
  const listening = new Listening(
    {
      ...followed("changes"),
      onChange: (change) => events.emit(change.type, change.user, change),
      onGap: (gap) => events.emit("gap", gap),
    },
    () => events.count("online") + events.count("offline") + events.count("gap") > 0,
    () => reading.changes.end(),
  );
  const scopes = new ScopeListening({
    ...followed("moves"),
    beside: port,
    occurred: (...failed) => outages.occurred(...failed),
    onError,
    ended: () => reading.moves.end(),
    registered: () => recorder.ready(),
    checkTold: (scope) => readerOf(reader, scope).changes(),
    // Where a function or a RegExp decides, nobody can say that they are not.
    isTold: (scope) => isTold(tracks ?? [], scope) !== "no",
  });
  /** Who reads changes of one kind, one on a Redis, one a shard on a Cluster. */
  function reportsOf(name: string, what: string) {
    const reporters = new Map<number, Reporter>();
    return {
      onState(error: PresenceError | null, [shard = 0, ...more]: readonly number[]) {
        const isOne = more.length === 0 && options.shards > 1;
        const reporter = reporters.get(shard) ?? {
          name: `${name} ${shard}`,
          cannot: `cannot read ${what}`,
          again: `reading ${what} again`,
          shard: isOne ? shard : undefined,
        };
        reporters.set(shard, reporter);
        if (error === null) outages.worked(reporter);
        else outages.failed(reporter, error);
      },
      end: () => reporters.forEach((reporter) => outages.gone(reporter)),
    };
  }

  /** Why it is not ready in time. The first reason known, whatever followed from it. */
  function late(ms: number): PresenceError {
    const { cause } = outages;
    const why = cause?.message ?? `nothing is known to be wrong; raise \`readyTimeout\` if Redis is slow`;
    const { code = "REDIS_UNAVAILABLE", details } = cause ?? {};
    return new PresenceError(code, `not ready within ${ms} ms: ${why}`, { cause, details });
  }

  let closed: Promise<void> | undefined;
  async function close(timeout: number): Promise<void> {
    attachment.detach();
    unannounce();
    userSockets.close();
    prefixes.delete(prefix);
    const [graceful] = await Promise.all([recorder.close(timeout), subscriptions.close(timeout)]);
    if (!graceful && connection.wasUsable)
      logger.warn("closed without a goodbye: Redis did not answer in time, so the lease expires instead");
    connection.close();
    await Promise.all([listening.close(), scopes.close()]);
    outages.close();
    events.clear();
    telemetry?.close();
  }

  const presence: Presence = {
    on(event, listener) {
      events.add(event, listener, false);
      return presence;
    },
    once(event, listener) {
      events.add(event, listener, true);
      return presence;
    },
    off(event, listener) {
      events.remove(event, listener);
      return presence;
    },
    get mirror() {
      return listening.mirror;
    },
    get ready() {
      const follows = recorder.ready().then(async () => {
        await Promise.all([listening.ready(), scopes.ready()]);
      });
      const ready = readyTimeout === 0 ? follows : within(readyTimeout, follows, late);
      ready.catch(() => {});
      return ready;
    },
    get processIds() {
      return recorder.processes;
    },
    socketsOf: (user, socketsOptions) => userSockets.socketsOf(user, socketsOptions),
    subscribe: (name: string, handle: Handle | HandleBatch, subscribeOptions?: SubscribeOptions) =>
      subscriptions.subscribe(name, handle, subscribeOptions),
    webhook: (name, webhookOptions) => subscriptions.webhook(name, webhookOptions),
    forget: (user) => recorder.forget(user),
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
    usersAt: (time, atOptions) => reader.usersAt(time, atOptions),
    sessions: (user, sessionsOptions) => reader.sessions(user, sessionsOptions),
    page: (pageOptions) => reader.page(pageOptions),
    lookup: (users) => reader.lookup(users),
    processes: () => reader.processes(),
    subscribers: () => reader.subscribers(),
    changes: (changesOptions) => reader.changes(changesOptions),
    history: (historyOptions) => reader.history(historyOptions),
    distinct: (distinctOptions) => reader.distinct(distinctOptions),
    totals: () => reader.totals(),
    ...scopesOver(reader, scopes),
    scopes: (scopesOptions) => reader.scopes(scopesOptions),
    countsIn: (scopes) => reader.countsIn(scopes),
    sockets: (socketsOptions) => reader.sockets(socketsOptions),
    [Symbol.asyncDispose]: () => presence.close(),
  };
  return presence;
}
