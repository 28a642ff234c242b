/**
 * A typed client of the API, for browsers and every runtime with fetch: `rollcall/client`. It depends on nothing.
 *
 *   const rollcall = createClient("https://presence.example", { token });
 *   const { users, asOf } = await rollcall.lookup(["alice", "bob"]);
 *   for await (const news of rollcall.follow({ after: asOf.cursor, users: ["alice", "bob"] })) …
 *
 * The types are those of the reader, as JSON leaves them. In a browser a token is readable by whoever uses the page:
 * leave it out there and read the open counts, or put the API behind a server of yours.
 */
import type * as reader from "../reader/reader.ts";
import type { Json } from "../reader/answers/json.ts";
import { follow, type FollowOptions, type News } from "./follow.ts";
import { ProblemError } from "./problem.ts";
import { type ClientOptions, requester } from "./request.ts";

export type { ClientOptions, FollowOptions, News };
export { ProblemError };

export type Counts = Json<reader.Counts>;
export type UsersPage = Json<reader.UsersPage>;
export type UserPresence = Json<reader.UserPresence>;
export type User = Json<reader.UserAnswer>;
export type Users = Json<reader.UsersAnswer>;
export type Processes = Json<reader.ProcessesAnswer>;
export type Changes = Json<reader.ChangesAnswer>;

/** Every method rejects with ProblemError for an answer that is none, and as fetch does when there is no answer. */
export interface Client {
  /** How many users, sockets and connections. */
  counts(): Promise<Counts>;
  /** One page of who is present; go on with `cursor: page.next`. `limit` is approximate: 1 to 1,000, default 100. */
  page(options?: { readonly cursor?: string; readonly limit?: number }): Promise<UsersPage>;
  /** Everyone who is present, page by page. */
  users(): AsyncGenerator<UserPresence, void>;
  /** One user; `online: false` for one who is absent. */
  user(id: string): Promise<User>;
  /** Which of these users are present, in the order asked. At most 1,000 ids. */
  lookup(ids: readonly string[]): Promise<Users>;
  /** The Socket.IO processes, their leases and counts. */
  processes(): Promise<Processes>;
  /** Who came and went since a cursor, of at most 100 users or of all. */
  changes(options?: { readonly after?: string; readonly users?: readonly string[] }): Promise<Changes>;
  /**
   * The same as it happens, for ever: comes back by itself, with jittered back-off, from where it was. Ends when the signal
   * fires; rejects with ProblemError for what coming back does not mend (a wrong token, a wrong cursor).
   */
  follow(options?: FollowOptions): AsyncGenerator<News, void>;
  /**
   * Any other route, with the token and within `timeout`: `client.fetch("/openapi.json")`. Resolves with the Response
   * whatever its status is.
   */
  fetch(path: `/${string}`, init?: RequestInit): Promise<Response>;
}

/** What in a query is undefined is left out; of a list, each is sent. */
type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * A client of the API at `url`, which may have a path before the routes: `https://example.com/presence`.
 * Sends nothing before a method is called.
 */
export function createClient(url: string, options: ClientOptions = {}): Client {
  const request = requester(options);
  const base = url.replace(/\/+$/, "");

  async function json<T>(path: string, query: Query = {}, init?: RequestInit): Promise<T> {
    const response = await request(base + path + search(query), init);
    if (!response.ok) throw await ProblemError.of(response);
    return (await response.json()) as T;
  }

  const lookup = (ids: readonly string[]): Promise<Users> =>
    json("/v1/users/lookup", {}, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ids }),
    }); // prettier-ignore

  const page: Client["page"] = ({ cursor, limit } = {}) =>
    json("/v1/users", { cursor, limit: limit?.toString() });

  return {
    counts: () => json("/v1/counts"),
    page,
    async *users() {
      let cursor: string | undefined;
      do {
        const { users, next }: UsersPage = await page({
          limit: PAGE,
          ...(cursor !== undefined && { cursor }),
        });
        yield* users;
        cursor = next ?? undefined;
      } while (cursor !== undefined);
    },
    async user(id) {
      // No path can carry these: they are steps in it, or nothing.
      if (/^\.{0,2}$/.test(id)) {
        const { users, asOf } = await lookup([id]);
        return { ...users[0]!, asOf };
      }
      return json(`/v1/users/${encodeURIComponent(id)}`);
    },
    lookup,
    processes: () => json("/v1/processes"),
    changes: ({ after, users = [] } = {}) => json("/v1/changes", { after, user: users }),
    follow: (followOptions = {}) => follow(`${base}/v1/changes`, request, followOptions),
    fetch: (path, init) => request(base + path, init),
  };
}

/** Users a page when all are asked for: the most the API gives. */
const PAGE = 1_000;

function search(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => [name, one]),
  );
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs)}`;
}
