/**
 * The API's errors: `application/problem+json` (RFC 9457) with a `code` to branch on.
 *
 *   { "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "…", "code": "CURSOR_INVALID" }
 *
 * A `detail` is written here in full. It never quotes the request, and it names no keys, hosts or users: internal causes go
 * to the log.
 */
import * as v from "valibot";
import { PresenceError, type PresenceErrorCode } from "../core/errors.ts";
import type { Logger } from "../core/options.ts";
import { schemaOf, whole } from "../reader/answers/schema.ts";

/** Codes a caller can branch on, with the status of each. */
export const PROBLEM_CODES = [
  /** 400: an unknown query parameter, or a value that is out of range. */
  "QUERY_INVALID",
  /** 400: the body is not JSON, or not of the shape the route requires. */
  "BODY_INVALID",
  /** 400: an invalid user id. */
  "USER_INVALID",
  /** 400: a namespace and a room that make no scope. */
  "SCOPE_INVALID",
  /** 400: a cursor that did not come from an answer, or from one about another namespace or room. */
  "CURSOR_INVALID",
  /** 400: a time in the future, or a range that ends before it begins. */
  "TIME_INVALID",
  /** 400: not HTTP, or a target or a Host that is no URL. Node only. */
  "REQUEST_INVALID",
  /** 401: the request has no bearer token. */
  "TOKEN_MISSING",
  /** 401: the token is not one of the server's; of a browser token, `reason` says what is wrong with it. */
  "TOKEN_INVALID",
  /** 401: the browser token has expired. */
  "TOKEN_EXPIRED",
  /** 401: the browser token is signed, and what it grants is malformed. */
  "GRANT_INVALID",
  /** 403: the server has no token set, so the route is closed. */
  "TOKENS_NOT_SET",
  /** 403: the token covers the counts only. */
  "SCOPE_MISSING",
  /** 403: the browser token does not grant this action. */
  "ACTION_NOT_GRANTED",
  /** 403: the browser token does not cover this user, whether online or not. */
  "USER_NOT_GRANTED",
  /** 403: the browser token does not cover this namespace or room, or not the whole. */
  "SCOPE_NOT_GRANTED",
  /** 404: no route at this path. */
  "NOT_FOUND",
  /** 404: the namespace or room is not counted, or its changes are not told, so there is no answer: never 0. */
  "SCOPE_UNTRACKED",
  /** 404: no numbers over time are kept. */
  "HISTORY_UNTRACKED",
  /** 405: the path accepts other methods, listed in `Allow`. */
  "METHOD_NOT_ALLOWED",
  /** 406: this server sends no event streams. */
  "STREAMS_OFF",
  /** 408: the request did not arrive in time. Node only. */
  "REQUEST_TIMEOUT",
  /** 409: more namespaces and rooms in several shards than can be put in order, or more users than a list of the past may have. */
  "LIMIT_EXCEEDED",
  /** 409: the changes since that time are no longer kept, so there is no list to give as CSV. `since` says from when on there is. */
  "NOT_KEPT",
  /** 413 */
  "BODY_TOO_LARGE",
  /** 414 */
  "URI_TOO_LONG",
  /** 415 */
  "MEDIA_TYPE_UNSUPPORTED",
  /** 417: an `Expect` other than `100-continue`. Node only. */
  "EXPECTATION_FAILED",
  /** 429: this client, token or subject has as many event streams as it may. */
  "STREAMS_LIMITED",
  /** 429: the subject of this browser token makes more requests a second than it may. */
  "REQUESTS_LIMITED",
  /** 431: the header fields are too large. Node only. */
  "HEADERS_TOO_LARGE",
  /** 500: the server is misconfigured; its operator has to fix it. */
  "OPTIONS_INVALID",
  /** 500: the prefix is in use with another number of shards. */
  "SHARDS_MISMATCH",
  /** 500: one of Rollcall's keys holds another type. */
  "REDIS_TYPE",
  /** 500: a reply that Redis itself would not give. */
  "REPLY_INVALID",
  /** 500: another process runs an incompatible version. */
  "VERSION_MISMATCH",
  /** 500: the Redis user or token may not run a command that a reader needs. */
  "PERMISSION",
  /** 500: this Redis lacks commands that are needed. */
  "REDIS_TOO_OLD",
  /** 500: a bug. */
  "INTERNAL",
  /** 503: Redis did not answer in time, or with an error. */
  "REDIS_UNAVAILABLE",
  /** 503: the key set that browser tokens are verified with could not be fetched. */
  "KEYS_UNAVAILABLE",
  /** 503: the lookups that are being answered have too many bytes together. */
  "LOOKUPS_EXHAUSTED",
  /** 503: the process serves no more event streams of this scope at once. */
  "STREAMS_EXHAUSTED",
  /** 503, only from /ready: Redis answers, but the projector is overdue. */
  "PROJECTOR_STALE",
  /** 503, only from /ready and /serving: this server is to end; use another. */
  "SHUTTING_DOWN",
] as const;

