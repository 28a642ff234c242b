/**
 * A typed client of the API, for browsers and every runtime with fetch: `rollcall/client`.
 *
 *   const rollcall = createClient("https://presence.example", { token });
 *   const { users, asOf } = await rollcall.lookup(["alice", "bob"]);
 *   for await (const news of rollcall.follow({ after: asOf.cursor, users: ["alice", "bob"] })) …
 *
 * The types are those of the server's routes (hono/client). In a browser a token is readable by whoever uses the page:
 * leave it out there and read the open counts, or put the API behind a server of yours.
 */
import { hc, type InferResponseType } from "hono/client";
import { follow, type FollowOptions, type News } from "./follow.ts";
import { ProblemError } from "./problem.ts";
import { type ClientOptions, requester } from "./request.ts";
import type { Api } from "../http/app.ts";

export type { ClientOptions, FollowOptions, News };
export { ProblemError };

type Routes = ReturnType<typeof hc<Api>>;

export type Counts = InferResponseType<Routes["v1"]["counts"]["$get"]>;
export type UsersPage = InferResponseType<Routes["v1"]["users"]["$get"]>;
export type User = InferResponseType<Routes["v1"]["users"][":id"]["$get"]>;
export type Users = InferResponseType<Routes["v1"]["users"]["lookup"]["$post"]>;
export type Processes = InferResponseType<Routes["v1"]["processes"]["$get"]>;
export type Changes = InferResponseType<Routes["v1"]["changes"]["$get"]>;

/** Every method rejects with ProblemError for an answer that is none, and as fetch does when there is no answer. */
export interface Client {
  /** Every route as it is: `client.api.v1.counts.$get()` gives the Response. A path takes ids percent-encoded. */
  readonly api: Routes;
  counts(): Promise<Counts>;
  /** One page; go on with `cursor: page.next`. */
  users(page?: { readonly cursor?: string; readonly limit?: number }): Promise<UsersPage>;
  user(id: string): Promise<User>;
  /** At most 1,000 ids. */
  lookup(ids: readonly string[]): Promise<Users>;
  processes(): Promise<Processes>;
  /** Who came and went since a cursor. */
  changes(options?: { readonly after?: string; readonly users?: readonly string[] }): Promise<Changes>;
  /**
   * The same as it happens, for ever: comes back by itself, with jittered back-off, from where it was. Ends when the signal
   * fires; rejects with ProblemError for what coming back does not mend (a wrong token, a wrong cursor).
   */
  follow(options?: FollowOptions): AsyncGenerator<News, void>;
}

export function createClient(url: string, options: ClientOptions = {}): Client {
  const request = requester(options);
  const api = hc<Api>(url.replace(/\/+$/, ""), { fetch: request });

  async function json<T>(answer: Promise<{ json(): Promise<unknown> }>): Promise<T> {
    const response = (await answer) as Response;
    if (!response.ok) throw await ProblemError.of(response);
    return (await response.json()) as T;
  }

  const lookup = (ids: readonly string[]): Promise<Users> =>
    json(api.v1.users.lookup.$post({ json: { ids: [...ids] }, query: {} }));

  return {
    api,
    counts: () => json(api.v1.counts.$get({ query: {} })),
    users: ({ cursor, limit } = {}) =>
      json(
        api.v1.users.$get({
          query: {
            ...(cursor !== undefined && { cursor }),
            ...(limit !== undefined && { limit: String(limit) }),
          },
        }),
      ),
    async user(id) {
      // No path can carry these: they are steps in it, or nothing.
      if (/^\.{0,2}$/.test(id)) {
        const { users, asOf } = await lookup([id]);
        return { ...users[0]!, asOf };
      }
      return json(api.v1.users[":id"].$get({ param: { id: encodeURIComponent(id) }, query: {} }));
    },
    lookup,
    processes: () => json(api.v1.processes.$get({ query: {} })),
    changes: ({ after, users = [] } = {}) =>
      json(
        api.v1.changes.$get({
          query: { ...(after !== undefined && { after }), ...(users.length > 0 && { user: [...users] }) },
        }),
      ),
    follow: (followOptions = {}) => follow(api.v1.changes.$url().toString(), request, followOptions),
  };
}
