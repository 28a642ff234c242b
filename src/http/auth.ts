/**
 * Bearer tokens. Several can be set, so that one can be replaced without an outage: add the new one, switch the callers,
 * remove the old one. A token has one of two scopes: `counts` opens the numbers, `users` opens everything.
 *
 * Closed by default: with no token set, every request is refused. Besides these there are browser tokens (browsers.ts), which say themselves
 * what they are good for.
 */
import type { Context, MiddlewareHandler } from "hono";
import { ambiguous, type Browsers } from "./browsers.ts";
import { holderOf } from "./holder.ts";
import { Problem } from "./problem.ts";
import { TOKEN_COMPARED } from "./token-lists.ts";

export type Scope = "counts" | "users";

/** Whose request it is: the scope of its token, and which of that scope's tokens it is, by its index. */
export interface Caller {
  readonly scope: Scope;
  readonly token: number;
}

const callers = new WeakMap<Request, Caller>();

/** The caller of a request with a valid token, also on an open route; undefined: it has none. */
export function callerOf(c: Context): Caller | undefined {
  return callers.get(c.req.raw);
}

/** The tokens of an app, and who has which. */
export class Tokens {
  /** Of the scope `users`, which includes `counts`. */
  readonly #users: readonly string[];
  readonly #counts: readonly string[];
  readonly #browsers: Browsers | undefined;
  /** Why the browser token of a request is not good. */
  readonly #refused = new WeakMap<Request, Problem>();

  constructor(users: readonly string[], counts: readonly string[], browsers?: Browsers) {
    this.#users = users;
    this.#counts = counts;
    this.#browsers = browsers;
  }

  /** Verifies a browser token, if the request has one. To be called first. Throws Problem 429 REQUESTS_LIMITED. */
  async admit(c: Context): Promise<void> {
    if (this.#browsers === undefined || this.identify(c) !== undefined) return;
    const given = tokenOf(c.req.header("authorization")) ?? this.#browsers.cookieOf(c);
    if (given === undefined) return;
    const refusal = given === null ? ambiguous() : await this.#browsers.admit(c, given);
    if (refusal !== undefined) this.#refused.set(c.req.raw, refusal);
  }

  /** Undefined: no token, or an invalid one. */
  identify(c: Context): Caller | undefined {
    const given = tokenOf(c.req.header("authorization"));
    return given === undefined ? undefined : this.#identify(c.req.raw, given);
  }

  /**
   * Throws unless the request has a token of this scope. Problems: 401 TOKEN_MISSING and TOKEN_INVALID, 403 SCOPE_MISSING, with
   * WWW-Authenticate (RFC 6750); 403 TOKENS_NOT_SET.
   */
  demand(c: Context, scope: Scope): void {
    // What a holder may ask depends on more than the route: it checks that itself (route.ts).
    if (holderOf(c) !== undefined) return;
    const refusal = this.#refused.get(c.req.raw);
    if (refusal !== undefined) throw refusal;
    if (
      this.#browsers === undefined &&
      this.#users.length === 0 &&
      (scope === "users" || this.#counts.length === 0)
    ) {
      throw new Problem(403, "TOKENS_NOT_SET", "this requires a token and the server has none: set `tokens` or ROLLCALL_TOKENS"); // prettier-ignore
    }
    const given = tokenOf(c.req.header("authorization"));
    if (given === undefined) {
      throw new Problem(401, "TOKEN_MISSING", "send a token: `Authorization: Bearer <token>`", {
        headers: { "www-authenticate": 'Bearer realm="rollcall"' },
      });
    }
    const caller = this.#identify(c.req.raw, given);
    if (caller === undefined) {
      throw new Problem(401, "TOKEN_INVALID", "the token is invalid", {
        headers: { "www-authenticate": 'Bearer realm="rollcall", error="invalid_token"' },
      });
    }
    if (caller.scope !== "users" && scope === "users") {
      throw new Problem(
        403,
        "SCOPE_MISSING",
        "this token covers the counts only: use one with the scope `users`",
        {
          headers: {
            "www-authenticate": 'Bearer realm="rollcall", error="insufficient_scope", scope="users"',
          },
        },
      );
    }
  }

  #identify(request: Request, given: string): Caller | undefined {
    const known = callers.get(request);
    if (known !== undefined) return known;
    // Always compare with both lists, whichever one matches.
    const [ofUsers, ofCounts] = [indexAmong(given, this.#users), indexAmong(given, this.#counts)];
    if (ofUsers === -1 && ofCounts === -1) return undefined;
    const caller: Caller =
      ofUsers === -1 ? { scope: "counts", token: ofCounts } : { scope: "users", token: ofUsers };
    callers.set(request, caller);
    return caller;
  }
}

/** Lets through what a route demands. */
export function requireScope(
  tokens: Tokens,
  requiredOf: (method: string, path: string) => Scope | undefined,
): MiddlewareHandler {
  return async function bearer(c, next) {
    await tokens.admit(c);
    const scope = requiredOf(c.req.method, c.req.path);
    if (scope === undefined) tokens.identify(c);
    else tokens.demand(c, scope);
    return next();
  };
}

function tokenOf(header: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(header ?? "")?.[1];
}

/**
 * Compares with every token, each time all of what was given, so that the time taken reveals neither how much of a token was right
 * nor which one matched. Without a digest: crypto.subtle takes longer than the rest of a request.
 */
function indexAmong(given: string, tokens: readonly string[]): number {
  let found = -1;
  for (const [index, token] of tokens.entries()) {
    let difference = given.length ^ token.length;
    // What is longer than the token differs already; a long header must not take long.
    const end = Math.min(given.length, TOKEN_COMPARED);
    for (let i = 0; i < end; i++) difference |= given.charCodeAt(i) ^ token.charCodeAt(i % token.length);
    found = difference === 0 ? index : found;
  }
  return found;
}
