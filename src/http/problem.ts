/**
 * Errors as the API tells them: `application/problem+json` (RFC 9457) with a `code` to branch on.
 *
 *   { "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "…", "code": "CURSOR_INVALID" }
 *
 * A detail is ours from the first letter to the last. It never quotes what was sent, and what went wrong inside is for
 * the log: a problem names neither keys nor hosts nor users.
 */
import * as v from "valibot";
import { PresenceError } from "../core/errors.ts";
import type { Logger } from "../core/options.ts";
import { schemaOf, whole } from "../reader/answers/schema.ts";

/** What a caller can branch on, with the status it comes with. */
export const PROBLEM_CODES = [
  /** 400: a query parameter that the route does not take, or a value that is out of range. */
  "QUERY_INVALID",
  /** 400: the body is not JSON, or not of the shape the route takes. */
  "BODY_INVALID",
  /** 400: a user id that cannot be one. */
  "USER_INVALID",
  /** 400: a cursor that no answer contained. */
  "CURSOR_INVALID",
  /** 401: no bearer token came with the request. */
  "TOKEN_MISSING",
  /** 401: the token is none of those that are set. */
  "TOKEN_INVALID",
  /** 403: no token is set, so nobody may pass. */
  "TOKENS_NOT_SET",
  /** 403: the token is for the counts alone. */
  "SCOPE_MISSING",
  /** 404: there is nothing at this path. */
  "NOT_FOUND",
  /** 405: the path takes other methods, which `Allow` lists. */
  "METHOD_NOT_ALLOWED",
  /** 406: this server sends no event streams. */
  "STREAMS_OFF",
  /** 413 */
  "BODY_TOO_LARGE",
  /** 414 */
  "URI_TOO_LONG",
  /** 415 */
  "MEDIA_TYPE_UNSUPPORTED",
  /** 500: the server has been set up wrongly; only its operator can help. */
  "OPTIONS_INVALID",
  /** 500: the prefix is in use with another number of shards. */
  "SHARDS_MISMATCH",
  /** 500: a key of ours holds another type. */
  "REDIS_TYPE",
  /** 500: a reply that no Redis gives. */
  "REPLY_INVALID",
  /** 500: another process runs a version that this one cannot work with. */
  "VERSION_MISMATCH",
  /** 500: a bug. */
  "INTERNAL",
  /** 503: Redis did not answer in time, or with an error. */
  "REDIS_UNAVAILABLE",
  /** 503: as many event streams are open as one process serves. */
  "STREAMS_EXHAUSTED",
  /** 503, from /ready alone: Redis answers, but the projector is overdue. */
  "PROJECTOR_STALE",
] as const;

/** One of PROBLEM_CODES, each of which is described there. */
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** A problem as it is sent. Some have more members, which their code's description names. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What went wrong and what to do, for people. */
  readonly detail: string;
  /** To branch on. */
  readonly code: ProblemCode;
}

/** The schema of a problem, which may have more members. */
export const problemSchema = schemaOf<ProblemDocument>()(
  v.object({
    type: v.string(),
    title: v.string(),
    status: whole,
    detail: v.string(),
    code: v.pipe(v.picklist(PROBLEM_CODES), v.description("To branch on.")),
  }),
);

const TITLES = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  500: "Internal Server Error",
  503: "Service Unavailable",
} as const;

/** The statuses of problems. */
export type ProblemStatus = keyof typeof TITLES;

/** What a problem can have beside its status, code and detail. */
export interface ProblemParts {
  readonly headers?: Readonly<Record<string, string>>;
  /** More members of the document, as RFC 9457 allows. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Thrown by a route or a guard, answered by toResponse(). `message` is the `detail`, so it may be read by anybody. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: ProblemStatus;
  readonly code: ProblemCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(
    status: ProblemStatus,
    code: ProblemCode,
    detail: string,
    { headers = {}, members = {}, cause }: ProblemParts = {},
  ) {
    super(detail, { cause });
    this.status = status;
    this.code = code;
    this.headers = headers;
    this.members = members;
  }

  toResponse(): Response {
    const { status, code, message: detail } = this;
    const body: ProblemDocument = {
      type: "about:blank",
      title: TITLES[status],
      status,
      detail,
      code,
      ...this.members,
    };
    return new Response(JSON.stringify(body), {
      status,
      headers: { "content-type": "application/problem+json", ...this.headers },
    });
  }
}

/** How long a caller is asked to wait before it tries again, s. */
const RETRY_AFTER_S = 2;

/** Headers of a problem that passes by itself. */
export const retryAfter = { "retry-after": String(RETRY_AFTER_S) };

function redisUnavailable(cause: PresenceError): Problem {
  return new Problem(503, "REDIS_UNAVAILABLE", "Redis does not answer; try again in a moment", {
    headers: retryAfter,
    cause,
  });
}

/** The problem for whatever was thrown; INTERNAL for what is neither a Problem nor a PresenceError that a caller can meet. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof PresenceError) {
    const { code, message } = error;
    if (code === "USER_INVALID" || code === "CURSOR_INVALID") return new Problem(400, code, message);
    if (code === "REDIS_UNAVAILABLE") return redisUnavailable(error);
    // The place of a bug is in its cause.
    if (code === "INTERNAL") return internal(error.cause ?? error);
    if (
      code === "REDIS_TYPE" ||
      code === "SHARDS_MISMATCH" ||
      code === "REPLY_INVALID" ||
      code === "VERSION_MISMATCH"
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
 * The answer of a server that could not be put together. The message of a PresenceError names the option or variable
 * and no value of a secret, so it may be read by anybody; whatever else was thrown is told as INTERNAL.
 */
export function misconfigured(error: unknown, logger: Logger): Response {
  const known = error instanceof PresenceError && error.code === "OPTIONS_INVALID";
  const problem = known ? new Problem(500, "OPTIONS_INVALID", error.message) : problemOf(error);
  logger.error(`cannot serve: ${problem.code}: ${problem.message}`);
  const response = problem.toResponse();
  response.headers.set("cache-control", "no-store");
  return response;
}
