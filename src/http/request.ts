/** Parses and checks requests. An invalid one is refused with a problem that says what to send. */
import type { MiddlewareHandler } from "hono";
import * as v from "valibot";
import { URL_BYTES_MAX } from "../core/limits.ts";
import { Problem } from "./problem.ts";
import {
  type changesQuery,
  countsLookupBody,
  type historyQuery,
  lookupBody,
  type noQuery,
  type pageQuery,
  type scopesQuery,
  type sessionsQuery,
  type whereQuery,
} from "./schemas.ts";
import type { ScopeName } from "../reader/reader.ts";

/** The query schemas. */
export type QuerySchema =
  | typeof pageQuery
  | typeof changesQuery
  | typeof historyQuery
  | typeof noQuery
  | typeof scopesQuery
  | typeof sessionsQuery
  | typeof whereQuery;

/** The query of a URL, parsed by the schema. Throws Problem 400 QUERY_INVALID. */
export function parseQuery<Schema extends QuerySchema>(url: string, schema: Schema): v.InferOutput<Schema> {
  const given = new Map<string, string | string[]>();
  // Most requests have no query, and parsing a URL takes longer than answering one.
  const query = url.includes("?") ? new URL(url).search : "";
  checkEncoding(query);
  for (const [name, value] of query === "" ? [] : new URLSearchParams(query)) {
    const before = given.get(name);
    given.set(name, before === undefined ? value : [before, value].flat());
  }
  const result = v.safeParse(schema, Object.fromEntries(given), { abortEarly: true });
  if (!result.success) throw new Problem(400, "QUERY_INVALID", result.issues[0].message);
  return result.output;
}

/** Invalid encodings are refused: what replaces them in the URL standard is the name of another room. */
function checkEncoding(query: string): void {
  try {
    decodeURIComponent(query);
  } catch {
    throw new Problem(400, "QUERY_INVALID", "the query is not percent-encoded UTF-8");
  }
}

/**
 * Refuses a URL that is too long, or none, before anything parses it. Problems: 414; 400 REQUEST_INVALID, for @hono/node-server passes
 * on a Host such as `127.0.0.380`, which looks like an address and is none.
 */
export function checkAddress(): MiddlewareHandler {
  return async function address(c, next) {
    // URLs are sent in ASCII, so a character is a byte.
    if (c.req.url.length > URL_BYTES_MAX) {
      throw new Problem(414, "URI_TOO_LONG", `the URL may have at most ${URL_BYTES_MAX} bytes`);
    }
    if (!URL.canParse(c.req.url)) {
      throw new Problem(400, "REQUEST_INVALID", "the request's target and Host make no URL");
    }
    await next();
  };
}

/** The last segment of the path, or one before it, decoded. Throws Problem 400 USER_INVALID if it is not percent-encoded UTF-8. */
export function parseUserPath(url: string, place = -1): string {
  // From the URL itself: the router leaves invalid encodings as they are, and `%ff` would be the user "%ff".
  const segment = new URL(url).pathname.split("/").at(place)!;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Problem(400, "USER_INVALID", "the user id in the path is not percent-encoded UTF-8");
  }
}

/**
 * The ids of the body `{"ids": [...]}`. Throws Problem 400 BODY_INVALID, or USER_INVALID with the index of the id.
 */
export function parseLookup(body: Uint8Array): readonly string[] {
  const result = v.safeParse(lookupBody, parseJson(body), { abortEarly: true });
  if (result.success) return result.output.ids;
  const [issue] = result.issues;
  const place = issue.path?.[1]?.key;
  if (typeof place !== "number") throw new Problem(400, "BODY_INVALID", issue.message);
  throw new Problem(400, "USER_INVALID", `ids[${place}]: ${issue.message}`);
}

/** The scopes of the body `{"scopes": [...]}`. Throws Problem 400 BODY_INVALID, or SCOPE_INVALID with the index of the scope. */
export function parseCountsLookup(body: Uint8Array): readonly ScopeName[] {
  const result = v.safeParse(countsLookupBody, parseJson(body), { abortEarly: true });
  if (result.success)
    return result.output.scopes.map(({ namespace, room }) => ({ namespace, room: room ?? undefined }));
  const [issue] = result.issues;
  const place = issue.path?.[1]?.key;
  if (typeof place !== "number") throw new Problem(400, "BODY_INVALID", issue.message);
  throw new Problem(400, "SCOPE_INVALID", `scopes[${place}]: ${issue.message}`);
}

/** Invalid UTF-8 is refused, not replaced: a replacement character would make it another user's id. */
function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as unknown;
  } catch {
    // No cause is kept: the parser's message quotes the body.
    throw new Problem(400, "BODY_INVALID", "the body is not JSON in UTF-8");
  }
}
