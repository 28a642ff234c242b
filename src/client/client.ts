/**
 * A typed client of the API, for browsers and every runtime with fetch: `rollcall/client`. It has no dependencies.
 *
 *   const rollcall = createClient("https://presence.example", { token });
 *   const { users, asOf } = await rollcall.lookup(["alice", "bob"]);
 *   for await (const { changes } of rollcall.follow({ after: asOf.cursor, users: ["alice", "bob"] })) …
 *
 * The types are the reader's, after JSON. In a browser anyone who uses the page can read the token: leave it out there and
 * read the open counts, or put the API behind your own server.
 */
import type * as reader from "../reader/reader.ts";
import { type ErrorDetails, PresenceError, type PresenceErrorCode } from "../core/errors.ts";
import { type Known, refuseUnknown } from "../core/options.ts";
import { checkScope } from "../core/scope.ts";
import { msOfTime } from "../core/time-range.ts";
import { type HistoryStep, resolveTime } from "../core/steps.ts";
import type { Json } from "../reader/answers/json.ts";
import { follow, type FollowOptions, type News, type Staleness, type StaleReason } from "./follow.ts";
import { ProblemError } from "./problem.ts";
import { checkBase, type ClientOptions, requester } from "./request.ts";

export type { ClientOptions, FollowOptions, News, Staleness, StaleReason };
export { type ErrorDetails, PresenceError, type PresenceErrorCode, ProblemError };

export type Counts = Json<reader.Counts>;
export type UsersPage = Json<reader.UsersPage>;
export type UserPresence = Json<reader.UserPresence>;
export type User = Json<reader.UserAnswer>;
export type Users = Json<reader.UsersAnswer>;
export type Processes = Json<reader.ProcessesAnswer>;

export type Subscribers = Json<reader.SubscribersAnswer>;
export type Changes = Json<reader.ChangesAnswer>;
export type UsersAt = Json<reader.UsersAtAnswer>;
export type Sessions = Json<reader.SessionsAnswer>;
export type ScopeCounts = Json<reader.ScopeCounts>;
export type ScopesPage = Json<reader.ScopesPage>;
export type CountsIn = Json<reader.CountsInAnswer>;
export type History = Json<reader.HistoryAnswer>;
export type ScopeName = reader.ScopeName;

