/** /openapi.json: OpenAPI 3.1, made from the schemas that validate the requests and those the answers are held to. */
import type { Hono } from "hono";
import { describeRoute, generateSpecs, resolver } from "hono-openapi";
import type { GenericSchema } from "valibot";
import { VERSION } from "../core/version.ts";
import { problem } from "./answers.ts";
import type { Scope } from "./auth.ts";

/** What a route adds to its schemas. */
export interface About {
  readonly id: string;
  readonly summary: string;
  /** Of JSON; text is `text/plain`. */
  readonly answer: GenericSchema | "text";
  /** Which scope opens it; undefined: it is open. */
  readonly scope: Scope | undefined;
  /** It is a stream as well, for `Accept: text/event-stream`. */
  readonly events?: string;
  /** Statuses of problems beside those that every route can answer. */
  readonly problems?: readonly (403 | 400 | 413 | 415 | 503)[];
}

const TITLES = {
  400: "The request says something this route does not take.",
  401: "No token, or none of those that are set.",
  403: "No token is set, or the token's scope does not cover this route.",
  413: "The body is too large.",
  415: "The body is of another media type.",
  503: "Redis does not answer; a recent answer, if there is one, is in `last`.",
} as const;

const BEARER = "bearer";

export function about({ id, summary, answer, scope, events, problems = [] }: About) {
  const failing: (keyof typeof TITLES)[] = [
    ...(scope === undefined ? [] : ([401, 403] as const)),
    ...problems,
  ];
  return describeRoute({
    operationId: id,
    summary,
    ...(scope !== undefined && { security: [{ [BEARER]: [] }], description: `Scope: \`${scope}\`.` }),
    responses: {
      200: {
        description: summary,
        content: {
          ...(answer === "text"
            ? { "text/plain": { schema: { type: "string" as const } } }
            : { "application/json": { schema: resolver(answer) } }),
          ...(events !== undefined && {
            "text/event-stream": { schema: { type: "string" as const, description: events } },
          }),
        },
      },
      ...Object.fromEntries(
        failing.map((status) => [
          status,
          {
            description: TITLES[status],
            content: { "application/problem+json": { schema: resolver(problem) } },
          },
        ]),
      ),
    },
  });
}

export interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, object>>;
}

/** The document of an app's routes. Made once and kept. */
export function documentOf(app: Hono): () => Promise<Document> {
  let made: Document | undefined;
  return async () =>
    (made ??= (await generateSpecs(app, {
      documentation: {
        openapi: "3.1.0",
        info: {
          title: "Rollcall",
          version: VERSION,
          description: "Presence of Socket.IO users, read-only.",
        },
        components: { securitySchemes: { [BEARER]: { type: "http", scheme: "bearer" } } },
      },
      // Ours are all problems, and said by each route.
      defaultValidationErrorResponse: false,
      excludeStaticFile: false,
    })) as Document);
}
