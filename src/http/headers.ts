/** What every answer carries, and who may call from a browser. */
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
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

/** CORS for the origins listed. Without cookies: whoever may read has a token. */
export function crossOrigin(origins: readonly string[]): MiddlewareHandler {
  return cors({
    origin: origins[0] === "*" ? "*" : [...origins],
    allowMethods: ["GET", "HEAD", "POST"],
    allowHeaders: ["Authorization", "Content-Type"],
    exposeHeaders: ["Retry-After", "WWW-Authenticate"],
    maxAge: PREFLIGHT_S,
  });
}
