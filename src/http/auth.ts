/**
 * Who may read: whoever brings one of the tokens that are set. Several may be set, so that one can be replaced without
 * an outage: add the new one, move the callers, take the old one away.
 *
 * Closed by default: with no token set nobody passes.
 */
import type { MiddlewareHandler } from "hono";
import { PresenceError } from "../core/errors.ts";
import { Problem } from "./problem.ts";

/** As long as 64 random bits in hex: tokens are made to be pasted, not remembered. */
const TOKEN_LENGTH_MIN = 16;
/** Every request is compared with each of them. */
const TOKENS_MAX = 32;

/** Throws PresenceError OPTIONS_INVALID naming the first token that cannot work, by its place and never by its text. */
export function checkTokens(tokens: readonly string[]): readonly string[] {
  if (!Array.isArray(tokens) || tokens.length > TOKENS_MAX) {
    throw new PresenceError("OPTIONS_INVALID", `tokens must be a list of at most ${TOKENS_MAX}`);
  }
  for (const [i, token] of (tokens as unknown[]).entries()) {
    if (typeof token !== "string" || token.length < TOKEN_LENGTH_MIN) {
      const length = typeof token === "string" ? `${token.length} characters` : "no text";
      throw new PresenceError(
        "OPTIONS_INVALID",
        `tokens[${i}] has ${length}: make one of ${TOKEN_LENGTH_MIN} or more, e.g. with: openssl rand -hex 24`,
      );
    }
    if (!/^[\x21-\x7e]+$/.test(token)) {
      throw new PresenceError(
        "OPTIONS_INVALID",
        `tokens[${i}] must be printable ASCII without spaces, to fit into an HTTP header`,
      );
    }
  }
  return [...tokens];
}

/**
 * A guard for whatever is registered after it. Problems: 401 TOKEN_MISSING and TOKEN_INVALID with WWW-Authenticate
 * (RFC 6750), 403 TOKENS_NOT_SET.
 */
export function requireToken(tokens: readonly string[]): MiddlewareHandler {
  // The digests, not a promise of them: a Worker may not await in one request what another one has begun.
  let digests: readonly Uint8Array[] | undefined;

  return async function bearer(c, next) {
    if (tokens.length === 0) {
      throw new Problem(403, "TOKENS_NOT_SET", "this route needs a token and the server has none: set one (`tokens`, or ROLLCALL_TOKENS)"); // prettier-ignore
    }
    const given = tokenOf(c.req.header("authorization"));
    if (given === undefined) {
      throw new Problem(401, "TOKEN_MISSING", "send a token: `Authorization: Bearer <token>`", {
        headers: { "www-authenticate": 'Bearer realm="rollcall"' },
      });
    }
    digests ??= await Promise.all(tokens.map(digestOf));
    if (!isAmong(await digestOf(given), digests)) {
      throw new Problem(401, "TOKEN_INVALID", "this token is none of those that are set", {
        headers: { "www-authenticate": 'Bearer realm="rollcall", error="invalid_token"' },
      });
    }
    await next();
  };
}

function tokenOf(header: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(header ?? "")?.[1];
}

async function digestOf(token: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token)));
}

/**
 * Looks at every byte of every digest, whatever it has found: the time tells neither how much of a token was right nor
 * which one it was.
 */
function isAmong(given: Uint8Array, digests: readonly Uint8Array[]): boolean {
  let found = 0;
  for (const digest of digests) {
    let difference = 0;
    for (let i = 0; i < given.length; i++) difference |= given[i]! ^ digest[i]!;
    found |= Number(difference === 0);
  }
  return found === 1;
}
