/** What a request is about: the whole, or a namespace or room, as the text of its scope (core/scope.ts). */
import { checkScope, partsOf } from "../core/scope.ts";
import type { Reader, ScopeReader } from "../reader/reader.ts";

/** Undefined: the whole. */
export type Where = string | undefined;

/** How a request names it. */
export interface WhereQuery {
  readonly namespace?: string | undefined;
  readonly room?: string | undefined;
}

/** A room alone is one of the main namespace. Throws PresenceError SCOPE_INVALID. */
export function whereOf({ namespace, room }: WhereQuery): Where {
  if (namespace === undefined && room === undefined) return undefined;
  return checkScope(namespace ?? "/", room);
}

/** The part of a reader that answers about it. */
export function readerIn(reader: Reader, where: Where): ScopeReader {
  if (where === undefined) return reader;
  const { namespace, room } = partsOf(where);
  const own = reader.of(namespace);
  return room === undefined ? own : own.in(room);
}