/** One of PROBLEM_CODES, each of which is described there. */
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** A problem as sent. Some have more members: `last`, `asOf`. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What went wrong and what to do, for people. */
  readonly detail: string;
  /** The code to branch on. */
  readonly code: ProblemCode;
}

/** The schema of a problem. Further members are allowed. */
export const problemSchema = schemaOf<ProblemDocument>()(
  v.object({
    type: v.string(),
    title: v.string(),
    status: whole,
    detail: v.string(),
    code: v.pipe(v.picklist(PROBLEM_CODES), v.description("The code to branch on.")),
  }),
);

const TITLES = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
} as const;

/** The statuses of problems. */
export type ProblemStatus = keyof typeof TITLES;

/** What a problem can have besides status, code and detail. */
export interface ProblemParts {
  readonly headers?: Readonly<Record<string, string>>;
  /** More members of the document, as RFC 9457 allows. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** The whole document, if it is made already: toJson() of a problem with the same status, code, detail and members. */
  readonly json?: string | undefined;
  readonly cause?: unknown;
}

/** Thrown by a route or a middleware, answered by toResponse(). `message` is the `detail`, so it must be safe to publish. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: ProblemStatus;
  readonly code: ProblemCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, unknown>>;
  readonly #json: string | undefined;

  constructor(
    status: ProblemStatus,
    code: ProblemCode,
    detail: string,
    { headers = {}, members = {}, json, cause }: ProblemParts = {},
  ) {
    super(detail, { cause });
    this.status = status;
    this.code = code;
    this.headers = headers;
    this.members = members;
    this.#json = json;
  }

  /** The document as JSON. */
  toJson(): string {
    if (this.#json !== undefined) return this.#json;
    const { status, code, message: detail } = this;
    const body: ProblemDocument = {
      type: "about:blank",
      title: TITLES[status],
      status,
      detail,
      code,
      ...this.members,
    };
    return JSON.stringify(body);
  }

  toResponse(): Response {
    return new Response(this.toJson(), {
      status: this.status,
      headers: { "content-type": PROBLEM_TYPE, ...this.headers },
    });
  }
}

/** The media type of a problem. */
export const PROBLEM_TYPE = "application/problem+json";

/** How long a caller is asked to wait before a retry, s. */
const RETRY_AFTER_S = 2;

/** Headers of a temporary problem. */
export const retryAfter = { "retry-after": String(RETRY_AFTER_S) };

function redisUnavailable(cause: PresenceError): Problem {
  return new Problem(503, "REDIS_UNAVAILABLE", "Redis does not answer; try again shortly", {
    headers: retryAfter,
    cause,
  });
}

/** Their messages are for callers: what to send, or what to track. */
const OF_THE_CALLER: { readonly [Code in PresenceErrorCode]?: ProblemStatus } = {
  USER_INVALID: 400,
  CURSOR_INVALID: 400,
  SCOPE_INVALID: 400,
  TIME_INVALID: 400,
  SCOPE_UNTRACKED: 404,
  HISTORY_UNTRACKED: 404,
  LIMIT_EXCEEDED: 409,
};

/** The problem for a thrown value: INTERNAL unless it is a Problem, or a PresenceError that is shown to callers. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof PresenceError) {
    const { code, message } = error;
    const status = OF_THE_CALLER[code];
    if (status !== undefined) return new Problem(status, code as ProblemCode, message);
    if (code === "REDIS_UNAVAILABLE") return redisUnavailable(error);
    // The cause of a bug has its stack.
    if (code === "INTERNAL") return internal(error.cause ?? error);
    if (
      code === "REDIS_TYPE" ||
      code === "SHARDS_MISMATCH" ||
      code === "REPLY_INVALID" ||
      code === "VERSION_MISMATCH" ||
      code === "PERMISSION" ||
      code === "REDIS_TOO_OLD"
    ) {
      return new Problem(500, code, "the projection cannot be read; the server's log says why", {
        cause: error,
      });
    }
  }
  return internal(error);
}

function internal(cause: unknown): Problem {
  return new Problem(500, "INTERNAL", "something went wrong in the server; its log says where", { cause });
}

/**
 * The answer of a server that could not be set up. The message of a PresenceError names the option or variable and never a
 * secret value, so it is safe to publish; anything else becomes INTERNAL.
 */
export function misconfigured(error: unknown, logger: Logger): Response {
  const known = error instanceof PresenceError && error.code === "OPTIONS_INVALID";
  const problem = known ? new Problem(500, "OPTIONS_INVALID", error.message) : problemOf(error);
  logger.error(`cannot serve: ${problem.code}: ${problem.message}`);
  const response = problem.toResponse();
  response.headers.set("cache-control", "no-store");
  return response;
}
