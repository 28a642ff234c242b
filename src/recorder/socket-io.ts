/**
 * Attaches a recorder to a Socket.IO server: which sockets are counted, as whom, and how they go.
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

/** A namespace's name, a pattern of names, or a function of the name. One that throws is told, and matches nothing. */
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
   * Corrects what is counted by the sockets that Socket.IO has: events can be missed, for a library may take our listeners
   * off, and a listener before ours may throw. Who is gone without an event counts as a dropped transport.
   */
  compare(): void;
  /** Stops listening; sockets stay open. */
  detach(): void;
}

/** Anonymous sockets are counted under the empty id. */
const ANONYMOUS = "";

interface Tracked {
  /** The user counted for this socket; null while the application has not said who it is. */
  user: string | null;
  gone: boolean;
  readonly onDisconnect: (reason: string) => void;
}

/** The reasons of Socket.IO with which one side said goodbye; every other one is a dropped transport. */
const GOODBYES = new Set(["client namespace disconnect", "server namespace disconnect"]);

/**
 * The namespaces there are already. Socket.IO (4.6 to 4.8) tells of later ones (`new_namespace`) and has no public list:
 * `_nsps` is the one thing we read of it that is not documented. Where it is missing, the main namespace is public.
 */
function existingNamespaces(io: Server): Iterable<Namespace> {
  const known: unknown = io._nsps;
  return known instanceof Map ? (known as Server["_nsps"]).values() : [io.sockets];
}

function matches(matcher: NamespaceMatcher, name: string): boolean {
  if (typeof matcher === "string") return matcher === name;
  if (typeof matcher === "function") return matcher(name);
  matcher.lastIndex = 0;
  return matcher.test(name);
}

export function attach({ io, user, namespaces, connect, disconnect, onError }: AttachOptions): Attachment {
  // By object, not by id: connection state recovery brings an id back, possibly on another node.
  const tracked = new Map<Socket, Tracked>();
  const attached = new Set<Namespace>();
  /** Not to be asked about at each heartbeat: the functions in `namespaces` are the application's. */
  const refused = new WeakSet<Namespace>();
  let detached = false;

  /** Socket.IO calls our handlers beside the application's: what one of ours throws would end theirs, or the process. */
  function guarded<Args extends unknown[]>(handler: (...args: Args) => void): (...args: Args) => void {
    return (...args) => {
      try {
        handler(...args);
      } catch (error) {
        onError(orInternal(error));
      }
    };
  }

  const onSocket = guarded((socket: Socket): void => {
    if (tracked.has(socket)) return;
    const entry: Tracked = {
      user: null,
      gone: false,
      onDisconnect: guarded((reason: string) => {
        went(socket, entry, GOODBYES.has(reason) ? "leave" : "disconnect");
      }),
    };
    tracked.set(socket, entry);
    // Before anything is awaited: a socket that leaves meanwhile would be counted for ever.
    socket.once("disconnect", entry.onDisconnect);
    if (!socket.connected) {
      socket.off("disconnect", entry.onDisconnect);
      tracked.delete(socket);
      return;
    }
    resolveUser(socket, entry);
  });

  function went(socket: Socket, entry: Tracked, departure: Departure): void {
    entry.gone = true;
    tracked.delete(socket);
    if (entry.user !== null) disconnect(entry.user, departure);
  }

  function resolveUser(socket: Socket, entry: Tracked): void {
    let answer: string | null | Promise<string | null>;
    try {
      answer = user(socket);
    } catch (error) {
      settle(entry, failed(error));
      return;
    }
    // Without a promise the socket is counted in this very turn.
    if (typeof answer !== "object" || answer === null) {
      settle(entry, answer);
      return;
    }
    Promise.resolve(answer).then(
      (id) => settle(entry, id),
      (error: unknown) => settle(entry, failed(error)),
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

  const settle = guarded((entry: Tracked, id: string | null): void => {
    if (entry.gone || entry.user !== null) return;
    let valid = ANONYMOUS;
    if (id !== null) {
      try {
        valid = checkUser(id);
      } catch (error) {
        onError(orInternal(error));
      }
    }
    entry.user = valid;
    connect(valid);
  });

  function isCounted({ name }: Namespace): boolean {
    return namespaces.some((matcher) => {
      try {
        return matches(matcher, name);
      } catch (cause) {
        const message = `a function in \`namespaces\` threw for ${name}: it counts as no match`;
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
    for (const [socket, entry] of tracked) {
      if (socket.connected && socket.nsp.sockets.get(socket.id) === socket) continue;
      socket.off("disconnect", entry.onDisconnect);
      went(socket, entry, "disconnect");
    }
    for (const namespace of existingNamespaces(io)) attachTo(namespace);
    const existing: unknown = io._nsps;
    for (const namespace of attached) {
      for (const socket of namespace.sockets.values()) onSocket(socket);
      // Socket.IO takes empty children of a dynamic namespace away, if so told.
      if (!(existing instanceof Map) || existing.get(namespace.name) === namespace) continue;
      if (namespace.sockets.size === 0) attached.delete(namespace);
    }
  });

  io.on("new_namespace", attachTo);
  for (const namespace of existingNamespaces(io)) attachTo(namespace);

  return {
    identify(socket, id) {
      const valid = id === null ? ANONYMOUS : checkUser(id);
      const entry = tracked.get(socket);
      if (entry === undefined) {
        if (!socket.connected) return;
        throw new PresenceError(
          "OPTIONS_INVALID",
          `identify: the namespace ${socket.nsp.name} of this socket is not among \`namespaces\``,
        );
      }
      if (entry.user === valid) return;
      const before = entry.user;
      entry.user = valid;
      if (before !== null) disconnect(before, "leave");
      connect(valid);
    },
    compare,
    detach() {
      detached = true;
      io.off("new_namespace", attachTo);
      for (const namespace of attached) namespace.off("connection", onSocket);
      for (const [socket, entry] of tracked) {
        entry.gone = true;
        socket.off("disconnect", entry.onDisconnect);
      }
      tracked.clear();
    },
  };
}
