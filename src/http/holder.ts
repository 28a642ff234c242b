/** The holder of a browser token: who asks, what it may ask, and the refusals when it may not. */
import type { Context } from "hono";
import { coversAllScopes, type Grant, type GrantAction } from "../core/grant.ts";
import { Problem, type ProblemCode } from "./problem.ts";
import type { Verified } from "./verify.ts";
import type { Where } from "./where.ts";

/** A verified browser token. */
export type Holder = Verified;

/** A holder who may see some users only. */
export interface Restricted extends Holder {
  readonly users: ReadonlySet<string>;
}

const holders = new WeakMap<Request, Holder>();

/** Remembers whose request it is. */
export function hold(request: Request, holder: Holder): void {
  holders.set(request, holder);
}

/** The holder of a request's browser token; undefined: it has none, or an invalid one. */
export function holderOf(c: Context): Holder | undefined {
  return holders.get(c.req.raw);
}

/** The same, if it may see some users only. */
export function restrictedOf(c: Context): Restricted | undefined {
  const holder = holderOf(c);
  if (holder === undefined) return undefined;
  const { users } = holder.grant;
  return users === "*" ? undefined : { ...holder, users };
}

/** Throws Problem 403 ACTION_NOT_GRANTED. `action` undefined: nothing grants it. */
export function demandAction({ grant }: Holder, action: GrantAction | undefined): void {
  if (action === undefined) {
    throw forbidden(
      "ACTION_NOT_GRANTED",
      "no browser token covers this route: use one of the server's tokens",
    );
  }
  if (grant.actions.has(action)) return;
  throw forbidden("ACTION_NOT_GRANTED", `this token does not grant the action \`${action}\``, { action });
}

/** Throws Problem 403 ACTION_NOT_GRANTED or SCOPE_NOT_GRANTED. */
export function demandGrant(holder: Holder, action: GrantAction | undefined, where: Where): void {
  demandAction(holder, action);
  // Of processes, subscribers and the list of scopes there is one, whatever the scope.
  if (action === "processes" || action === "subscribers") return;
  if (action !== "scopes") return demandScope(holder.grant, where);
  if (coversAllScopes(holder.grant)) return;
  throw forbidden("SCOPE_NOT_GRANTED", "a list of all namespaces and rooms requires the pattern `/*`");
}

/** Throws Problem 403 SCOPE_NOT_GRANTED. */
export function demandScope(grant: Grant, where: Where): void {
  if (grant.covers(where)) return;
  const what = where === undefined ? "the whole" : "this namespace or room";
  throw forbidden("SCOPE_NOT_GRANTED", `this token does not cover ${what}`);
}

/** Throws Problem 403 USER_NOT_GRANTED, before anything is read: the answer does not depend on who is online. */
export function demandUsers({ users }: Restricted, ids: readonly string[]): void {
  const wrong = ids.findIndex((id) => !users.has(id));
  if (wrong === -1) return;
  const detail =
    ids.length === 1 ? "this token does not cover this user" : `this token does not cover ids[${wrong}]`;
  throw forbidden("USER_NOT_GRANTED", detail);
}

/** Throws Problem 403 USER_NOT_GRANTED: what goes through the changes of all users to answer. */
export function refuseForSome(c: Context, what: string): void {
  if (restrictedOf(c) === undefined) return;
  throw forbidden("USER_NOT_GRANTED", `${what} requires a token for all users; sessions are told of one`);
}

function forbidden(
  code: ProblemCode,
  detail: string,
  members: Readonly<Record<string, string>> = {},
): Problem {
  const headers = { "www-authenticate": 'Bearer realm="rollcall", error="insufficient_scope"' };
  return new Problem(403, code, detail, { headers, members });
}
