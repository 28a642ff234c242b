/**
 * The reader: answers from the projection, over either client. It never writes. Each method has a file of its own in this
 * folder; all of them read through one context.
 */
import { orInternal } from "../core/errors.ts";
import type { ReadPort } from "../redis/port.ts";
import { changesOver } from "./changes.ts";
import { contextOf, type ReaderContext } from "./context.ts";
import { countsOver } from "./counts.ts";
import type { ReaderInternals, ReaderOptions } from "./options.ts";
import { historyOver } from "./history.ts";
import { pagesOver } from "./pages.ts";
import { processesOver } from "./processes.ts";
import { subscribersOver } from "./subscribers.ts";
import { totalsOver } from "./totals.ts";
import { scopeCountsOver, scopesOver } from "./scopes.ts";
import { socketsOver } from "./sockets.ts";
import { sessionsOver } from "./sessions.ts";
import { usersAtOver } from "./users-at.ts";
import { checkScope } from "../core/scope.ts";
import type { NamespaceReader, Reader, ScopeReader } from "./types.ts";
import { usersOver } from "./users.ts";

export type * from "./types.ts";

/**
 * A reader over a port. Sends nothing before a method is called. Throws PresenceError OPTIONS_INVALID.
 *
 *   const reader = readerOver(upstashReadPort(client), { prefix: "presence" });
 */
export function readerOver(
  port: ReadPort,
  options: ReaderOptions = {},
  internals: ReaderInternals = {},
): Reader {
  const context = contextOf(port, options, internals);
  const { scopes, countsIn } = scopesOver(context);
  const { history, distinct } = historyOver(context);
  const namespace = (name: string): NamespaceReader => ({
    ...scopeReader(context, checkScope(name)),
    // Without a room it would be the namespace.
    in: (room) => scopeReader(context, checkScope(name, room ?? null)),
  });
  return {
    shards: context.shards,
    ...usersReader(context),
    counts: guarded(countsOver(context).counts),
    of: namespace,
    in: (room) => namespace("/").in(room),
    scopes: guarded(scopes),
    countsIn: guarded(countsIn),
    sessions: guarded(sessionsOver(context).sessions),
    sockets: guarded(socketsOver(context).sockets),
    processes: guarded(processesOver(context).processes),
    subscribers: guarded(subscribersOver(context).subscribers),
    history: guarded(history),
    distinct: guarded(distinct),
    totals: guarded(totalsOver(context).totals),
  };
}

/** What answers about users, of the whole or of a scope. */
function usersReader(context: ReaderContext): Omit<ScopeReader, "counts" | "history"> {
  const { user, isOnline, lookup } = usersOver(context);
  const { page, users, usersList } = pagesOver(context);
  return {
    users,
    isOnline: guarded(isOnline),
    user: guarded(user),
    lookup: guarded(lookup),
    page: guarded(page),
    usersList: guarded(usersList),
    usersAt: guarded(usersAtOver(context).usersAt),
    changes: guarded(changesOver(context).changes),
  };
}

function scopeReader(whole: ReaderContext, scope: string): ScopeReader {
  const context = whole.within(scope);
  return {
    ...usersReader(context),
    counts: guarded(scopeCountsOver(context)),
    history: guarded(historyOver(context).history),
  };
}

/** Anything thrown that is not a PresenceError is a bug in Rollcall, and rejects as INTERNAL. */
function guarded<Args extends readonly unknown[], T>(
  method: (...args: Args) => Promise<T>,
): (...args: Args) => Promise<T> {
  return async (...args) => {
    try {
      return await method(...args);
    } catch (error) {
      throw orInternal(error);
    }
  };
}
