/** The headers of every answer, CORS, and answers with an ETag. */
import type { Context, MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { type Answer, type Fields, give, isComplete, isHeld } from "./answer.ts";
import { holderOf } from "./holder.ts";

/** How long a browser may cache a preflight answer, s. */
const PREFLIGHT_S = 600;

/**
 * Answers are data: browsers must not frame them, run them or guess another type. One constant: hono's secureHeaders() sets
 * each of them on each Response, which took 15 µs of a request.
 */
export const SECURITY: Fields = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "origin-agent-cluster": "?1",
  "referrer-policy": "no-referrer",
  // Without includeSubDomains: the domain's other hosts are not ours.
  "strict-transport-security": "max-age=15552000",
  "x-content-type-options": "nosniff",
  "x-dns-prefetch-control": "off",
  "x-download-options": "noopen",
  "x-frame-options": "DENY",
  "x-permitted-cross-domain-policies": "none",
  "x-xss-protection": "0",
};

/**
 * The headers that an answer lacks: those above, those of CORS, and `no-store`, for errors and for everything that requires a
 * token. A route that serves something else, such as a page, may set its own.
 */
export function frameOf(origins: readonly string[], withCookies = false): MiddlewareHandler {
  return async function frame(c, next) {
    await next();
    if (isComplete(c.res)) return;
    const { headers } = c.res;
    for (const [name, value] of Object.entries(SECURITY)) if (!headers.has(name)) headers.set(name, value);
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
    for (const [name, value] of Object.entries(crossOriginFields(origins, c, withCookies))) {
      if (name === "vary") headers.append(name, value);
      else headers.set(name, value);
    }
  };
}

/** How long an answer may be cached: as long as it is reused here. */
export function cacheControl(access: "public" | "private", reuse: number): string {
  const seconds = Math.floor(reuse / 1000);
  return seconds === 0 ? `${access}, no-cache` : `${access}, max-age=${seconds}`;
}

/** Answers with the kept bytes; 304 if the client has them (RFC 9110, 13.1.2), without touching the answer. */
export type Teller = (c: Context, answer: Answer) => Response;

/**
 * A route's function for its answers. `cache` is the value of Cache-Control, and with it goes the ETag; without it the answer must
 * not be kept. `vary`: the request header that chooses between answers, besides those of CORS. A private answer varies by
 * `Authorization` too: else a browser's cache gives it to a page without a token, or with one of another scope. What the holder of a
 * browser token gets is not kept at all.
 */
export function tellerOf(
  {
    origins,
    browserTokens,
  }: {
    readonly origins: readonly string[];
    readonly browserTokens?: { readonly cookie: string | undefined } | undefined;
  },
  { cache, vary: chosen }: { readonly cache?: string; readonly vary?: string } = {},
): Teller {
  const withCookies = browserTokens?.cookie !== undefined;
  const byToken = cache?.startsWith("private") === true ? "Authorization" : undefined;
  const vary = chosen !== undefined && byToken !== undefined ? `${chosen}, ${byToken}` : (chosen ?? byToken);
  const plain = {
    ...SECURITY,
    "cache-control": cache ?? "no-store",
    ...(vary !== undefined && { vary }),
  };
  const typed = { ...plain, "content-type": "application/json" };
  return function tell(c, { bytes, etag, fields }) {
    const own = origins.length === 0 ? undefined : crossOriginFields(origins, c, withCookies);
    if (own?.["vary"] !== undefined && vary !== undefined) own["vary"] = `${vary}, ${own["vary"]}`;
    if (holderOf(c) !== undefined)
      return give(c, 200, { ...typed, "cache-control": "no-store", ...fields, ...own }, bytes);
    if (cache === undefined) return give(c, 200, { ...typed, ...fields, ...own }, bytes);
    if (isHeld(c.req.header("if-none-match"), etag)) return give(c, 304, { ...plain, ...own, etag }, null);
    return give(c, 200, { ...typed, ...fields, ...own, etag }, bytes);
  };
}

const EXPOSED = "ETag,Retry-After,Rollcall-Exact,Rollcall-Next,Rollcall-Since,WWW-Authenticate";

/** The CORS fields of an answer. With cookies only for a named origin, and only if a token may be in one. */
function crossOriginFields(
  origins: readonly string[],
  c: Context,
  withCookies: boolean,
): Record<string, string> {
  if (origins.length === 0) return {};
  const exposed = { "access-control-expose-headers": EXPOSED };
  if (origins[0] === "*") return { "access-control-allow-origin": "*", ...exposed };
  const origin = c.req.header("origin");
  // Also for a request without an origin: a cache must not give its answer to a page.
  if (origin === undefined || !origins.includes(origin)) return { vary: "Origin" };
  const credentials = withCookies ? { "access-control-allow-credentials": "true" } : {};
  return { "access-control-allow-origin": origin, ...credentials, ...exposed, vary: "Origin" };
}

/** Answers preflight requests, which carry no token. */
export function preflightOf(origins: readonly string[], withCookies = false): MiddlewareHandler {
  const answer = cors({
    origin: origins[0] === "*" ? "*" : [...origins],
    allowMethods: ["GET", "HEAD", "POST"],
    allowHeaders: ["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID"],
    maxAge: PREFLIGHT_S,
    credentials: withCookies && origins[0] !== "*",
  });
  return async function preflight(c, next) {
    return c.req.method === "OPTIONS" ? answer(c, next) : next();
  };
}
