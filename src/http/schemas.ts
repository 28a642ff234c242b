/**
 * What a request may say. Strict throughout: a parameter that is silently ignored is a bug that shows itself late.
 * Messages are whole and our own, since valibot's would quote what was sent.
 */
import * as v from "valibot";
import { PresenceError } from "../core/errors.ts";
import { ID_BYTES_MAX } from "../core/record.ts";
import { checkUser } from "../core/user.ts";
import { LOOKUP_MAX, PAGE_MAX } from "../reader.ts";
import { Problem } from "./problem.ts";

/** In JSON a byte takes at most six (`\u0001`), an id two quotes and a comma: any list that is allowed fits. */
export const LOOKUP_BYTES_MAX = LOOKUP_MAX * (6 * ID_BYTES_MAX + 3) + 1024;

const LIMIT = `limit must be a whole number from 1 to ${PAGE_MAX}`;
const IDS = `the body must be {"ids": [...]} with at most ${LOOKUP_MAX} user ids`;

const pageQuery = v.strictObject(
  {
    // Empty is not absent: a client that loses its cursor must be told, or it would read the first page for ever.
    cursor: v.optional(v.string()),
    limit: v.optional(
      v.pipe(v.string(), v.regex(/^[1-9]\d{0,3}$/, LIMIT), v.transform(Number), v.maxValue(PAGE_MAX, LIMIT)),
    ),
  },
  "this route takes the query parameters cursor and limit only",
);

const noQuery = v.strictObject({}, "this route takes no query parameters");

const userId = v.pipe(
  v.string("a user id must be a string"),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const message = problemWithUser(dataset.value);
    if (message !== undefined) addIssue({ message });
  }),
);

const lookupBody = v.strictObject(
  { ids: v.pipe(v.array(v.unknown(), IDS), v.maxLength(LOOKUP_MAX, IDS), v.array(userId)) },
  IDS,
);

function problemWithUser(id: string): string | undefined {
  try {
    checkUser(id);
    return undefined;
  } catch (error) {
    if (error instanceof PresenceError) return error.message;
    throw error;
  }
}

/** Throws Problem 400 QUERY_INVALID. */
export function parsePageQuery(url: string): v.InferOutput<typeof pageQuery> {
  return parseQuery(pageQuery, url);
}

/** Throws Problem 400 QUERY_INVALID when there is a query at all. */
export function parseNoQuery(url: string): void {
  parseQuery(noQuery, url);
}

function parseQuery<S extends typeof pageQuery | typeof noQuery>(schema: S, url: string): v.InferOutput<S> {
  const parameters = [...new URL(url).searchParams];
  const query = new Map(parameters);
  if (query.size < parameters.length)
    throw new Problem(400, "QUERY_INVALID", "a query parameter is given twice");
  const result = v.safeParse(schema, Object.fromEntries(query), { abortEarly: true });
  if (!result.success) throw new Problem(400, "QUERY_INVALID", result.issues[0].message);
  return result.output;
}

/** The ids of `{"ids": [...]}`. Throws Problem 400: BODY_INVALID, or USER_INVALID with the place of the id. */
export function parseLookup(body: ArrayBuffer): string[] {
  const result = v.safeParse(lookupBody, parseJson(body), { abortEarly: true });
  if (result.success) return result.output.ids;
  const [issue] = result.issues;
  const place = issue.path?.[1]?.key;
  if (typeof place !== "number") throw new Problem(400, "BODY_INVALID", issue.message);
  throw new Problem(400, "USER_INVALID", `ids[${place}]: ${issue.message}`);
}

/** Bytes that are no UTF-8 are refused rather than replaced: replaced, they would be another user's id. */
function parseJson(body: ArrayBuffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as unknown;
  } catch {
    // Neither error goes on: a parser's message quotes the text.
    throw new Problem(400, "BODY_INVALID", "the body is not JSON in UTF-8");
  }
}

/** The last segment of the path, decoded. Throws Problem 400 USER_INVALID for what is no percent-encoded UTF-8. */
export function parseUserPath(url: string): string {
  // From the address itself: a router leaves what it cannot decode as it is, and `%ff` would be the user "%ff".
  const segment = new URL(url).pathname.split("/").at(-1)!;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Problem(400, "USER_INVALID", "the user id in the path is not percent-encoded UTF-8");
  }
}
