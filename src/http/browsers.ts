/** Browser tokens of an app: finds the token of a request, verifies it and counts the requests of its subject. */
import type { Context } from "hono";
import type { ResolvedBrowserTokens } from "./browser-options.ts";
import { cookieOf } from "./cookie.ts";
import { hold } from "./holder.ts";
import { Problem, retryAfter } from "./problem.ts";
import { Subjects } from "./subjects.ts";
import { type Verdict, Verifier } from "./verify.ts";

export class Browsers {
  readonly #options: ResolvedBrowserTokens;
  readonly #origins: readonly string[];
  readonly #verifier: Verifier;
  readonly #subjects: Subjects;

  constructor(options: ResolvedBrowserTokens, origins: readonly string[]) {
    this.#options = options;
    this.#origins = origins;
    this.#verifier = new Verifier(options);
    this.#subjects = new Subjects(options.requests);
  }

  /** Takes one more request of a subject, for work of which one request can cause much; false: it has none left. */
  take(subject: string): boolean {
    return this.#subjects.take(subject);
  }

  /** The token in the cookie, if there may be one; null: there are several. */
  cookieOf(c: Context): string | null | undefined {
    const { cookie } = this.#options;
    return cookie === undefined ? undefined : cookieOf(c, cookie, this.#origins);
  }

  /**
   * Remembers the holder (holder.ts). Returns the refusal of a token that is not good, which an open route does not need. Throws
   * Problem 429 REQUESTS_LIMITED for one that is.
   */
  async admit(c: Context, token: string): Promise<Problem | undefined> {
    const verdict = await this.#verifier.verdict(token);
    if (verdict.is !== "good") return refusalOf(verdict);
    const { verified } = verdict;
    if (!this.#subjects.take(verified.subject)) {
      const { requests } = this.#options;
      const detail = `this token's subject makes more than ${requests} requests a second (browserTokens.requests)`;
      throw new Problem(429, "REQUESTS_LIMITED", detail, { headers: retryAfter });
    }
    hold(c.req.raw, verified);
    return undefined;
  }
}

/** A cookie that is there twice. */
export function ambiguous(): Problem {
  return unauthorized("TOKEN_INVALID", "the token is invalid (format)", { reason: "format" });
}

function refusalOf(verdict: Exclude<Verdict, { is: "good" }>): Problem {
  if (verdict.is === "expired") return unauthorized("TOKEN_EXPIRED", "the token has expired: get a new one");
  if (verdict.is === "invalid") {
    const { reason } = verdict;
    return unauthorized("TOKEN_INVALID", `the token is invalid (${reason})`, { reason });
  }
  if (verdict.is === "grant") return unauthorized("GRANT_INVALID", `the token's claim ${verdict.why}`);
  return new Problem(503, "KEYS_UNAVAILABLE", "the keys that tokens are verified with could not be fetched; try again shortly", { headers: retryAfter }); // prettier-ignore
}

/** RFC 6750, 3.1. */
function unauthorized(
  code: "TOKEN_EXPIRED" | "TOKEN_INVALID" | "GRANT_INVALID",
  detail: string,
  members: Readonly<Record<string, string>> = {},
): Problem {
  const headers = { "www-authenticate": 'Bearer realm="rollcall", error="invalid_token"' };
  return new Problem(401, code, detail, { headers, members });
}
