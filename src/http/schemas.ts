/**
 * The schemas of requests. All are strict: a parameter that is silently ignored is a bug that shows late. Every message is
 * written here, because valibot's own messages quote the request. /openapi.json is generated from these schemas.
 */
import * as v from "valibot";
import { PresenceError } from "../core/errors.ts";
import { ID_BYTES_MAX } from "../core/limits.ts";
import { checkUser } from "../core/user.ts";
import { FOLLOWED_USERS_MAX, LOOKUP_IDS_MAX, PAGE_USERS_MAX } from "../core/limits.ts";

/** Most bytes of a lookup's body. In JSON a byte takes at most six (`\u0001`), an id two quotes and a comma: every allowed list fits. */
export const LOOKUP_BYTES_MAX = LOOKUP_IDS_MAX * (6 * ID_BYTES_MAX + 3) + 1024;

const LIMIT = `limit must be a whole number from 1 to ${PAGE_USERS_MAX}`;
const IDS = `the body must be {"ids": [...]} with at most ${LOOKUP_IDS_MAX} user ids`;
const FOLLOWED = `user may be given at most ${FOLLOWED_USERS_MAX} times`;

/** A parameter that is given twice arrives as a list. */
const once = v.string("a query parameter is given twice");

const cursor = v.pipe(once, v.description("Opaque; from an earlier answer."));

const limit = v.pipe(
  once,
  v.regex(/^[1-9]\d{0,3}$/, LIMIT),
  v.transform(Number),
  v.maxValue(PAGE_USERS_MAX, LIMIT),
  v.description(`Approximate number of users, 1 to ${PAGE_USERS_MAX}.`),
);

const userId = v.pipe(
  v.string("a user id must be a string"),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const message = problemWithUser(dataset.value);
    if (message !== undefined) addIssue({ message });
  }),
  v.description(`1 to ${ID_BYTES_MAX} bytes in UTF-8.`),
);

/** An empty cursor is refused, not ignored: a client that loses its cursor would otherwise read the first page for ever. */
export const pageQuery = v.strictObject(
  { cursor: v.optional(cursor), limit: v.optional(limit) },
  "this route accepts only the query parameters cursor and limit",
);

/** `user` arrives as a list when it is given several times. */
export const changesQuery = v.strictObject(
  {
    after: v.optional(cursor),
    user: v.optional(v.union([userId, v.pipe(v.array(userId), v.maxLength(FOLLOWED_USERS_MAX, FOLLOWED))])),
  },
  "this route accepts only the query parameters after and user",
);

/** For a route without parameters. */
export const noQuery = v.strictObject({}, "this route accepts no query parameters");

/** `{"ids": [...]}` */
export const lookupBody = v.strictObject(
  { ids: v.pipe(v.array(v.unknown(), IDS), v.maxLength(LOOKUP_IDS_MAX, IDS), v.array(userId)) },
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
