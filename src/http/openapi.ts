/** /openapi.json: OpenAPI 3.1, made from the table of routes and from the schemas that check requests and answers. */
import { type JsonSchema, toJsonSchema, toJsonSchemaDefs } from "@valibot/to-json-schema";
import type { GenericSchema } from "valibot";
import { VERSION } from "../core/version.ts";
import { asOfSchema } from "../reader/answers/as-of.ts";
import { changesAnswerSchema, changeSchema } from "../reader/answers/changes.ts";
import { countsSchema } from "../reader/answers/counts.ts";
import { sessionsSchema, usersAtSchema } from "../reader/answers/past.ts";
import { historyAnswerSchema } from "../reader/answers/history.ts";
import { subscribersAnswerSchema } from "../reader/answers/subscribers.ts";
import { processesAnswerSchema } from "../reader/answers/processes.ts";
import { countsInAnswerSchema, scopeCountsSchema, scopesPageSchema } from "../reader/answers/scopes.ts";
import {
  userAnswerSchema,
  userPresenceSchema,
  usersAnswerSchema,
  usersPageSchema,
} from "../reader/answers/users.ts";
import { problemSchema } from "./problem.ts";
import type { Route } from "./route.ts";

/** Schemas with a name in the document; all others are written out where they are used. */
const COMPONENTS = {
  AsOf: asOfSchema,
  Problem: problemSchema,
  Counts: countsSchema,
  ScopeCounts: scopeCountsSchema,
  Scopes: scopesPageSchema,
  CountsIn: countsInAnswerSchema,
  History: historyAnswerSchema,
  UserPresence: userPresenceSchema,
  UsersPage: usersPageSchema,
  User: userAnswerSchema,
  Users: usersAnswerSchema,
  UsersAt: usersAtSchema,
  Sessions: sessionsSchema,
  Processes: processesAnswerSchema,
  Subscribers: subscribersAnswerSchema,
  Change: changeSchema,
  Changes: changesAnswerSchema,
};

const CONFIG = {
  target: "draft-2020-12",
  // Checks and transformations that JSON Schema cannot express are in the descriptions.
  errorMode: "ignore",
  overrideRef: ({ referenceId }: { readonly referenceId: string }) => `#/components/schemas/${referenceId}`,
} as const;

const TITLES = {
  400: "The request is not valid for this route.",
  401: "The token is missing or invalid.",
  403: "The server has no token, or the token's scope or grant does not cover this.",
  404: "The namespace or room is not tracked, its changes are not told, or no history is kept.",
  409: "There are too many to list them, or what was asked for as CSV is no longer kept.",
  413: "The body is too large.",
  415: "The body is not application/json.",
  429: "This client or token has as many event streams as it may.",
  503: "Redis does not answer; `last` has a recent answer if there is one.",
} as const;

/** Of answers that are not JSON. */
const MEDIA_TYPES = { text: "text/plain", page: "text/html" } as const;

const BEARER = "bearer";
/** A browser token: signToken(). */
const BROWSER = "browser";

/** The parts of a JSON Schema that /docs shows. */
export interface Schema {
  readonly $ref?: string;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly type?: string;
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly description?: string;
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>;

/** The parts of an operation that /docs shows. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  /** `{}` in it: a token is not always required. */
  readonly security?: readonly object[];
  readonly parameters?: readonly {
    readonly in: "path" | "query";
    readonly name: string;
    readonly required?: boolean;
    readonly schema: Schema;
    readonly description?: string;
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

/** The parts of an OpenAPI document that the code here uses. */
export interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly description: string; readonly version: string };
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** The document that describes these routes. */
export function documentOf(routes: readonly Route[]): Document {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Rollcall", description: "Presence of Socket.IO users, read-only.", version: VERSION },
    components: {
      securitySchemes: {
        [BEARER]: { type: "http", scheme: "bearer" },
        [BROWSER]: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
      },
      schemas: toJsonSchemaDefs(COMPONENTS, CONFIG),
    },
    paths,
  } as unknown as Document;
}

function operationOf(route: Route): object {
  const { id, summary, scope, scopeNamed, action, body, query } = route;
  const tokens = [{ [BEARER]: [] }, ...(action === undefined ? [] : [{ [BROWSER]: [] }])];
  const granted = action === undefined ? "" : ` Action of a browser token: \`${action}\`.`;
  const pathParameters = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    in: "path",
    name,
    required: true,
    schema: { type: "string" },
  }));
  const parameters = [...pathParameters, ...(query === undefined ? [] : queryParameters(query))];
  return {
    operationId: id,
    summary,
    ...(scope !== undefined && { security: tokens, description: `Scope: \`${scope}\`.${granted}` }),
    ...(scopeNamed !== undefined && {
      security: [{}, ...tokens],
      description: `Open; with \`namespace\` or \`room\` the scope is \`${scopeNamed}\`.${granted}`,
    }),
    ...((query !== undefined || parameters.length > 0) && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: true, content: { "application/json": { schema: jsonSchemaOf(body) } } },
    }),
    responses: responsesOf(route),
  };
}

function responsesOf({ summary, answer, scope, scopeNamed, events, csv, problems = [] }: Route): object {
  const failing = [...((scope ?? scopeNamed) === undefined ? [] : ([401, 403] as const)), ...problems];
  const problem = { "application/problem+json": { schema: jsonSchemaOf(problemSchema) } };
  return {
    200: {
      description: summary,
      content: {
        ...(typeof answer === "string"
          ? { [MEDIA_TYPES[answer]]: { schema: { type: "string" } } }
          : { "application/json": { schema: jsonSchemaOf(answer) } }),
        ...(csv !== undefined && { "text/csv": { schema: { type: "string", description: csv } } }),
        ...(events !== undefined && {
          "text/event-stream": { schema: { type: "string", description: events } },
        }),
      },
    },
    ...Object.fromEntries(
      failing.map((status) => [status, { description: TITLES[status], content: problem }]),
    ),
  };
}

function queryParameters(query: GenericSchema): object[] {
  const { properties = {}, required = [] } = jsonSchemaOf(query);
  return Object.entries(properties).map(([name, property]) =>
    queryParameter(name, property as JsonSchema, required.includes(name)),
  );
}

function queryParameter(name: string, { description, ...schema }: JsonSchema, isRequired: boolean): object {
  return {
    in: "query",
    name,
    ...(isRequired && { required: true }),
    schema,
    ...(description !== undefined && { description }),
  };
}

/** A reference to one of COMPONENTS, or the schema written out. */
function jsonSchemaOf(schema: GenericSchema): JsonSchema {
  const component = Object.entries(COMPONENTS).find(([, known]) => known === schema);
  if (component !== undefined) return { $ref: `#/components/schemas/${component[0]}` };
  const {
    $schema: _schema,
    $defs: _defs,
    ...rest
  } = toJsonSchema(schema, { ...CONFIG, definitions: COMPONENTS });
  return rest;
}
