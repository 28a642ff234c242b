/**
 * The schemas of requests. All are strict: a parameter that is silently ignored is a bug that shows late. Every message is
 * written here, because valibot's own messages quote the request. /openapi.json is generated from these schemas.
 */
import * as v from "valibot";
import { PresenceError } from "../core/errors.ts";
import {
  COUNTS_IN_MAX,
  FOLLOWED_USERS_MAX,
  ID_BYTES_MAX,
  LIST_USERS_MAX,
  LOOKUP_IDS_MAX,
  PAGE_SCOPES_MAX,
  PAGE_USERS_MAX,
  SCOPE_BYTES_MAX,
} from "../core/limits.ts";
import { whyNoScope } from "../core/scope.ts";
import type { HistoryStep } from "../core/steps.ts";
import { checkUser } from "../core/user.ts";
import { parseTime } from "./time.ts";

/** Most bytes of a lookup's body. In JSON a byte takes at most six (`\u0001`), an id two quotes and a comma: every allowed list fits. */
export const LOOKUP_BYTES_MAX = LOOKUP_IDS_MAX * (6 * ID_BYTES_MAX + 3) + 1024;

/** The same for namespaces and rooms, with the names of both. */
export const COUNTS_LOOKUP_BYTES_MAX = COUNTS_IN_MAX * (6 * SCOPE_BYTES_MAX + 40) + 1024;

const LIMIT = `limit must be a whole number from 1 to ${Math.min(PAGE_USERS_MAX, PAGE_SCOPES_MAX)}`;
const IDS = `the body must be {"ids": [...]} with at most ${LOOKUP_IDS_MAX} user ids`;
const SCOPES = `the body must be {"scopes": [...]} with at most ${COUNTS_IN_MAX} of {"namespace": "/chat", "room": "news"}`;
const FOLLOWED = `user may be given at most ${FOLLOWED_USERS_MAX} times`;

/** A parameter that is given twice arrives as a list. */
const once = v.string("a query parameter is given twice");

const cursor = v.pipe(once, v.description("Opaque; from an earlier answer."));

const limit = v.pipe(
  once,
  v.regex(/^[1-9]\d{0,3}$/, LIMIT),
  v.transform(Number),
  v.maxValue(PAGE_USERS_MAX, LIMIT),
  v.description(`Approximate number, 1 to ${PAGE_USERS_MAX}.`),
);

const MAX = `max must be a whole number from 1 to ${LIST_USERS_MAX}`;

const max = v.pipe(
  once,
  v.regex(/^[1-9]\d{0,5}$/, MAX),
  v.transform(Number),
  v.maxValue(LIST_USERS_MAX, MAX),
  v.description(`With \`at\`: most users, 1 to ${LIST_USERS_MAX}.`),
);

const moment = (name: string, description: string) =>
  v.pipe(
    once,
    v.check(
      (text) => parseTime(text) !== undefined,
      `${name} must be a time of RFC 3339 with an offset, such as 2026-11-27T14:03:00Z (a + as %2B), or ms since 1970`,
    ),
    v.transform((text) => parseTime(text)!),
    v.description(`${description} RFC 3339 or ms since 1970.`),
  );

const format = v.pipe(
  v.picklist(["json", "csv"], "format must be json or csv"),
  v.description("Default: as `Accept` says, else json."),
);

/** A room may have an empty name, so an empty parameter is not the same as none. */
const where = {
  namespace: v.optional(
    v.pipe(once, v.description("Only this namespace, such as `/chat`. Default with a room: `/`.")),
  ),
  room: v.optional(
    v.pipe(once, v.description("Only this room of the namespace. Empty: the room without a name.")),
  ),
};

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
  {
    cursor: v.optional(cursor),
    limit: v.optional(limit),
    at: v.optional(moment("at", "Who was present then.")),
    max: v.optional(max),
    format: v.optional(format),
    ...where,
  },
  "this route accepts only the query parameters cursor, limit, at, max, format, namespace and room",
);

