/** Authentication: the two tokens, and how a request carries one. */
import { createHash, timingSafeEqual } from "node:crypto";

/** What a token allows: every command the bridge accepts, or read commands only. */
export type Access = "read-write" | "read-only";

/** Returns the access of a request's token, or undefined if it is missing or wrong. */
export type Authenticate = (request: Request) => Access | undefined;

/**
 * Compares digests of tokens: they have equal lengths, as timingSafeEqual requires, and the time taken reveals nothing about
 * a token. Both are always compared, so the time does not reveal which one matched.
 */
export function createAuthenticate(token: string, readOnlyToken: string): Authenticate {
  const full = digest(token);
  const readOnly = digest(readOnlyToken);
  return function authenticate(request) {
    const given = digest(tokenOf(request) ?? "");
    const isFull = timingSafeEqual(given, full);
    const isReadOnly = timingSafeEqual(given, readOnly);
    if (isFull) return "read-write";
    return isReadOnly ? "read-only" : undefined;
  };
}

/** `?_token=` takes precedence over the header, which has `Bearer <token>` or, as Upstash also accepts, the bare token. */
function tokenOf(request: Request): string | undefined {
  const fromQuery = new URL(request.url).searchParams.get("_token");
  if (fromQuery !== null && fromQuery !== "") return fromQuery;
  return request.headers
    .get("authorization")
    ?.trim()
    .replace(/^bearer\s+/i, "");
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
