/**
 * Signs browser tokens: for the application's own server, which knows its user and whom that user may see.
 *
 * WebCrypto and not hono/jwt: `rollcall` works without Hono, and Hono's sign() always writes the type `JWT`, while a token that is only
 * good for one purpose says so (RFC 9068: `at+jwt`).
 */
import { PresenceError } from "../core/errors.ts";
import { GRANT_ACTIONS, GRANT_CLAIM, type Grants, whyNoGrant } from "../core/grant.ts";
import { BROWSER_AGE_MS_MAX, BROWSER_AGE_MS_MIN, BROWSER_EXPIRES_MS, BROWSER_TOKEN_LENGTH_MAX } from "../core/limits.ts"; // prettier-ignore
import { invalid, type Known, nearest, refuseUnknown, whole } from "../core/options.ts";
import { checkUser } from "../core/user.ts";
import { checkName, checkSecret } from "./checks.ts";

/** The type of a token, in its header. */
export const TOKEN_TYPE = "at+jwt";

export interface SignTokenOptions {
  /** One of `browserTokens.secrets` of the API, 32 to 256 bytes. */
  readonly secret: string;
  /** As `browserTokens.issuer`. */
  readonly issuer: string;
  /** As `browserTokens.audience`. */
  readonly audience: string;
  /** Whose token it is, usually the id of the signed-in user: 1 to 256 bytes. Limits of requests and streams count by it. */
  readonly subject: string;
  /** What the holder may ask. */
  readonly grants: Grants;
  /** How long the token is good for, ms. 1,000 to 86,400,000, default 900,000; the API also has a most, `browserTokens.maxAge`. */
  readonly expiresIn?: number | undefined;
}

const SIGN_TOKEN_OPTIONS: Known<SignTokenOptions> = {
  secret: true,
  issuer: true,
  audience: true,
  subject: true,
  grants: true,
  expiresIn: true,
};

const HMAC = { name: "HMAC", hash: "SHA-256" };
const encoder = new TextEncoder();

/**
 * A token for a browser, signed with HS256. Rejects with PresenceError OPTIONS_INVALID for what the API would refuse: an unknown action,
 * more than 1,000 users, a grant too long for a header (16,384 characters).
 *
 *   const token = await signToken({ secret, issuer: "app.example", audience: "presence", subject: user.id,
 *     grants: { actions: ["lookup", "changes"], users: friends } });
 */
export async function signToken(options: SignTokenOptions): Promise<string> {
  refuseUnknown(options, SIGN_TOKEN_OPTIONS, "signToken");
  const secret = checkSecret("secret", options.secret);
  const lasts = whole("expiresIn", options.expiresIn ?? BROWSER_EXPIRES_MS, BROWSER_AGE_MS_MIN, BROWSER_AGE_MS_MAX); // prettier-ignore
  const iat = Math.floor(Date.now() / 1000);
  const claims = {
    iss: checkName("issuer", options.issuer),
    aud: checkName("audience", options.audience),
    sub: checkSubject(options.subject),
    iat,
    exp: iat + Math.floor(lasts / 1000),
    [GRANT_CLAIM]: checkGrants(options.grants),
  };
  const signed = `${part({ alg: "HS256", typ: TOKEN_TYPE })}.${part(claims)}`;
  const key = await crypto.subtle.importKey("raw", encoder.encode(secret), HMAC, false, ["sign"]);
  const signature = new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(signed)));
  const token = `${signed}.${base64url(signature)}`;
  if (token.length > BROWSER_TOKEN_LENGTH_MAX)
    invalid(
      `grants make a token of ${token.length} characters, and a header takes at most ${BROWSER_TOKEN_LENGTH_MAX}: grant fewer users`,
    );
  return token;
}

function checkSubject(subject: unknown): string {
  try {
    return checkUser(subject);
  } catch (error) {
    if (error instanceof PresenceError) invalid(`subject: ${error.message}`);
    throw error;
  }
}

/** Throws PresenceError OPTIONS_INVALID. Also for an action that does not exist: it would grant nothing. */
export function checkGrants(grants: Grants): Grants {
  const why = whyNoGrant(grants);
  if (why !== undefined) invalid(`grants${why.startsWith(".") ? "" : " "}${why}`);
  const known: readonly string[] = GRANT_ACTIONS;
  const wrong = grants.actions.findIndex((action) => !known.includes(action));
  if (wrong === -1) return grants;
  const near = nearest(grants.actions[wrong]!, known);
  const hint = near === undefined ? `use ${known.join(", ")}` : `did you mean ${near}?`;
  return invalid(`grants.actions[${wrong}] is no action: ${hint}`);
}

function part(value: object): string {
  return base64url(encoder.encode(JSON.stringify(value)));
}

/** Without padding (RFC 7515). */
export function base64url(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