/** Which page of users. */
export interface ClientPageOptions {
  /** `next` of the page before; leave it out for the first page. */
  readonly cursor?: string | undefined;
  /** How many users, approximately: 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
}

/** Which changes. */
export interface ClientChangesOptions {
  /** A cursor, from `asOf` or from the page before. Default: now, so the answer is empty and brings a cursor. */
  readonly after?: string | undefined;
  /** Only changes of these users, at most 100. Default: all users. */
  readonly users?: readonly string[] | undefined;
  /** Instead of `after`: from this time on. Further pages take `after: next`, and `to` again. */
  readonly from?: Date | undefined;
  /** With `from` or `after`: up to this time, included. */
  readonly to?: Date | undefined;
  /** With `from` or `to`: how many changes, approximately. 1 to 1,000, default 1,000. */
  readonly limit?: number | undefined;
}

/** How many users of the past. */
export interface ClientUsersAtOptions {
  /** Most users in the list. 1 to 100,000, default 10,000. */
  readonly max?: number | undefined;
}

/** Which sessions. */
export interface ClientSessionsOptions {
  /** Sessions that end after this. Default: from the beginning of what is kept. */
  readonly from?: Date | undefined;
  /** Sessions that begin until this. Default: now. */
  readonly to?: Date | undefined;
  /** `next` of the page before, with the same `from` and `to`. */
  readonly cursor?: string | undefined;
  /** How many at most: 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
}

/** Which points of a history. */
export interface ClientHistoryOptions {
  /** From when, a Date or ms. Default: 60 steps before `to`. */
  readonly from?: Date | number | undefined;
  /** Until when, exclusive. Default: now. */
  readonly to?: Date | number | undefined;
  /** "minute", "hour", "day", or a multiple such as "5m", "6h", "7d"; at most 1,500 points. Default "minute". */
  readonly step?: HistoryStep | undefined;
}

/** Which namespaces and rooms. */
export interface ClientScopesOptions {
  /** Only this namespace and its rooms. */
  readonly namespace?: string | undefined;
  /** Only rooms whose name begins with this. */
  readonly prefix?: string | undefined;
  /** `next` of the page before; leave it out for the first page. */
  readonly cursor?: string | undefined;
  /** How many at most: 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
}

const HISTORY_OPTIONS: Known<ClientHistoryOptions> = { from: true, to: true, step: true };

const SCOPES_OPTIONS: Known<ClientScopesOptions> = {
  namespace: true,
  prefix: true,
  cursor: true,
  limit: true,
};
const PAGE_OPTIONS: Known<ClientPageOptions> = { cursor: true, limit: true };
const CHANGES_OPTIONS: Known<ClientChangesOptions> = {
  after: true,
  users: true,
  from: true,
  to: true,
  limit: true,
};
const USERS_AT_OPTIONS: Known<ClientUsersAtOptions> = { max: true };
const SESSIONS_OPTIONS: Known<ClientSessionsOptions> = { from: true, to: true, cursor: true, limit: true };

/**
 * A namespace or a room: the same answers as about the whole, with the same methods. They reject with ProblemError
 * SCOPE_UNTRACKED where it is not counted; changes() and follow() also where its changes are not told. Its cursors are of no use elsewhere.
 */
export interface ScopeClient {
  /** How many users and sockets are in it. */
  counts(): Promise<ScopeCounts>;
  /** One page of the users present. Continue with `cursor: page.next`. */
  page(options?: ClientPageOptions): Promise<UsersPage>;
  /** All users present, page by page. */
  users(): AsyncGenerator<UserPresence, void>;
  /** One user, and on which processes; `online: false` for one who is absent. Of the ids `.` and `..` the processes are not told. */
  user(id: string): Promise<User>;
  /** Which of these users are present, in the order asked. At most 1,000 ids. */
  lookup(ids: readonly string[]): Promise<Users>;
  /**
   * Who was present at `time`: all their ids, sorted; or `users: null` and `exact: false` where that is no longer kept. Rejects with ProblemError
   * TIME_INVALID for a time in the future, and LIMIT_EXCEEDED for more than `max`.
   */
  usersAt(time: Date, options?: ClientUsersAtOptions): Promise<UsersAt>;
  /** The changes since a cursor, or of a time. */
  changes(options?: ClientChangesOptions): Promise<Changes>;
  /**
   * Changes as they happen. Reconnects by itself, with jittered back-off, also when the server falls silent, and continues from
   * the last cursor. `stale` of an item says when changes may be late. Ends when the signal fires; rejects with ProblemError for
   * what a retry does not fix: a wrong token, a wrong cursor, a URL that is not the API's.
   */
  follow(options?: FollowOptions): AsyncGenerator<News, void>;
  /** Users and sockets over time; a gap is null. Of a namespace or room only where it is named in the option `history`: else ProblemError HISTORY_UNTRACKED. */
  history(options?: ClientHistoryOptions): Promise<History>;
}

/** A namespace, and its rooms. */
export interface NamespaceClient extends ScopeClient {
  /** A room in this namespace. Throws PresenceError SCOPE_INVALID. */
  in(room: string): ScopeClient;
}

/**
 * Every method rejects with ProblemError when the API answers with an error, as fetch does when no answer comes, and with
 * PresenceError OPTIONS_INVALID for an unknown option.
 */
export interface Client extends ScopeClient {
  /** How many users, sockets and connections. */
  counts(): Promise<Counts>;
  /** When a user was present, in order. Continue with `cursor: next` until it is null. Not for the ids `.` and `..`, which no path can carry: USER_INVALID. */
  sessions(id: string, options?: ClientSessionsOptions): Promise<Sessions>;
  /** The Socket.IO processes, their leases and counts. */
  processes(): Promise<Processes>;
  /** The durable subscribers: how far behind, what fails, and whether anybody serves them. */
  subscribers(): Promise<Subscribers>;
  /**
   * A namespace: `client.of("/chat").counts()`, and its rooms: `client.of("/chat").in("news").follow()`. Throws PresenceError
   * SCOPE_INVALID.
   */
  of(namespace: string): NamespaceClient;
  /** A room in the main namespace. Throws PresenceError SCOPE_INVALID. */
  in(room: string): ScopeClient;
  /** The namespaces and rooms in which somebody is, largest first. Continue with `cursor: page.next`. */
  scopes(options?: ClientScopesOptions): Promise<ScopesPage>;
  /** Users and sockets over time, and distinct users of days; a gap is null. */
  history(options?: ClientHistoryOptions): Promise<History>;
  /** The counts of up to 1,000 namespaces and rooms, in the order given; numbers are null where they are not counted. */
  countsIn(scopes: readonly ScopeName[]): Promise<CountsIn>;
  /**
   * Any other route, with the token and within `timeout`: `client.fetch("/openapi.json")`. Resolves with the Response,
   * whatever its status.
   */
  fetch(path: `/${string}`, init?: RequestInit): Promise<Response>;
}

/** Undefined values are left out; each value of a list is sent. */
type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * A client of the API at `url`, which may have a path before the routes: `https://example.com/presence`.
 * Sends nothing before a method is called. Throws PresenceError OPTIONS_INVALID.
 */
export function createClient(url: string, options: ClientOptions = {}): Client {
  const request = requester(options);
  const base = checkBase(url);

  async function json<T>(path: string, query: Query = {}, init?: RequestInit): Promise<T> {
    const response = await request(base + path + search(query), init);
    if (!response.ok) throw await ProblemError.of(response);
    return (await response.json()) as T;
  }

  const post = <T>(path: string, query: Query, body: object): Promise<T> =>
    json(path, query, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });

