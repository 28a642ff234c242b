/** What `presence.of()` and `presence.in()` return: a reader of a scope, and its events. */
import { checkScope, partsOf } from "../core/scope.ts";
import type { Reader, ScopeReader } from "../reader/reader.ts";
import type { PresenceListener, ScopeEvents } from "./events.ts";
import type { ScopeListening } from "./scopes.ts";

/**
 * A namespace or room: what a reader answers about it, and who comes and goes in it as events. All objects of the same namespace or room
 * share their listeners.
 */
export interface PresenceScope extends ScopeReader {
  /**
   * As Presence.on(), for the users in this namespace or room. Needs `changes` in createPresence: where nobody tells them, `error` is
   * emitted on the presence with SCOPE_UNTRACKED, once; events come as soon as somebody does. Throws PresenceError OPTIONS_INVALID, and
   * LIMIT_EXCEEDED where this process listens to 1,000 others.
   */
  on<E extends keyof ScopeEvents>(event: E, listener: PresenceListener<E>): this;
  /** The same, for the next event only. */
  once<E extends keyof ScopeEvents>(event: E, listener: PresenceListener<E>): this;
  /** Removes a listener added with on() or once(), on any object of this namespace or room. */
  off<E extends keyof ScopeEvents>(event: E, listener: PresenceListener<E>): this;
}

/** A namespace, and its rooms. */
export interface PresenceNamespace extends PresenceScope {
  /** A room in this namespace. Throws PresenceError SCOPE_INVALID. */
  in(room: string): PresenceScope;
}

export function readerOf(reader: Reader, scope: string): ScopeReader {
  const { namespace, room } = partsOf(scope);
  const own = reader.of(namespace);
  return room === undefined ? own : own.in(room);
}

export function scopesOver(
  reader: Reader,
  listening: ScopeListening,
): { of(namespace: string): PresenceNamespace; in(room: string): PresenceScope } {
  /** The methods for listeners, which return `own`. */
  const listeners = <T>(scope: string, own: () => T) => ({
    on<E extends keyof ScopeEvents>(event: E, listener: PresenceListener<E>): T {
      listening.add(scope, event, listener, false);
      return own();
    },
    once<E extends keyof ScopeEvents>(event: E, listener: PresenceListener<E>): T {
      listening.add(scope, event, listener, true);
      return own();
    },
    off<E extends keyof ScopeEvents>(event: E, listener: PresenceListener<E>): T {
      listening.remove(scope, event, listener);
      return own();
    },
  });
  const room = (namespace: string, name: string): PresenceScope => {
    const scope = checkScope(namespace, name);
    const own: PresenceScope = { ...readerOf(reader, scope), ...listeners(scope, () => own) };
    return own;
  };
  const of = (namespace: string): PresenceNamespace => {
    const scope = checkScope(namespace);
    const own: PresenceNamespace = {
      ...readerOf(reader, scope),
      ...listeners(scope, () => own),
      in: (name) => room(namespace, name),
    };
    return own;
  };
  return { of, in: (name) => room("/", name) };
}
