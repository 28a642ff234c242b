/** What the tests of browser tokens share: an app that accepts them, and tokens that are signed well, or in any other way. */
import { createHmac } from "node:crypto";
import type { Redis } from "ioredis";
import type { AppOptions } from "../../../src/http/app.ts";
import type { BrowserTokensOptions } from "../../../src/http/browser-options.ts";
import type { ReaderOptions } from "../../../src/reader/options.ts";
import { appOver, type TestApp } from "./support.ts";

export const SECRET = "a-secret-of-more-than-32-bytes-for-the-tests";
export const BROWSER: BrowserTokensOptions = {
  issuer: "https://app.example",
  audience: "presence",
  secrets: [SECRET],
  leeway: 0,
  requests: 10_000,
};

export const ALL_ACTIONS = ["counts", "history", "scopes", "users", "user", "sessions", "lookup", "changes", "processes", "subscribers"]; // prettier-ignore

export function part(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

/** Seconds since 1970, with a fraction. */
export const now = () => Date.now() / 1000;

/** Claims of a good token; undefined takes one away. */
export function claimsOf(grant: unknown, claims: Readonly<Record<string, unknown>> = {}): object {
  const iat = Math.floor(now());
  return {
    iss: BROWSER.issuer,
    aud: BROWSER.audience,
    sub: "alice",
    iat,
    exp: iat + 600,
    rollcall: grant,
    ...claims,
  };
}

/** A token of exactly these parts; text is taken as it is. */
export function signed(
  claims: unknown,
  header: unknown = { alg: "HS256", typ: "at+jwt" },
  secret: string = SECRET,
): string {
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

/** A good token. */
export function tokenFor(grant: unknown, claims?: Readonly<Record<string, unknown>>): string {
  return signed(claimsOf(grant, claims));
}

export function browserApp(
  redis: Redis,
  keys: ReaderOptions,
  browserTokens: Partial<BrowserTokensOptions> = {},
  options: Partial<AppOptions> = {},
): TestApp {
  return appOver(redis, keys, { ...options, browserTokens: { ...BROWSER, ...browserTokens } });
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
