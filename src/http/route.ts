/**
 * A route as data: what app.ts serves, what auth.ts guards and what /openapi.json says of it are read from the same object.
 */
import type { Context } from "hono";
import type { GenericSchema, InferOutput } from "valibot";
import type { Scope } from "./auth.ts";
import type { CoalescedReader } from "./coalesced-reader.ts";
import type { ResolvedAppOptions } from "./options.ts";
import { parseQuery, type QuerySchema } from "./request.ts";
import type { Streams } from "./streams.ts";

/** What the routes of one app share. */
export interface RouteParts {
  readonly reader: CoalescedReader;
  readonly streams: Streams;
  readonly options: ResolvedAppOptions;
}

interface RouteDescription {
  readonly method: "GET" | "POST";
  /** In Hono's form: `/v1/users/:id`. */
  readonly path: string;
  /** `operationId` of /openapi.json. */
  readonly id: string;
  readonly summary: string;
  /** Which scope opens it; undefined: it is open. */
  readonly scope: Scope | undefined;
  /** The schema of its JSON; "text": `text/plain`. */
  readonly answer: GenericSchema | "text";
  /** The schema of the JSON it takes; the route itself parses it. */
  readonly body?: GenericSchema;
  /** It is a stream as well, for `Accept: text/event-stream`: what its events are. */
  readonly events?: string;
  /** Statuses of problems beside those that follow from `scope`. */
  readonly problems?: readonly (400 | 413 | 415 | 503)[];
}

/** A route of the table, ready to be served. */
export interface Route extends RouteDescription {
  /** Absent: the route looks at no parameter and refuses none. */
  readonly query?: QuerySchema;
  /** Throws Problem for what it refuses, and whatever the reader rejects with. */
  readonly respond: (c: Context) => Response | Promise<Response>;
}

/** A route that checks its query first: Problem 400 QUERY_INVALID for what the schema refuses. */
export function routeWithQuery<Schema extends QuerySchema>(
  route: RouteDescription & {
    readonly query: Schema;
    readonly respond: (c: Context, query: InferOutput<Schema>) => Response | Promise<Response>;
  },
): Route {
  const { query, respond } = route;
  return { ...route, respond: (c) => respond(c, parseQuery(c.req.url, query)) };
}
