/** The headers of every answer, and CORS. */
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { etag } from "hono/etag";
import { secureHeaders } from "hono/secure-headers";

/** How long a browser may cache a preflight answer, s. */
const PREFLIGHT_S = 600;

/** Answers are data: browsers must not frame them, run them or guess another type. */
export function securityHeaders(): MiddlewareHandler {
  return secureHeaders({
    contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    // Without includeSubDomains: the domain's other hosts are not ours.
    strictTransportSecurity: "max-age=15552000",
    xFrameOptions: "DENY",
    // A route that serves something else, such as a page, may set its own.
    overwrite: false,
  });
}

/** `no-store` unless the route sets something else: for errors and for everything that requires a token. */
export function noStoreByDefault(): MiddlewareHandler {
  return async function noStore(c, next) {
    await next();
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  };
}

/** A strong ETag for cacheable answers, and 304 for a client that has the answer already (RFC 9110, 8.8 and 13.1.2). */
export function entityTags(): MiddlewareHandler {
  const tag = etag();
  return async function entityTag(c, next) {
    await next();
    const type = c.res.headers.get("content-type") ?? "";
    // A stream has no end, so no digest; an error must not be cached.
    if (c.res.status === 200 && type.startsWith("application/json") && c.res.headers.has("cache-control")) {
      await tag(c, async () => {});
    }
  };
}

/** How long an answer may be cached: as long as it is reused here. */
export function cacheControl(access: "public" | "private", reuse: number): string {
  const seconds = Math.floor(reuse / 1000);
  return seconds === 0 ? `${access}, no-cache` : `${access}, max-age=${seconds}`;
}

/** CORS for the listed origins. Without cookies: access goes by token. */
export function crossOrigin(origins: readonly string[]): MiddlewareHandler {
  return cors({
    origin: origins[0] === "*" ? "*" : [...origins],
    allowMethods: ["GET", "HEAD", "POST"],
    allowHeaders: ["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID"],
    exposeHeaders: ["ETag", "Retry-After", "WWW-Authenticate"],
    maxAge: PREFLIGHT_S,
  });
}
