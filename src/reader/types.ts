/** The Reader's methods and the types of its answers. The HTTP API uses the same names. */
import type { HistoryStep } from "../core/steps.ts";
import type { AsOf } from "./answers/as-of.ts";
import type { ChangesAnswer } from "./answers/changes.ts";
import type { Counts } from "./answers/counts.ts";
import type { SessionsAnswer, UsersAtAnswer } from "./answers/past.ts";
import type { DistinctAnswer, HistoryAnswer } from "./answers/history.ts";
import type { ProcessesAnswer } from "./answers/processes.ts";
import type { CountsInAnswer, ScopeCounts, ScopesPage } from "./answers/scopes.ts";
import type { SubscribersAnswer } from "./answers/subscribers.ts";
import type { Totals } from "./answers/totals.ts";
import type { UserAnswer, UserPresence, UsersAnswer, UsersPage } from "./answers/users.ts";

export type { AsOf, Lag } from "./answers/as-of.ts";
export type { ChangesAnswer } from "./answers/changes.ts";
export type { Counts } from "./answers/counts.ts";
export type { DistinctAnswer, HistoryAnswer, HistoryPoint, Measured } from "./answers/history.ts";
export type { Json } from "./answers/json.ts";
export type { Session, SessionsAnswer, UsersAtAnswer } from "./answers/past.ts";
export type { ProcessesAnswer, ProcessPresence } from "./answers/processes.ts";
export type { CountsInAnswer, CountsOfScope, ScopeCounts, ScopeSize, ScopesPage } from "./answers/scopes.ts";
export type { SubscribersAnswer, SubscriberStatus } from "./answers/subscribers.ts";
export type { Lease, Totals } from "./answers/totals.ts";
export type { UserAnswer, UserPresence, UserProcess, UsersAnswer, UsersPage } from "./answers/users.ts";
export type { ProcessState } from "../core/process.ts";

