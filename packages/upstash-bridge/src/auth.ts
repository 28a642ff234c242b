/** Who is asking: the two tokens, and how a request carries one. */
import { createHash, timingSafeEqual } from "node:crypto";

/** What a token allows: every command the bridge takes, or read commands only. */
export type Access = "read-write" | "read-only";

/** Gives the access of a request's token, or undefined for a missing or wrong one. */
export type Authenticate = (request: Request) => Access | undefined;

/**
 * Tokens are compared by digest: digests have one length, as timingSafeEqual asks, and time then tells
 * nothing about a token. Both are always compared, so neither can be told apart by its place.
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

/** `?_token=` wins over the header, which carries `Bearer <token>` or, as Upstash takes it too, the bare token. */
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
