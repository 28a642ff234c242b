/** What every answer carries, and who may call from a browser. */
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { etag } from "hono/etag";
import { secureHeaders } from "hono/secure-headers";

/** How long a browser may remember what a preflight told it, s. */
const PREFLIGHT_S = 600;

/** Answers are data: nothing may frame them, run them or guess another type for them. */
export function securityHeaders(): MiddlewareHandler {
  return secureHeaders({
    contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    // The domain's other hosts are not ours to decide about.
    strictTransportSecurity: "max-age=15552000",
    xFrameOptions: "DENY",
    // A route that serves something else, a page for instance, may set its own.
    overwrite: false,
  });
}

/** `no-store` wherever the route has not said otherwise: errors and everything behind a token. */
export function noStoreByDefault(): MiddlewareHandler {
  return async function noStore(c, next) {
    await next();
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  };
}

/** A strong ETag for what may be kept, and 304 for who has it already (RFC 9110, 8.8 and 13.1.2). */
export function entityTags(): MiddlewareHandler {
  const tag = etag();
  return async function entityTag(c, next) {
    await next();
    const type = c.res.headers.get("content-type") ?? "";
    // A stream has no end to make a digest of; an error is not to be kept.
    if (c.res.status === 200 && type.startsWith("application/json") && c.res.headers.has("cache-control")) {
      await tag(c, async () => {});
    }
  };
}

/** How long an answer may be kept, as it is reused here. */
export function cacheControl(access: "public" | "private", reuse: number): string {
  const seconds = Math.floor(reuse / 1000);
  return seconds === 0 ? `${access}, no-cache` : `${access}, max-age=${seconds}`;
}

/** CORS for the origins listed. Without cookies: whoever may read has a token. */
export function crossOrigin(origins: readonly string[]): MiddlewareHandler {
  return cors({
    origin: origins[0] === "*" ? "*" : [...origins],
    allowMethods: ["GET", "HEAD", "POST"],
    allowHeaders: ["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID"],
    exposeHeaders: ["ETag", "Retry-After", "WWW-Authenticate"],
    maxAge: PREFLIGHT_S,
  });
}
