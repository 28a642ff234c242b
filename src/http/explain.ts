/** What a token says and whether it is good, for people: `rollcall token explain`. */
import { GRANT_ACTIONS, GRANT_CLAIM } from "../core/grant.ts";
import { BROWSER_TOKEN_LENGTH_MAX } from "../core/limits.ts";
import { type BrowserTokensOptions, resolveBrowserTokens } from "./browser-options.ts";
import { unverified, Verifier } from "./verify.ts";

export interface ExplainedToken {
  readonly valid: boolean;
  /** Why it is not valid; null: it is. */
  readonly why: string | null;
  /** `alg`, `typ` and `kid`; not verified. Null: it is no token. */
  readonly header: Readonly<Record<string, unknown>> | null;
  /** As they are in the token; not verified unless `valid`. */
  readonly claims: Readonly<Record<string, unknown>> | null;
  /** `exp`; null: there is none. */
  readonly endsAt: Date | null;
  /** Actions of the token that this version does not know: they grant nothing. */
  readonly unknownActions: readonly string[];
}

const WHYS = {
  format: "it is not a token: three parts of base64url with JSON in them, at most 16,384 characters",
  header: "its header is not that of a browser token: typ must be at+jwt, and alg the one of the key",
  key: "it names no key of the key set: its header must have the kid of one",
  signature: "its signature is wrong: another secret or key signed it, or it was changed",
  issuer: "its iss is not the issuer",
  audience: "its aud is not the audience",
  subject: "it has no sub of 1 to 256 bytes",
  time: "exp is missing, or exp, iat or nbf is no number, or it is not good yet",
  age: "it is good for longer than maxAge allows",
} as const;

/**
 * Verifies a token as an app with these `browserTokens` does, at `now`, ms since 1970. Never rejects because of the token, and its
 * answer contains no secret. Rejects with PresenceError OPTIONS_INVALID.
 */
export async function explainToken(
  token: string,
  options: BrowserTokensOptions,
  now: number = Date.now(),
): Promise<ExplainedToken> {
  const verifier = new Verifier(resolveBrowserTokens(options, "explainToken"), () => now);
  const verdict = await verifier.verdict(token);
  const parts = token.length > BROWSER_TOKEN_LENGTH_MAX ? undefined : unverified(token);
  const exp = parts?.claims["exp"];
  const grant = parts?.claims[GRANT_CLAIM] as { readonly actions?: unknown } | null | undefined;
  const actions: unknown[] = Array.isArray(grant?.actions) ? grant.actions : [];
  const known: readonly unknown[] = GRANT_ACTIONS;
  return {
    valid: verdict.is === "good",
    why: whyOf(verdict),
    header: parts?.header ?? null,
    claims: parts?.claims ?? null,
    endsAt: typeof exp === "number" && Math.abs(exp) < 8.64e12 ? new Date(exp * 1000) : null,
    unknownActions: actions.filter((action): action is string => typeof action === "string" && !known.includes(action)), // prettier-ignore
  };
}

function whyOf(verdict: Awaited<ReturnType<Verifier["verdict"]>>): string | null {
  if (verdict.is === "good") return null;
  if (verdict.is === "expired") return "it has expired";
  if (verdict.is === "unavailable") return "the key set could not be fetched, so it is not known";
  return verdict.is === "grant" ? `its claim ${verdict.why}` : WHYS[verdict.reason];
}
