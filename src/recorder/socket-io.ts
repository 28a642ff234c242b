/**
 * Attaches a recorder to a Socket.IO server: which sockets are counted, for which user, and how they disconnect.
 *
 * Listeners only mark what changed. What counts is what Socket.IO has: once per heartbeat all sockets are compared with it, because
 * events can be missed. Our listeners go first, since one of the application's that throws ends the event; and `disconnecting` is
 * used, not `disconnect`, which does not come if a listener of the former throws.
 */
import type { Server, Socket } from "socket.io";
import { orInternal, PresenceError } from "../core/errors.ts";
import type { Departure } from "../core/journal.ts";
import type { Logger } from "../core/options.ts";
import { processRuntime, type Runtime } from "../time/runtime.ts";
import { Adapters } from "./sockets/adapters.ts";
import { departureOf, isOpen, isSocket, roomsOf, silentDepartureOf } from "./sockets/level.ts";
import type { IdCounts } from "./sockets/ids.ts";
import { type MembershipCounts, Memberships } from "./sockets/memberships.ts";
import { type NamespaceMatcher, Namespaces } from "./sockets/namespaces.ts";
import { Reports } from "./sockets/reports.ts";
import { type ChangeMatcher, type RoomMatcher, type RoomOptions, Scopes } from "./sockets/scopes.ts";
import { Slices } from "./sockets/slices.ts";
import { type Counts, Tracked } from "./sockets/tracked.ts";
import { type UserFunction, Users } from "./sockets/users.ts";
import type { SocketWatcher } from "./sockets/watcher.ts";

export type { ChangeMatcher, NamespaceMatcher, RoomMatcher, RoomOptions, UserFunction };

/** Sockets compared in one turn of the event loop: about a quarter of a millisecond. ROOMS of a socket take as long as one more. */
const SLICE = 1_000;
const ROOMS = 2;

export interface AttachOptions extends Counts, MembershipCounts {
  readonly io: Server;
  readonly user: UserFunction;
  readonly namespaces: readonly NamespaceMatcher[];
  /** Which rooms are tracked. Undefined: none, and no namespace is a scope either. */
  readonly rooms?: RoomOptions | undefined;
  /** What is told of sockets by id. Undefined: nothing. Needs `rooms`. */
  readonly ids?: IdCounts | undefined;
  /** Must not throw. */
  readonly onError: (error: PresenceError) => void;
  readonly logger: Pick<Logger, "info" | "warn">;
  /** How often to compare, ms. */
  readonly heartbeat: number;
  /** For tests: most memberships, instead of MEMBERSHIPS_MAX. */
  readonly membershipsMax?: number | undefined;
  /** Told of each socket, after it is counted. */
  readonly watchers?: readonly SocketWatcher[] | undefined;
  /** For tests. */
  readonly runtime?: Pick<Runtime, "now" | "after"> | undefined;
}

export interface Attachment {
  /** See Presence.identify. */
  identify(socket: Socket, user: string | null): void;
  /** Whether the sockets of a namespace of this name are counted. */
  countsIn(namespace: string): boolean;
  /**
   * Compares the sockets counted with those Socket.IO has, and corrects the count, as happens once per heartbeat. With more than
   * SLICE sockets the rest is done in later turns. Never throws.
   */
  compare(): void;
  /** Stops listening; sockets stay open. */
  detach(): void;
}