/** `user` arrives as a list when it is given several times. */
export const changesQuery = v.strictObject(
  {
    after: v.optional(cursor),
    user: v.optional(v.union([userId, v.pipe(v.array(userId), v.maxLength(FOLLOWED_USERS_MAX, FOLLOWED))])),
    from: v.optional(moment("from", "Instead of `after`: from then on.")),
    to: v.optional(moment("to", "With `from` or `after`: until then.")),
    limit: v.optional(limit),
    format: v.optional(format),
    ...where,
  },
  "this route accepts only the query parameters after, user, from, to, limit, format, namespace and room",
);

/** For the sessions of a user. */
export const sessionsQuery = v.strictObject(
  {
    from: v.optional(moment("from", "Sessions that end after this. Default: the beginning of what is kept.")),
    to: v.optional(moment("to", "Sessions that begin until this. Default: now.")),
    cursor: v.optional(cursor),
    limit: v.optional(limit),
    format: v.optional(format),
  },
  "this route accepts only the query parameters from, to, cursor, limit and format",
);

/** For a route that answers about the whole, or about a namespace or room. */
export const whereQuery = v.strictObject(
  where,
  "this route accepts only the query parameters namespace and room",
);

const STEP = "step must be minute, hour, day or a multiple such as 5m, 6h or 7d";

const instant = (name: string, description: string) =>
  v.pipe(
    once,
    v.regex(
      /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z)?$/,
      `${name} must be a time such as 2026-03-01T10:00:00Z, or a day`,
    ),
    v.transform((value) => Date.parse(value)),
    v.check((ms) => ms >= 0, `${name} must be a time from 1970 on`),
    v.description(description),
  );

/** Which points of a history. */
export const historyQuery = v.strictObject(
  {
    from: v.optional(instant("from", "From when, in ISO 8601 and UTC. Default: 60 steps before `to`.")),
    to: v.optional(instant("to", "Until when, exclusive. Default: now.")),
    step: v.optional(
      v.pipe(
        once,
        v.regex(/^(minute|hour|day|[1-9]\d{0,3}[mhd])$/, STEP),
        v.transform((value) => value as HistoryStep),
        v.description(
          "minute, hour, day, or a multiple such as 5m, 6h or 7d; at most 1,500 points. Default minute.",
        ),
      ),
    ),
    ...where,
  },
  "this route accepts only the query parameters from, to, step, namespace and room",
);

/** Which namespaces and rooms to list. */
export const scopesQuery = v.strictObject(
  {
    namespace: v.optional(v.pipe(once, v.description("Only this namespace and its rooms."))),
    prefix: v.optional(v.pipe(once, v.description("Only rooms whose name begins with this."))),
    sort: v.optional(
      v.pipe(
        v.picklist(["users"], "sort must be users, and may be left out"),
        v.description("Largest first."),
      ),
    ),
    cursor: v.optional(cursor),
    limit: v.optional(limit),
  },
  "this route accepts only the query parameters namespace, prefix, sort, cursor and limit",
);

/** For a route without parameters. */
export const noQuery = v.strictObject({}, "this route accepts no query parameters");

/** `{"ids": [...]}` */
export const lookupBody = v.strictObject(
  { ids: v.pipe(v.array(v.unknown(), IDS), v.maxLength(LOOKUP_IDS_MAX, IDS), v.array(userId)) },
  IDS,
);

const scopeName = v.pipe(
  v.strictObject(
    {
      namespace: v.optional(v.string("a namespace must be a string")),
      room: v.pipe(
        v.nullish(v.string("a room must be a string")),
        v.description("Null or left out: the namespace itself."),
      ),
    },
    'must be {"namespace": "/chat", "room": "news"}',
  ),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { namespace = "/", room } = dataset.value;
    const message = whyNoScope({ namespace, room: room ?? undefined });
    if (message !== undefined) addIssue({ message });
  }),
);

/** `{"scopes": [...]}` */
export const countsLookupBody = v.strictObject(
  { scopes: v.pipe(v.array(v.unknown(), SCOPES), v.maxLength(COUNTS_IN_MAX, SCOPES), v.array(scopeName)) },
  SCOPES,
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
