/** The options of browser tokens. */
import {
  BROWSER_AGE_MS,
  BROWSER_AGE_MS_MAX,
  BROWSER_AGE_MS_MIN,
  BROWSER_LEEWAY_MS,
  BROWSER_LEEWAY_MS_MAX,
  BROWSER_NAME_MAX,
  BROWSER_REQUESTS,
  BROWSER_REQUESTS_MAX,
  JWKS_KEYS_MAX,
  JWKS_URL_MAX,
} from "../core/limits.ts";
import { invalid, type Known, refuseUnknown, whole } from "../core/options.ts";
import { checkName, checkSecret, checkSecrets } from "../tokens/checks.ts";
import { type PublicKey, publicKeyOf } from "./public-key.ts";

export interface BrowserTokensOptions {
  /** Who signs the tokens: their `iss`. */
  readonly issuer: string;
  /** Whom they are for: their `aud`, or one of it. */
  readonly audience: string;
  /** What they are signed with (HS256), the newest first: one or up to three, each of 32 to 256 bytes. Either this or `jwks`. */
  readonly secrets?: string | readonly string[] | undefined;
  /**
   * The public keys of what signs them (RS256, ES256 or EdDSA): a URL, https or on loopback http, or the keys themselves, at most 100,
   * each with a `kid`.
   */
  readonly jwks?: string | readonly object[] | undefined;
  /** The longest life of a token, from `iat` to `exp`, ms. 1,000 to 86,400,000, default 3,600,000. */
  readonly maxAge?: number | undefined;
  /** By how much the clocks of signer and API may differ, ms. 0 to 300,000, default 5,000. */
  readonly leeway?: number | undefined;
  /** The name of a cookie that may carry the token instead of `Authorization`. Default: none. */
  readonly cookie?: string | undefined;
  /**
   * What cursors are sealed with, 32 to 256 bytes. Default: derived from `secrets`; with `jwks` random, so that cursors are of no use in
   * another process or after a restart.
   */
  readonly cursorKey?: string | undefined;
  /** Requests a second of one subject, in this process; twice as many may come at once. 1 to 10,000, default 20. */
  readonly requests?: number | undefined;
}

const BROWSER_TOKENS_OPTIONS: Known<BrowserTokensOptions> = {
  issuer: true,
  audience: true,
  secrets: true,
  jwks: true,
  maxAge: true,
  leeway: true,
  cookie: true,
  cursorKey: true,
  requests: true,
};

export type ResolvedBrowserTokens = ReturnType<typeof resolveBrowserTokens>;

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveBrowserTokens(options: BrowserTokensOptions, where = "createApp") {
  const at = (name: string) => `browserTokens.${name}`;
  refuseUnknown(options, BROWSER_TOKENS_OPTIONS, where, "browserTokens");
  const { secrets, jwks, cookie, cursorKey } = options;
  if ((secrets === undefined) === (jwks === undefined))
    invalid(`${at("secrets")} and ${at("jwks")}: set exactly one of them`);
  return {
    issuer: checkName(at("issuer"), options.issuer),
    audience: checkName(at("audience"), options.audience),
    secrets: secrets === undefined ? undefined : checkSecrets(at("secrets"), secrets),
    jwks: jwks === undefined ? undefined : checkJwks(at("jwks"), jwks),
    maxAge: checkMaxAge(options.maxAge),
    leeway: whole(at("leeway"), options.leeway ?? BROWSER_LEEWAY_MS, 0, BROWSER_LEEWAY_MS_MAX),
    cookie: cookie === undefined ? undefined : checkCookie(at("cookie"), cookie),
    cursorKey: cursorKey === undefined ? undefined : checkSecret(at("cursorKey"), cursorKey),
    requests: whole(at("requests"), options.requests ?? BROWSER_REQUESTS, 1, BROWSER_REQUESTS_MAX),
  };
}

/** Throws PresenceError OPTIONS_INVALID. */
export function checkMaxAge(maxAge: number = BROWSER_AGE_MS): number {
  return whole("browserTokens.maxAge", maxAge, BROWSER_AGE_MS_MIN, BROWSER_AGE_MS_MAX);
}

function checkJwks(name: string, jwks: unknown): string | readonly PublicKey[] {
  if (typeof jwks === "string") return checkJwksUrl(name, jwks);
  if (!Array.isArray(jwks) || jwks.length === 0 || jwks.length > JWKS_KEYS_MAX)
    invalid(`${name} must be a URL or a list of 1 to ${JWKS_KEYS_MAX} keys`);
  return (jwks as unknown[]).map((key, i) => {
    const made = publicKeyOf(key);
    return typeof made === "string" ? invalid(`${name}[${i}] ${made}`) : made;
  });
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** Throws PresenceError OPTIONS_INVALID. */
export function checkJwksUrl(name: string, url: string): string {
  if (url.length > JWKS_URL_MAX || !URL.canParse(url)) invalid(`${name} must be a URL or a list of keys`);
  const { protocol, hostname, username, password } = new URL(url);
  if (protocol !== "https:" && !(protocol === "http:" && LOOPBACK.test(hostname)))
    invalid(`${name} must begin with https://: whoever can change the keys on the way can sign tokens`);
  if (username !== "" || password !== "") invalid(`${name} must have no user and no password in it`);
  return url;
}

/** A token of RFC 6265. Throws PresenceError OPTIONS_INVALID. */
export function checkCookie(name: string, cookie: unknown): string {
  if (typeof cookie === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(cookie) && cookie.length <= BROWSER_NAME_MAX)
    return cookie;
  return invalid(`${name} must be the name of a cookie, such as __Host-rollcall`);
}