/** Options of page(). */
export interface PageOptions {
  /** `next` of the page before. Default: the first page. */
  readonly cursor?: string | undefined;
  /** Approximate number of users; small sets are returned whole. 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
}

/** What users() returns. */
export interface UsersIterator extends AsyncIterableIterator<UserPresence, undefined, undefined> {
  /** The position in `changes` before the first user was read; undefined until then. Continue from here afterwards. */
  readonly cursor: string | undefined;
}

/** Options of usersList(). */
export interface UsersListOptions {
  /** Most users in the list. 1 to 100,000, default 10,000. */
  readonly max?: number | undefined;
}

/** Options of usersAt(). */
export interface UsersAtOptions {
  /** Most users in the list. 1 to 100,000, default 10,000. */
  readonly max?: number | undefined;
}

/** Options of sessions(). */
export interface SessionsOptions {
  /** Sessions that end after this. Default: from the beginning of what is kept. */
  readonly from?: Date | undefined;
  /** Sessions that begin until this. Default: now. */
  readonly to?: Date | undefined;
  /** `next` of the page before, with the same `from` and `to`. Default: the first page. */
  readonly cursor?: string | undefined;
  /** Most sessions of a page. 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
}

/** Options of scopes(). */
export interface ScopesOptions {
  /** Only this namespace and its rooms. */
  readonly namespace?: string | undefined;
  /** Only rooms whose name begins with this. */
  readonly prefix?: string | undefined;
  /** The order: largest first, by users, then by sockets. Default and only one. */
  readonly sort?: "users" | undefined;
  /** `next` of the page before. Default: the first page. */
  readonly cursor?: string | undefined;
  /** Most scopes. 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
}

/** Options of history(). */
export interface HistoryOptions {
  /** From when, a Date or ms; moved back to the beginning of a step. Default: 60 steps before `to`. */
  readonly from?: Date | number | undefined;
  /** Until when, exclusive; moved on to the end of a step. Default: now. */
  readonly to?: Date | number | undefined;
  /**
   * The length of a point: "minute", "hour", "day", or a multiple such as "5m", "6h", "7d". In UTC: a day begins at midnight there, and steps are
   * counted from 1970. Default "minute".
   */
  readonly step?: HistoryStep | undefined;
}

/** Options of distinct(): `day`, or `from` and `to`, both included. Days in UTC, `"2026-03-01"` or a Date in it. */
export interface DistinctOptions {
  readonly day?: Date | string | undefined;
  readonly from?: Date | string | undefined;
  readonly to?: Date | string | undefined;
}

/** Options of sockets(). Each leaves out what is not asked for. */
export interface SocketsOptions {
  /** Only this namespace; with `room` and without this the main one. */
  readonly namespace?: string | undefined;
  /** Only sockets in this room. */
  readonly room?: string | undefined;
  /** Only this user's; null: only anonymous ones. */
  readonly user?: string | null | undefined;
  /** Only the socket with this id. */
  readonly id?: string | undefined;
  /** `next` of the page before. Default: the first page. */
  readonly cursor?: string | undefined;
  /** Approximate number of sockets; those of a small process come whole. 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
}

/** A socket, as its process has last recorded it. Neither `handshake` nor `data` is kept: io.fetchSockets() has them, and asks all servers. */
export interface SocketPresence {
  readonly id: string;
  /** Null: anonymous. */
  readonly user: string | null;
  readonly namespace: string;
  /** The tracked ones, without its own; at most 100. */
  readonly rooms: readonly string[];
  /** The id of its process, as in processes(). */
  readonly process: string;
}

/** Some of the sockets of all processes. */
export interface SocketsPage {
  readonly sockets: readonly SocketPresence[];
  /** The cursor of the next page; null after the last. */
  readonly next: string | null;
  readonly asOf: AsOf;
}

/** A namespace, or a room in one; without `namespace` the main one. */
export interface ScopeName {
  readonly namespace?: string | undefined;
  /** Undefined: the namespace itself. */
  readonly room?: string | undefined;
}

/**
 * Answers about one namespace or room, as the reader's methods of the same names answer about the whole, and with the same guarantees. Every
 * method rejects with SCOPE_UNTRACKED where nobody is in it and it is not tracked, so that 0 always means 0.
 */
export interface ScopeReader {
  /** How many users and sockets are in it, anonymous sockets included. O(1), whatever its size. */
  counts(): Promise<ScopeCounts>;
  isOnline(user: string): Promise<boolean>;
  user(user: string): Promise<UserAnswer>;
  lookup(users: readonly string[]): Promise<UsersAnswer>;
  page(options?: PageOptions): Promise<UsersPage>;
  users(): UsersIterator;
  usersList(options?: UsersListOptions): Promise<UsersAnswer>;
  /** As Reader.usersAt(). Needs `changes` in createPresence: rejects with SCOPE_UNTRACKED without it. Not exact before the first change that is kept. */
  usersAt(time: Date, options?: UsersAtOptions): Promise<UsersAtAnswer>;
  /** Needs `changes` in createPresence. Its cursors are of no use elsewhere. Rejects with SCOPE_UNTRACKED without it. */
  changes(options?: ChangesOptions): Promise<ChangesAnswer>;
  /**
   * As Reader.history(), without distinct users. Needs the namespace or room in `history.scopes` of whatever calls the projector: rejects with
   * HISTORY_UNTRACKED without it.
   */
  history(options?: HistoryOptions): Promise<HistoryAnswer>;
}

/** A namespace, and its rooms. */
export interface NamespaceReader extends ScopeReader {
  /** A room in this namespace. Throws PresenceError SCOPE_INVALID. */
  in(room: string): ScopeReader;
}

/** Options of changes(). */
export interface ChangesOptions {
  /** `cursor` of an answer, or `next` of an earlier call. Default: no changes, only the current position. */
  readonly after?: string | undefined;
  /** Instead of `after`: the changes from this time on, on Redis's clock. Further pages take `after: next`, and `to` again. */
  readonly from?: Date | undefined;
  /** With `from` or `after`: the changes up to this time, included. */
  readonly to?: Date | undefined;
  /** Approximate number of changes; entries of `changes` are not split. 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
}

/**
 * Reads the projection. It never writes.
 *
 * Answers about users leave out any user whose grace is over, or whose processes' leases have all expired, even if no
 * projector has run since (INV-15); on Redis's clock, to within half a round trip. Records that are not folded yet renew
 * leases here too, for the latest 2,000 of the log. For 3 s after Redis failed to answer this reader, expired leases are
 * ignored, so that processes can renew theirs first. counts() and totals() are sums kept by the projector: `asOf.stale` says
 * when they are out of date. When a process renews an expired lease, its users are present again, without a change.
 *
 * Every answer has `asOf`: how old it is, how far the projector lags, and a matching cursor into `changes`. An answer about
 * several shards is a snapshot of each shard, not of all shards at one moment.
 *
 * Every method rejects with PresenceError: REDIS_UNAVAILABLE when Redis does not answer, REDIS_TYPE when something else wrote
 * to Rollcall's keys, SHARDS_MISMATCH when the prefix has another number of shards, REPLY_INVALID for a reply that Redis
 * itself would not give, VERSION_MISMATCH when a newer version wrote what this one cannot read, INTERNAL for a bug in Rollcall.
 */
export interface Reader {
  /** The number of shards of the prefix. */
  readonly shards: number;
  /**
   * How many users, sockets and connections. O(1), whatever the number of users.
   *
   *   const { users, asOf } = await reader.counts();
   *   if (asOf.stale) …  // the number may be old
   */
  counts(): Promise<Counts>;
  /** Whether a user is present, grace included. Rejects with USER_INVALID for an invalid id. */
  isOnline(user: string): Promise<boolean>;
  /**
   * One user, and on which processes: `online: false` if absent. Rejects with USER_INVALID for an invalid id. It reads the leases of the
   * user's shard, some 50 bytes a process.
   *
   *   const { sockets, processes } = await reader.user("alice");  // 3, [{ id: "web-1…", sockets: 2 }, { id: "web-2…", sockets: 1 }]
   */
  user(user: string): Promise<UserAnswer>;
  /**
   * Many users, in the order given, at most 1,000. Rejects with USER_INVALID, and with OPTIONS_INVALID for more.
   *
   *   const { users } = await reader.lookup(["alice", "bob"]);  // users[1].id === "bob"
   */
  lookup(users: readonly string[]): Promise<UsersAnswer>;
  /**
   * One page of the users present. A user who stays present while you read all pages is on at least one of them. A user who
   * connects or leaves meanwhile may be missing. Rarely, after the set has grown or shrunk a lot, a user is on two pages.
   * Every page has the `asOf.cursor` of the first: changes() from there returns everyone who came or went meanwhile. Rejects
   * with CURSOR_INVALID, and with OPTIONS_INVALID for a limit out of range.
   *
   *   let page = await reader.page();
   *   while (page.next !== null) page = await reader.page({ cursor: page.next });
   *   const { changes } = await reader.changes({ after: page.asOf.cursor });
   */
  page(options?: PageOptions): Promise<UsersPage>;
  /**
   * All users present, with the same guarantees as page(). Holds one page in memory, whatever the number of users.
   *
   *   const everybody = reader.users();
   *   for await (const { id, sockets } of everybody) …
   *   const { changes } = await reader.changes({ after: everybody.cursor });
   */
  users(): UsersIterator;
  /**
   * All users present as an array, each once; `asOf` is from before the first was read. Rejects with LIMIT_EXCEEDED when
   * there are more than `max`, and with OPTIONS_INVALID for a `max` out of range.
   *
   *   const { users, asOf } = await reader.usersList({ max: 50_000 });
   *   const { changes } = await reader.changes({ after: asOf.cursor });
   */
  usersList(options?: UsersListOptions): Promise<UsersAnswer>;
  /**
   * Who was present at `time`: the users now, minus who came since, plus who went. `time` is on Redis's clock, and a user comes and goes when
   * that is folded: those of a server that crashed were present until its lease had expired. All of that millisecond has happened.
   * `exact` is false, and `users` null, where changes since then are no longer kept (`keep`); `since` says from when on they are. It lists all
   * users of one shard after another and reads all changes since `time`, in pages. Rejects with TIME_INVALID for a time in the future,
   * with LIMIT_EXCEEDED when there were more than `max`, or more than 1,000,000 of one shard to look at, with OPTIONS_INVALID, and with
   * REPLY_INVALID when users and changes do not agree three times.
   *
   *   const { users, exact, since } = await reader.usersAt(new Date("2026-11-27T14:03:00Z"));
   */
  usersAt(time: Date, options?: UsersAtOptions): Promise<UsersAtAnswer>;
  /**
   * When a user was present: each presence with its start, its end and why it ended, in order. It goes through the changes of the user's shard
   * from `from` on, whoever they are about, and before it for the start of the first session. A page ends after 50 reads
   * of about 500 kB. Rejects with USER_INVALID, TIME_INVALID, CURSOR_INVALID and OPTIONS_INVALID.
   *
   *   const { sessions } = await reader.sessions("alice", { from, to });  // [{ start: Date, end: Date, cause: "leave" }, …]
   */
  sessions(user: string, options?: SessionsOptions): Promise<SessionsAnswer>;
  /**
   * A namespace: its sockets, its users, its rooms. Throws PresenceError SCOPE_INVALID. Needs `rooms` in createPresence.
   *
   *   const { users } = await reader.of("/chat").counts();
   *   const { sockets } = await reader.of("/chat").in("news").counts();
   */
  of(namespace: string): NamespaceReader;
  /** A room in the main namespace. Throws PresenceError SCOPE_INVALID. */
  in(room: string): ScopeReader;
  /**
   * The namespaces and rooms in which somebody is, largest first, page by page. One that grows or shrinks meanwhile may be on two pages or on
   * none. A page may have fewer scopes than asked for although more follow. With several shards all are read for each page: rejects
   * with LIMIT_EXCEEDED above 100,000. Rejects with CURSOR_INVALID, SCOPE_INVALID, and OPTIONS_INVALID.
   */
  scopes(options?: ScopesOptions): Promise<ScopesPage>;
  /**
   * The counts of up to 1,000 namespaces and rooms, in the order given. One that is not tracked, or of which nobody can say, has null for its
   * numbers. Rejects with SCOPE_INVALID, and with OPTIONS_INVALID for more.
   */
  countsIn(scopes: readonly ScopeName[]): Promise<CountsInAnswer>;
  /**
   * The sockets of all processes, page by page: id, user, namespace, rooms, process. Needs `socketIds` in createPresence. A socket that is open
   * while you read all pages is on at least one of them, rarely on two. A page may have fewer than asked for, or none, although more
   * follow. A process whose lease has expired is left out. A socket in more than 100 rooms is found in the first 100. Rejects with
   * SOCKETS_UNTRACKED where ids are not kept, SCOPE_UNTRACKED for a room that is not tracked, SCOPE_INVALID, USER_INVALID, CURSOR_INVALID and
   * OPTIONS_INVALID.
   *
   *   const { sockets } = await presence.sockets({ room: "news" });  // [{ id: "x3f…", user: "alice", namespace: "/", rooms: ["news"], … }]
   */
  sockets(options?: SocketsOptions): Promise<SocketsPage>;
  /** All processes with a lease, and ended ones whose users are being removed. */
  processes(): Promise<ProcessesAnswer>;
  /** The durable subscribers: how far behind each is, what fails, and whether anybody serves it. */
  subscribers(): Promise<SubscribersAnswer>;
  /**
   * The changes after the cursor of an earlier answer; without a cursor, no changes and the current position.
   * Or those of a time, by `from` and `to`: then `exact` says whether all of them are still kept.
   * Rejects with CURSOR_INVALID, with TIME_INVALID for a `from` in the future, and with OPTIONS_INVALID for a limit out of range.
   *
   *   const { asOf } = await reader.counts();
   *   const { changes, next, gap } = await reader.changes({ after: asOf.cursor });
   *   const { changes, next, exact } = await reader.changes({ from, to });  // then { after: next, to } while `more`
   */
  changes(options?: ChangesOptions): Promise<ChangesAnswer>;
  /**
   * Users and sockets over time: last, least and most of each step; null where no projector ran. Needs the option `history`. Minutes are kept for
   * 7 days, hours for 400, days for ten years. Rejects with HISTORY_UNTRACKED where nothing is kept, and with OPTIONS_INVALID, also for more
   * than 1,500 points.
   *
   *   const { points } = await reader.history({ from: Date.now() - 3_600_000, step: "5m" });
   *   points[0];  // { at: 2026-03-01T10:00:00.000Z, users: { last: 812, min: 799, max: 815 }, sockets: …, distinct: null }
   */
  history(options?: HistoryOptions): Promise<HistoryAnswer>;
  /**
   * How many different users were present on a day, or on up to 31 in a row, to within about 1 %. Kept for 62 days. Rejects with
   * HISTORY_UNTRACKED and OPTIONS_INVALID.
   *
   *   const { distinct } = await reader.distinct({ from: "2026-03-01", to: "2026-03-07" });
   */
  distinct(options: DistinctOptions): Promise<DistinctAnswer>;
  /** The projector's counters since the prefix was first used, and the leases, for metrics. */
  totals(): Promise<Totals>;
}
