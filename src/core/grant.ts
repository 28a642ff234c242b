/**
 * What the holder of a browser token may ask: the claim `rollcall`. Pure; the one who signs and the one who verifies check it alike.
 *
 *   { actions: ["lookup", "changes"], users: ["alice", "bob"], scopes: ["", "/chat,*"] }
 */
import { PresenceError } from "./errors.ts";
import { GRANT_ACTION_LENGTH_MAX, GRANT_ACTIONS_MAX, GRANT_SCOPES_MAX, GRANT_USERS_MAX, SCOPE_BYTES_MAX } from "./limits.ts"; // prettier-ignore
import { compilePattern } from "./scope-patterns.ts";
import { checkUser } from "./user.ts";
import { utf8Length } from "./utf8.ts";

/** The name of the claim. */
export const GRANT_CLAIM = "rollcall";

/** What can be granted, named after the routes. */
export const GRANT_ACTIONS = [
  /** GET /v1/counts and POST /v1/counts/lookup. */
  "counts",
  /** GET /v1/history. */
  "history",
  /** GET /v1/scopes; only together with the pattern `/*`. */
  "scopes",
  /** GET /v1/users. */
  "users",
  /** GET /v1/users/:id, which names the servers of a user too. */
  "user",
  /** GET /v1/users/:id/sessions. */
  "sessions",
  /** POST /v1/users/lookup. */
  "lookup",
  /** GET /v1/changes, also as events. */
  "changes",
  /** GET /v1/processes. */
  "processes",
  /** GET /v1/subscribers. */
  "subscribers",
] as const;
/** One of GRANT_ACTIONS, each of which is described there. */
export type GrantAction = (typeof GRANT_ACTIONS)[number];

/** What a browser token grants. */
export interface Grants {
  /** What may be asked, at most 64. In a token, an action that the server does not know grants nothing. */
  readonly actions: readonly GrantAction[];
  /** Whose presence may be seen: at most 1,000 ids, or "*" for everybody's. Default: nobody's. */
  readonly users?: readonly string[] | "*" | undefined;
  /**
   * Where: patterns of namespaces and rooms such as `/chat`, `/chat,news`, `/chat,*`; `*` stands for any text and `\` takes its meaning away.
   * "" is the whole, which no pattern matches. At most 64. Default: the whole only.
   */
  readonly scopes?: readonly string[] | undefined;
}

/** A checked grant. */
export interface Grant {
  readonly actions: ReadonlySet<string>;
  /** "*": everybody. */
  readonly users: ReadonlySet<string> | "*";
  readonly scopes: readonly string[];
  /** Whether it covers a scope; undefined: the whole. */
  readonly covers: (scope: string | undefined) => boolean;
}

const MEMBERS = ["actions", "users", "scopes"];
/** The whole: the scope without a name. */
const WHOLE = "";
/** All namespaces and rooms. */
const ALL = "/*";

/** Whether it covers every namespace and room there is. */
export function coversAllScopes(grant: Grant): boolean {
  return grant.scopes.includes(ALL);
}

/** Why a value is no grant, without quoting it; undefined: it is one. */
export function whyNoGrant(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "must be an object";
  if (Object.keys(value).some((name) => !MEMBERS.includes(name)))
    return `may have only the members ${MEMBERS.join(", ")}`;
  const { actions, users, scopes } = value as Readonly<Record<string, unknown>>;
  if (!isList(actions, GRANT_ACTIONS_MAX))
    return `.actions must be a list of at most ${GRANT_ACTIONS_MAX} actions`;
  const wrong = actions.findIndex((action) => typeof action !== "string" || action.length > GRANT_ACTION_LENGTH_MAX); // prettier-ignore
  if (wrong !== -1) return `.actions[${wrong}] must be the name of an action`;
  return whyNoUsers(users) ?? whyNoScopes(scopes);
}

function whyNoUsers(users: unknown): string | undefined {
  if (users === undefined || users === "*") return undefined;
  if (!isList(users, GRANT_USERS_MAX))
    return `.users must be "*" or a list of at most ${GRANT_USERS_MAX} user ids`;
  for (const [i, user] of users.entries()) {
    try {
      checkUser(user);
    } catch (error) {
      if (error instanceof PresenceError) return `.users[${i}]: ${error.message}`;
      throw error;
    }
  }
  return undefined;
}

function whyNoScopes(scopes: unknown): string | undefined {
  if (scopes === undefined) return undefined;
  if (!isList(scopes, GRANT_SCOPES_MAX))
    return `.scopes must be a list of at most ${GRANT_SCOPES_MAX} patterns`;
  const wrong = scopes.findIndex((pattern) => !isPattern(pattern));
  if (wrong === -1) return undefined;
  return `.scopes[${wrong}] must be a pattern such as /chat or /chat,* of at most ${SCOPE_BYTES_MAX} bytes, or "" for the whole`;
}

function isPattern(pattern: unknown): boolean {
  if (pattern === WHOLE) return true;
  if (typeof pattern !== "string" || !pattern.startsWith("/") || pattern.length > SCOPE_BYTES_MAX)
    return false;
  return pattern.isWellFormed() && utf8Length(pattern) <= SCOPE_BYTES_MAX;
}

/** The grant of a value that whyNoGrant() accepts. */
export function grantOf({ actions, users = [], scopes = [WHOLE] }: Grants): Grant {
  const isWhole = scopes.includes(WHOLE);
  const patterns = scopes.filter((pattern) => pattern !== WHOLE).map((pattern) => compilePattern(pattern));
  return {
    actions: new Set(actions),
    users: users === "*" ? users : new Set(users),
    scopes,
    covers: (scope) => (scope === undefined ? isWhole : patterns.some((matches) => matches(scope))),
  };
}

function isList(value: unknown, most: number): value is readonly unknown[] {
  return Array.isArray(value) && value.length <= most;
}
