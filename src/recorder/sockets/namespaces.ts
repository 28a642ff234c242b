/** Which namespaces are counted, and listening for their sockets. */
import type { Namespace, Server, Socket } from "socket.io";
import { PresenceError } from "../../core/errors.ts";
import type { Reports } from "./reports.ts";

/** A namespace's name, a pattern of names, or a function of the name. If it throws, `error` is emitted and it does not match. */
export type NamespaceMatcher = string | RegExp | ((name: string) => boolean);

/**
 * The existing namespaces. Socket.IO (4.6 to 4.8) emits `new_namespace` for later ones and has no public list: `_nsps` is
 * undocumented, and read only here. If it is missing, the main namespace, which is public, and those that
 * `new_namespace` announces are counted.
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

export interface NamespacesOptions {
  readonly io: Server;
  readonly matchers: readonly NamespaceMatcher[];
  readonly reports: Reports;
  /** A listener of `connection`. Must not throw. */
  readonly onSocket: (socket: Socket) => void;
}

export class Namespaces {
  readonly #own: NamespacesOptions;
  /**
   * Weak, so that a child of a dynamic namespace that Socket.IO has removed can be collected. It must not be forgotten sooner:
   * a client that was waiting in a middleware may still connect to it.
   */
  readonly #counted = new Set<WeakRef<Namespace>>();
  /** Cached, because the functions in `namespaces` are the application's and should not run at every heartbeat. */
  readonly #judged = new WeakMap<Namespace, boolean>();

  constructor(options: NamespacesOptions) {
    this.#own = options;
  }

  /**
   * Judges the namespaces that are new, and listens again where our listeners were removed. The listeners go before those of the
   * application: one of these may throw.
   */
  review(): void {
    const { io, onSocket } = this.#own;
    if (!io.sockets.listeners("new_namespace").includes(this.#onNew)) io.on("new_namespace", this.#onNew);
    for (const namespace of existingNamespaces(io)) this.isCounted(namespace);
    for (const namespace of this) {
      if (!namespace.listeners("connection").includes(onSocket))
        namespace.prependListener("connection", onSocket);
    }
  }

  /** Whether the sockets of a namespace are counted. */
  isCounted(namespace: Namespace): boolean {
    const known = this.#judged.get(namespace);
    if (known !== undefined) return known;
    const counted = this.matches(namespace.name);
    this.#judged.set(namespace, counted);
    if (counted) {
      this.#counted.add(new WeakRef(namespace));
      namespace.prependListener("connection", this.#own.onSocket);
    }
    return counted;
  }

  /** The counted ones. */
  *[Symbol.iterator](): Generator<Namespace> {
    for (const ref of this.#counted) {
      const namespace = ref.deref();
      if (namespace === undefined) this.#counted.delete(ref);
      else yield namespace;
    }
  }

  detach(): void {
    this.#own.io.off("new_namespace", this.#onNew);
    for (const namespace of this) namespace.off("connection", this.#own.onSocket);
    this.#counted.clear();
  }

  readonly #onNew = (namespace: Namespace): void => void this.isCounted(namespace);

  /** Whether the sockets of a namespace of this name are counted, if there is one. */
  matches(name: string): boolean {
    return this.#own.matchers.some((matcher) => {
      try {
        return matches(matcher, name);
      } catch (cause) {
        this.#own.reports.error("failures of a function in `namespaces`", () => {
          // Not its name: clients choose those of dynamic namespaces, and a user's id may be in it.
          const message =
            "a function in `namespaces` threw: the namespace is not counted; `cause` is what it threw";
          return new PresenceError("OPTIONS_INVALID", message, { cause });
        });
        return false;
      }
    });
  }
}
