/**
 * Attaches a recorder to a Socket.IO server: which sockets are counted, for which user, and how they disconnect.
 */
import type { Namespace, Server, Socket } from "socket.io";
import { orInternal, PresenceError } from "../core/errors.ts";
import { checkUser } from "../core/user.ts";
import type { Departure } from "../core/journal.ts";

/**
 * The user of a socket: its id, 1 to 256 bytes, or null for an anonymous socket. May throw or reject: the socket is counted as
 * anonymous then, and `error` is emitted with USER_FUNCTION_FAILED.
 */
export type UserFunction = (socket: Socket) => string | null | Promise<string | null>;

/** A namespace's name, a pattern of names, or a function of the name. If it throws, `error` is emitted and it does not match. */
export type NamespaceMatcher = string | RegExp | ((name: string) => boolean);

export interface AttachOptions {
  readonly io: Server;
  readonly user: UserFunction;
  readonly namespaces: readonly NamespaceMatcher[];
  readonly connect: (user: string) => void;
  readonly disconnect: (user: string, departure: Departure) => void;
  /** Must not throw. */
  readonly onError: (error: PresenceError) => void;
}

export interface Attachment {
  /** See Presence.identify. */
  identify(socket: Socket, user: string | null): void;
  /**
   * Compares the sockets counted with those Socket.IO has, and corrects the count. Events can be missed: a library may remove
   * our listeners, and a listener before ours may throw. A socket that is gone without an event counts as a dropped transport.
   */
  compare(): void;
  /** Stops listening; sockets stay open. */
  detach(): void;
}

/** Anonymous sockets are counted under the empty id. */
const ANONYMOUS = "";

/** The reasons of Socket.IO with which one side said goodbye; every other one is a dropped transport. */
const GOODBYES = new Set(["client namespace disconnect", "server namespace disconnect"]);

/**
 * The existing namespaces. Socket.IO (4.6 to 4.8) emits `new_namespace` for later ones and has no public list: `_nsps` is the
 * only undocumented property we read. If it is missing, only the main namespace, which is public, is used.
 */
function existingNamespaces(io: Server): Iterable<Namespace> {
  const known: unknown = io._nsps;
  return known instanceof Map ? (known as Server["_nsps"]).values() : [io.sockets];
}

/** The open sockets, whatever events were emitted. */
function isOpen(socket: Socket): boolean {
  return socket.connected && socket.nsp.sockets.get(socket.id) === socket;
}

function matches(matcher: NamespaceMatcher, name: string): boolean {
  if (typeof matcher === "string") return matcher === name;
  if (typeof matcher === "function") return matcher(name);
  matcher.lastIndex = 0;
  return matcher.test(name);
}