  /** The methods that answer about a namespace or a room; about the whole without either. */
  function part(where: Where): Omit<ScopeClient, "counts"> {
    const lookup = (ids: readonly string[]): Promise<Users> => post("/v1/users/lookup", where, { ids });
    const page: Client["page"] = async (pageOptions = {}) => {
      refuseUnknown(pageOptions, PAGE_OPTIONS, "page()");
      return json("/v1/users", {
        ...where,
        cursor: pageOptions.cursor,
        limit: pageOptions.limit?.toString(),
      });
    };
    return {
      page,
      async *users() {
        let cursor: string | undefined;
        do {
          const { users, next }: UsersPage = await page({ limit: PAGE, cursor });
          yield* users;
          cursor = next ?? undefined;
        } while (cursor !== undefined);
      },
      async user(id) {
        // A path cannot carry these ids: "", "." and ".." change the path itself.
        if (/^\.{0,2}$/.test(id)) {
          const { users, asOf } = await lookup([id]);
          return { ...users[0]!, processes: [], asOf };
        }
        return json(`/v1/users/${encodeURIComponent(id)}`, where);
      },
      lookup,
      async changes(changesOptions = {}) {
        refuseUnknown(changesOptions, CHANGES_OPTIONS, "changes()");
        const { after, users = [], from, to, limit } = changesOptions;
        const time = { from: timeOf("from", from), to: timeOf("to", to), limit: limit?.toString() };
        return json("/v1/changes", { ...where, after, user: users, ...time });
      },
      async usersAt(time, atOptions = {}) {
        refuseUnknown(atOptions, USERS_AT_OPTIONS, "usersAt()");
        return json("/v1/users", {
          ...where,
          at: String(msOfTime("time", time)),
          max: atOptions.max?.toString(),
        });
      },
      async history(historyOptions = {}) {
        refuseUnknown(historyOptions, HISTORY_OPTIONS, "history()");
        const { from, to, step } = historyOptions;
        const text = (name: string, at: Date | number | undefined) =>
          at === undefined ? undefined : new Date(resolveTime(name, at)).toISOString();
        return json("/v1/history", { ...where, from: text("from", from), to: text("to", to), step });
      },
      follow: (followOptions = {}) => follow(`${base}/v1/changes`, request, followOptions, where),
    };
  }

  const scoped = (where: Where): ScopeClient => ({
    ...part(where),
    counts: () => json("/v1/counts", where),
  });
  const roomOf = (room: string, namespace?: string): ScopeClient => {
    // Without its name the answers would be about the whole. As the server would refuse it, but a URL may change it on the way.
    checkScope(namespace ?? "/", room ?? null);
    return scoped({ room, ...(namespace !== undefined && { namespace }) });
  };
  const of: Client["of"] = (namespace) => {
    checkScope(namespace);
    return { ...scoped({ namespace }), in: (room) => roomOf(room, namespace) };
  };

  return {
    ...part({}),
    counts: () => json("/v1/counts"),
    async sessions(id, sessionsOptions = {}) {
      refuseUnknown(sessionsOptions, SESSIONS_OPTIONS, "sessions()");
      if (/^\.{0,2}$/.test(id)) throw new PresenceError("USER_INVALID", "no path can carry this id");
      const { from, to, cursor, limit } = sessionsOptions;
      return json(`/v1/users/${encodeURIComponent(id)}/sessions`, {
        from: timeOf("from", from),
        to: timeOf("to", to),
        cursor,
        limit: limit?.toString(),
      });
    },
    processes: () => json("/v1/processes"),
    subscribers: () => json("/v1/subscribers"),
    of,
    in: (room) => roomOf(room),
    async scopes(scopesOptions = {}) {
      refuseUnknown(scopesOptions, SCOPES_OPTIONS, "scopes()");
      return json("/v1/scopes", { ...scopesOptions, limit: scopesOptions.limit?.toString() });
    },
    countsIn: (scopes) => post("/v1/counts/lookup", {}, { scopes }),
    fetch: (path, init) => request(base + path, init),
  };
}

/** Parameters that name a namespace or a room. */
type Where = Readonly<Partial<Record<"namespace" | "room", string>>>;

/** ms, which need no escaping. */
function timeOf(name: string, time: Date | undefined): string | undefined {
  return time === undefined ? undefined : String(msOfTime(name, time));
}

/** Users per page when all are requested: the API's maximum. */
const PAGE = 1_000;

function search(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => [name, one]),
  );
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs)}`;
}
