/**
 * Scopes: the sockets of a namespace, `/chat`, or of a room in one, `/chat,news` (docs/protocol.md, "Scopes"). A namespace has no
 * comma, since Socket.IO's own packets end it at the first, so the first comma of a scope ends its namespace. Pure.
 */
import { PresenceError } from "./errors.ts";
import { SCOPE_BYTES_MAX } from "./limits.ts";
import { utf8Length } from "./utf8.ts";

/** The text of a scope. `room` undefined: the namespace itself; "" is a room like any other. Does not check. */
export function scopeOf(namespace: string, room?: string): string {
  return room === undefined ? namespace : `${namespace},${room}`;
}

/** What a scope is made of. */
export interface ScopeParts {
  readonly namespace: string;
  /** Undefined: the namespace itself. */
  readonly room: string | undefined;
}

export function partsOf(scope: string): ScopeParts {
  const comma = scope.indexOf(",");
  if (comma === -1) return { namespace: scope, room: undefined };
  return { namespace: scope.slice(0, comma), room: scope.slice(comma + 1) };
}

/** Why a namespace and a room make no scope; undefined: they do. */
export function whyNoScope({ namespace, room }: ScopeParts): string | undefined {
  if (!namespace.startsWith("/")) return "a namespace must start with /";
  if (namespace.includes(",")) return "a namespace with a comma cannot be told from a room";
  const scope = scopeOf(namespace, room);
  if (!scope.isWellFormed()) return "its name is no well-formed Unicode";
  // Each character has at least a byte: of a long name none needs to be looked at.
  if (scope.length > SCOPE_BYTES_MAX || utf8Length(scope) > SCOPE_BYTES_MAX)
    return `namespace and room together have more than ${SCOPE_BYTES_MAX} bytes`;
  return undefined;
}

/** The text of a scope. Throws PresenceError SCOPE_INVALID. */
export function checkScope(namespace: unknown, room?: unknown): string {
  if (typeof namespace !== "string" || (room !== undefined && typeof room !== "string"))
    throw new PresenceError("SCOPE_INVALID", "the names of a namespace and a room must be text");
  const why = whyNoScope({ namespace, room });
  if (why !== undefined) throw new PresenceError("SCOPE_INVALID", `no namespace or room: ${why}`);
  return scopeOf(namespace, room);
}
