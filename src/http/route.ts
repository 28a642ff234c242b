/**
 * A route as data: app.ts serves it, auth.ts protects it and /openapi.json describes it, all from the same object.
 */
import type { Context } from "hono";
import type { GenericSchema, InferOutput } from "valibot";
import type { GrantAction } from "../core/grant.ts";
import type { Scope, Tokens } from "./auth.ts";
import type { Bodies } from "./bodies.ts";
import type { CoalescedReader } from "./coalesced-reader.ts";
import { demandAction, demandGrant, holderOf } from "./holder.ts";
import type { ResolvedAppOptions } from "./options.ts";
import type { Own } from "./own.ts";
import { parseQuery, type QuerySchema } from "./request.ts";
import type { Streams } from "./streams.ts";
import { whereOf, type WhereQuery } from "./where.ts";

/** What the routes of one app share. */
export interface RouteParts {
  readonly reader: CoalescedReader;
  readonly streams: Streams;
  readonly bodies: Bodies;
  readonly tokens: Tokens;
  /** Answers for holders of browser tokens who may see some users only. */
  readonly own: Own;
  readonly options: ResolvedAppOptions;
}

interface RouteDescription {
  readonly method: "GET" | "POST";
  /** In Hono's form: `/v1/users/:id`. */
  readonly path: string;
  /** `operationId` of /openapi.json. */
  readonly id: string;
  readonly summary: string;
  /** The required scope; undefined: the route is open. */
  readonly scope: Scope | undefined;
  /** The scope that an open route requires for a namespace or room all the same; it demands it itself. */
  readonly scopeNamed?: Scope | undefined;
  /** What a browser token has to grant where a scope is required; undefined: none covers it. */
  readonly action?: GrantAction | undefined;
  /** Set when the body names the scopes: the route checks itself whether they are granted. */
  readonly scopesInBody?: true;
  /** The schema of the JSON answer; "text": `text/plain`; "page": `text/html`. */
  readonly answer: GenericSchema | "text" | "page";
  /** The schema of the JSON body; the route itself parses it. */
  readonly body?: GenericSchema;
  /** Set when the route also streams, for `Accept: text/event-stream`: a description of the events. */
  readonly events?: string;
  /** Set when the route also answers as CSV: a description of it. */
  readonly csv?: string;
  /** Statuses of problems, besides those that follow from `scope`. */
  readonly problems?: readonly (400 | 404 | 409 | 413 | 415 | 429 | 503)[];
}

/** A route of the table, ready to be served. */
export interface Route extends RouteDescription {
  /** Absent: the route ignores all query parameters. */
  readonly query?: QuerySchema;
  /** Throws Problem for an invalid request, and rejects as the reader does. */
  readonly respond: (c: Context) => Response | Promise<Response>;
}

/**
 * A route as it is served: where a scope is required, a browser token has to grant its action before anything of it runs. A route without
 * an action is closed to all of them, by whatever path it was found: an app that Hono's route() has put into another has other paths.
 */
export function guarded(route: Route): Route {
  const { scope, action, respond } = route;
  if (scope === undefined) return route;
  return {
    ...route,
    respond(c) {
      const holder = holderOf(c);
      if (holder !== undefined) demandAction(holder, action);
      return respond(c);
    },
  };
}

/**
 * A route that checks its query first: Problem 400 QUERY_INVALID if the schema refuses it; then what a browser token grants: 403
 * ACTION_NOT_GRANTED, SCOPE_NOT_GRANTED. The route itself checks which users it covers.
 */
export function routeWithQuery<Schema extends QuerySchema>(
  route: RouteDescription & {
    readonly query: Schema;
    readonly respond: (c: Context, query: InferOutput<Schema>) => Response | Promise<Response>;
  },
): Route {
  const { query, respond } = route;
  return {
    ...route,
    respond(c) {
      const asked = parseQuery(c.req.url, query);
      const holder = holderOf(c);
      if (holder !== undefined) {
        const where = whereOf(asked as WhereQuery);
        const required = route.scope ?? (where === undefined ? undefined : route.scopeNamed);
        // Where nobody needs a token, one does not take anything away.
        if (required !== undefined && route.scopesInBody) demandAction(holder, route.action);
        else if (required !== undefined) demandGrant(holder, route.action, where);
      }
      return respond(c, asked);
    },
  };
}