export function attach({ io, user, namespaces, connect, disconnect, onError }: AttachOptions): Attachment {
  // By object, not by id: connection state recovery brings an id back, possibly on another node.
  // The user counted for a socket; null while the application has not said who it is. Nothing more is kept of a socket, and all
  // share their listener: a server has very many.
  const tracked = new Map<Socket, string | null>();
  const attached = new Set<Namespace>();
  /** Cached, because the functions in `namespaces` are the application's and should not run at every heartbeat. */
  const refused = new WeakSet<Namespace>();
  let detached = false;

  /** Socket.IO calls our handlers beside the application's: what one of ours throws would end theirs, or the process. */
  function guarded<This, Args extends unknown[]>(handler: (this: This, ...args: Args) => void) {
    return function (this: This, ...args: Args): void {
      try {
        handler.apply(this, args);
      } catch (error) {
        onError(orInternal(error));
      }
    };
  }

  const onDisconnect = guarded(function (this: Socket, reason: string): void {
    went(this, GOODBYES.has(reason) ? "leave" : "disconnect");
  });

  const onSocket = guarded((socket: Socket): void => {
    if (tracked.has(socket)) return;
    tracked.set(socket, null);
    // Before anything is awaited: a socket that leaves meanwhile would be counted for ever.
    socket.on("disconnect", onDisconnect);
    if (!socket.connected) {
      socket.off("disconnect", onDisconnect);
      tracked.delete(socket);
      return;
    }
    resolveUser(socket);
  });

  function went(socket: Socket, departure: Departure): void {
    const counted = tracked.get(socket) ?? null;
    tracked.delete(socket);
    if (counted !== null) disconnect(counted, departure);
  }

  function resolveUser(socket: Socket): void {
    let answer: string | null | Promise<string | null>;
    try {
      answer = user(socket);
    } catch (error) {
      settle(socket, failed(error));
      return;
    }
    // If `user` returns no promise, the socket is counted synchronously.
    if (typeof answer !== "object" || answer === null) {
      settle(socket, answer);
      return;
    }
    Promise.resolve(answer).then(
      (id) => settle(socket, id),
      (error: unknown) => settle(socket, failed(error)),
    );
  }

  function failed(cause: unknown): null {
    onError(
      new PresenceError(
        "USER_FUNCTION_FAILED",
        "the `user` function failed; its socket is counted as anonymous",
        { cause },
      ),
    );
    return null;
  }

  const settle = guarded((socket: Socket, id: string | null): void => {
    // Gone, or identified meanwhile.
    if (tracked.get(socket) !== null || !isOpen(socket)) return;
    let valid = ANONYMOUS;
    if (id !== null) {
      try {
        valid = checkUser(id);
      } catch (error) {
        onError(orInternal(error));
      }
    }
    tracked.set(socket, valid);
    connect(valid);
  });

  function isCounted({ name }: Namespace): boolean {
    return namespaces.some((matcher) => {
      try {
        return matches(matcher, name);
      } catch (cause) {
        const message = `a function in \`namespaces\` threw for ${name}: the namespace is not counted`;
        onError(new PresenceError("OPTIONS_INVALID", message, { cause }));
        return false;
      }
    });
  }

  const attachTo = guarded((namespace: Namespace): void => {
    if (attached.has(namespace) || refused.has(namespace)) return;
    if (!isCounted(namespace)) {
      refused.add(namespace);
      return;
    }
    attached.add(namespace);
    namespace.on("connection", onSocket);
    for (const socket of namespace.sockets.values()) onSocket(socket);
  });

  const compare = guarded((): void => {
    if (detached) return;
    for (const socket of tracked.keys()) {
      if (isOpen(socket)) continue;
      socket.off("disconnect", onDisconnect);
      went(socket, "disconnect");
    }
    for (const namespace of existingNamespaces(io)) attachTo(namespace);
    const existing: unknown = io._nsps;
    for (const namespace of attached) {
      for (const socket of namespace.sockets.values()) onSocket(socket);
      // Socket.IO removes empty children of a dynamic namespace, if configured to.
      if (!(existing instanceof Map) || existing.get(namespace.name) === namespace) continue;
      if (namespace.sockets.size === 0) attached.delete(namespace);
    }
  });

  io.on("new_namespace", attachTo);
  for (const namespace of existingNamespaces(io)) attachTo(namespace);

  return {
    identify(socket, id) {
      const valid = id === null ? ANONYMOUS : checkUser(id);
      const before = tracked.get(socket);
      if (before === undefined) {
        if (!socket.connected) return;
        throw new PresenceError(
          "OPTIONS_INVALID",
          `identify: the namespace ${socket.nsp.name} of this socket is not among \`namespaces\``,
        );
      }
      if (before === valid) return;
      tracked.set(socket, valid);
      if (before !== null) disconnect(before, "leave");
      connect(valid);
    },
    compare,
    detach() {
      detached = true;
      io.off("new_namespace", attachTo);
      for (const namespace of attached) namespace.off("connection", onSocket);
      for (const socket of tracked.keys()) socket.off("disconnect", onDisconnect);
      tracked.clear();
    },
  };
}
