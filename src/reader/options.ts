/** The options of a reader and its methods, and their checks. */
import { KEY_OPTIONS, type KeyOptions, resolveKeyOptions } from "../core/key-options.ts";
import {
  CHANGES_READ_DEFAULT,
  CHANGES_READ_MAX,
  LIST_USERS_DEFAULT,
  LIST_USERS_MAX,
  PAGE_SCOPES_DEFAULT,
  PAGE_SCOPES_MAX,
  PAGE_SOCKETS_DEFAULT,
  PAGE_SOCKETS_MAX,
  PAGE_USERS_DEFAULT,
  PAGE_USERS_MAX,
  SESSIONS_DEFAULT,
  SESSIONS_MAX,
  STALE_AFTER_MS,
  STALE_AFTER_MS_MAX,
} from "../core/limits.ts";
import { invalid, type Known, refuseUnknown, whole } from "../core/options.ts";
import { checkScope } from "../core/scope.ts";
import { checkOrder, msOfTime } from "../core/time-range.ts";
import { checkUser } from "../core/user.ts";
import type {
  ChangesOptions,
  PageOptions,
  ScopesOptions,
  SessionsOptions,
  SocketsOptions,
  UsersAtOptions,
  UsersListOptions,
} from "./types.ts";

export interface ReaderOptions extends KeyOptions {
  /**
   * How long work may wait for a projector before answers are marked `stale`, ms. 0 to 86,400,000, default 5,000, which
   * suits projectors in the Socket.IO processes or in a worker. If only a scheduled function projects, use slightly more than
   * its interval; with a long `linger`, more than half of it. It affects only the mark: a stale answer is still returned.
   */
  readonly staleAfter?: number | undefined;
}

const READER_OPTIONS: Known<ReaderOptions> = { ...KEY_OPTIONS, staleAfter: true };

/** The option names of createReader(). */
export const READER_INPUT = { redis: true, ...READER_OPTIONS } as const;

/** For tests, and for createPresence; not for applications. */
export interface ReaderInternals {
  /** This machine's clock, ms. Redis's clock is measured against it; it is used instead until a projector has run. */
  readonly now?: (() => number) | undefined;
  /** A monotonic clock for measuring durations, ms. Default: `now`. */
  readonly elapsed?: (() => number) | undefined;
  /** What this process tracks itself, as `tracks` of a record: known also before it is registered, and after FLUSHALL. */
  readonly tracks?: readonly string[] | undefined;
}

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveReaderOptions(options: ReaderOptions) {
  refuseUnknown(options, READER_OPTIONS, "a reader");
  const { staleAfter = STALE_AFTER_MS } = options;
  return {
    ...resolveKeyOptions(options),
    staleAfter: whole("staleAfter", staleAfter, 0, STALE_AFTER_MS_MAX),
  };
}

const PAGE_OPTIONS: Known<PageOptions> = { cursor: true, limit: true };

export function resolvePageOptions(options: PageOptions) {
  refuseUnknown(options, PAGE_OPTIONS, "page()");
  const { cursor, limit = PAGE_USERS_DEFAULT } = options;
  return { cursor, limit: whole("limit", limit, 1, PAGE_USERS_MAX) };
}

const LIST_OPTIONS: Known<UsersListOptions> = { max: true };

export function resolveListOptions(options: UsersListOptions) {
  refuseUnknown(options, LIST_OPTIONS, "usersList()");
  return { max: whole("max", options.max ?? LIST_USERS_DEFAULT, 1, LIST_USERS_MAX) };
}

const SCOPES_OPTIONS: Known<ScopesOptions> = {
  namespace: true,
  prefix: true,
  sort: true,
  cursor: true,
  limit: true,
};

export function resolveScopesOptions(options: ScopesOptions) {
  refuseUnknown(options, SCOPES_OPTIONS, "scopes()");
  const { namespace, prefix = "", sort = "users", cursor, limit = PAGE_SCOPES_DEFAULT } = options;
  if (namespace !== undefined) checkScope(namespace);
  if (typeof prefix !== "string") invalid("prefix must be text: the beginning of the names of rooms");
  if (sort !== "users") invalid('sort must be "users": the largest first');
  return { namespace, prefix, cursor, limit: whole("limit", limit, 1, PAGE_SCOPES_MAX) };
}

const SOCKETS_OPTIONS: Known<SocketsOptions> = {
  namespace: true,
  room: true,
  user: true,
  id: true,
  cursor: true,
  limit: true,
};

export function resolveSocketsOptions(options: SocketsOptions) {
  refuseUnknown(options, SOCKETS_OPTIONS, "sockets()");
  const { namespace, room, user, id, cursor, limit = PAGE_SOCKETS_DEFAULT } = options;
  if (id !== undefined && (typeof id !== "string" || id === "")) invalid("id must be the id of a socket");
  return {
    namespace,
    room,
    // Null: anonymous sockets.
    user: user === undefined ? undefined : user === null ? "" : checkUser(user),
    id,
    cursor,
    limit: whole("limit", limit, 1, PAGE_SOCKETS_MAX),
  };
}

const CHANGES_OPTIONS: Known<ChangesOptions> = { after: true, from: true, to: true, limit: true };

/** Times are in ms. */
export function resolveChangesOptions(options: ChangesOptions) {
  refuseUnknown(options, CHANGES_OPTIONS, "changes()");
  const { after, limit = CHANGES_READ_DEFAULT } = options;
  const range = rangeOf(options);
  if (after !== undefined && range.from !== undefined)
    invalid("after and from exclude each other: go on with `after: next`, and the same `to`");
  if (range.to !== undefined && after === undefined && range.from === undefined)
    invalid("to needs from, or after for a further page");
  return { after, ...range, limit: whole("limit", limit, 1, CHANGES_READ_MAX) };
}

const USERS_AT_OPTIONS: Known<UsersAtOptions> = { max: true };

export function resolveUsersAtOptions(options: UsersAtOptions) {
  refuseUnknown(options, USERS_AT_OPTIONS, "usersAt()");
  return { max: whole("max", options.max ?? LIST_USERS_DEFAULT, 1, LIST_USERS_MAX) };
}

const SESSIONS_OPTIONS: Known<SessionsOptions> = { from: true, to: true, cursor: true, limit: true };

/** Times are in ms. */
export function resolveSessionsOptions(options: SessionsOptions) {
  refuseUnknown(options, SESSIONS_OPTIONS, "sessions()");
  const { cursor, limit = SESSIONS_DEFAULT } = options;
  return { ...rangeOf(options), cursor, limit: whole("limit", limit, 1, SESSIONS_MAX) };
}

function rangeOf({ from, to }: { readonly from?: Date | undefined; readonly to?: Date | undefined }) {
  const range = {
    from: from === undefined ? undefined : msOfTime("from", from),
    to: to === undefined ? undefined : msOfTime("to", to),
  };
  checkOrder(range.from, range.to);
  return range;
}