export function attach(options: AttachOptions): Attachment {
  const { io, user, namespaces, onError, logger, heartbeat, runtime = processRuntime } = options;
  const { watchers = [] } = options;
  const reports = new Reports({ onError, logger });
  const scopes = options.rooms && new Scopes({ ...options.rooms, reports });
  const memberships = scopes && new Memberships({ ...options, scopes, reports });
  const tracked = new Tracked(options, memberships);
  const adapters = scopes && new Adapters(guarded(mark));
  const users = new Users({
    user,
    reports,
    now: runtime.now,
    onAnswer: guarded((socket: Socket, id: string) => settle(socket, id)),
  });
  const counted = new Namespaces({ io, matchers: namespaces, reports, onSocket: guarded(track) });
  const slices = new Slices();
  /** Set by identify() before the socket was connected. */
  const foretold = new WeakMap<Socket, string>();
  /** Tracked in this turn: whose they are is asked when the application's own listeners have run. */
  let marked: Socket[] = [];
  /** Their rooms have changed in this turn: looked at when it is over, once, however many there were. */
  const moved = new Set<Socket>();
  let detached = false;

  /** Socket.IO calls our handlers beside the application's: what one of ours throws would end theirs, or the process. */
  function guarded<This, Args extends unknown[]>(handler: (this: This, ...args: Args) => void) {
    return function (this: This, ...args: Args): void {
      try {
        handler.apply(this, args);
      } catch (error) {
        reports.error("bugs in Rollcall", () => orInternal(error));
      }
    };
  }

  const onDisconnecting = guarded(function (this: Socket, reason: string): void {
    went(this, departureOf(reason));
  });

  function went(socket: Socket, departure: Departure): void {
    users.forget(socket);
    tracked.remove(socket, departure);
    adapters?.remove(socket);
    for (const watcher of watchers) watcher.gone?.(socket);
  }

  function track(socket: Socket): void {
    if (tracked.has(socket) || tracked.hasGone(socket) || !isOpen(socket)) return;
    tracked.add(socket);
    for (const watcher of watchers) watcher.tracked?.(socket);
    socket.prependListener("disconnecting", onDisconnecting);
    if (marked.push(socket) === 1) queueMicrotask(askMarked);
    adapters?.add(socket);
  }

  function askMarked(): void {
    const sockets = marked;
    marked = [];
    for (const socket of sockets) ask(socket);
  }

  const ask = guarded((socket: Socket): void => {
    // Gone, or identified meanwhile.
    if (tracked.userOf(socket) !== null) return;
    const id = foretold.get(socket) ?? users.ask(socket);
    // `user` itself may have identified or disconnected it, or closed us: what it returned no longer matters.
    if (tracked.userOf(socket) !== null) users.forget(socket);
    else if (id !== null) settle(socket, id);
  });

  function mark(socket: Socket): void {
    if (moved.add(socket).size === 1) queueMicrotask(settleMoved);
  }

  function settleMoved(): void {
    const sockets = [...moved];
    moved.clear();
    for (const socket of sockets) settleRooms(socket);
  }

  const settleRooms = guarded((socket: Socket): void => {
    const user = tracked.userOf(socket);
    if (user === undefined) return;
    // It left its own room, and nothing else told that it went.
    if (!isOpen(socket)) check(socket);
    else if (user !== null) tracked.settle(socket, user, "leave");
  });

  function settle(socket: Socket, id: string): void {
    // A socket that has gone unnoticed is left to the next comparison.
    if (!isOpen(socket)) return;
    tracked.settle(socket, id, "leave");
    for (const watcher of watchers) if (tracked.userOf(socket) === id) watcher.settled?.(socket, id);
  }

  function identify(socket: Socket, user: string | null): void {
    if (detached) return;
    if (!isSocket(socket)) return uncounted("the first argument must be a socket of this server");
    const id = users.check(user, "ids given to identify() that are no user id");
    if (id === null || tracked.hasGone(socket)) return;
    const { nsp } = socket;
    if (!counted.isCounted(nsp)) return uncounted("the socket's namespace is not among `namespaces`");
    if (!socket.connected) {
      // In a middleware. After the end of a socket that was never counted it does not matter.
      foretold.set(socket, id);
      return;
    }
    track(socket);
    users.forget(socket);
    settle(socket, id);
  }

  function uncounted(why: string): void {
    reports.error("calls of identify() for a socket that is not counted", () => {
      return new PresenceError("OPTIONS_INVALID", `identify: ${why}`);
    });
  }

  function* comparison(): Generator<void> {
    let left = SLICE;
    settleMoved();
    tracked.compare();
    for (const socket of tracked.sockets) {
      check(socket);
      left -= 1 + (scopes === undefined ? 0 : roomsOf(socket) / ROOMS);
      if (left > 0) continue;
      left = SLICE;
      yield;
    }
    // What is reported meanwhile may make the application close us.
    if (detached) return;
    counted.review();
    adapters?.review();
    for (const namespace of counted) {
      for (const socket of namespace.sockets.values()) {
        if (!tracked.has(socket)) found(socket);
        if (--left > 0) continue;
        left = SLICE;
        yield;
      }
    }
    if (scopes !== undefined) yield* scopes.end();
  }

  const check = guarded((socket: Socket): void => {
    if (!isOpen(socket)) {
      corrected();
      socket.off("disconnecting", onDisconnecting);
      went(socket, silentDepartureOf(socket));
      return;
    }
    if (tracked.correct(socket)) corrected();
    if (socket.listenerCount("disconnecting", onDisconnecting) === 0)
      socket.prependListener("disconnecting", onDisconnecting);
    for (const watcher of watchers) watcher.compared?.(socket);
  });

  const found = guarded((socket: Socket): void => {
    track(socket);
    if (tracked.has(socket)) corrected();
  });

  function corrected(): void {
    const message =
      "sockets came or went unnoticed and were counted late: a listener threw, or ours were removed";
    reports.warn("sockets corrected by a level check", message);
  }

  counted.review();
  for (const namespace of counted) namespace.sockets.forEach(track);

  const compare = guarded((): void => {
    if (detached) return;
    reports.heartbeat();
    users.heartbeat();
    for (const watcher of watchers) watcher.heartbeat?.();
    slices.start(comparison);
  });

  // Not with the heartbeat's record: sockets come and go while Redis is away, too.
  let cancel: () => void;
  (function next(): void {
    cancel = runtime.after(heartbeat, () => {
      next();
      compare();
    });
  })();

  return {
    identify: guarded(identify),
    countsIn: (name) => counted.matches(name),
    compare,
    detach() {
      detached = true;
      cancel();
      slices.stop();
      counted.detach();
      for (const socket of tracked.sockets) socket.off("disconnecting", onDisconnecting);
      adapters?.detach();
      tracked.clear();
      for (const watcher of watchers) watcher.detached?.();
    },
  };
}
