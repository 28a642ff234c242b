import { PresenceError } from "./errors.ts";
import { ID_BYTES_MAX } from "./limits.ts";
import { utf8Length } from "./utf8.ts";

/**
 * Says why `user` cannot be a user id, or returns null if it can: a non-empty string of at most 256 bytes of
 * well-formed Unicode. Two ids that differ only in lone surrogates would be the same id in Redis, so both are refused.
 */
function userProblem(user: unknown): string | null {
  if (typeof user === "number" || typeof user === "bigint")
    return `a user id must be a string, got a ${typeof user}: pass String(id)`;
  if (typeof user !== "string")
    return `a user id must be a string, got ${user === null ? "null" : typeof user}`;
  if (user === "") return "a user id must not be empty; use null for an anonymous socket";
  if (!user.isWellFormed()) return "a user id must be well-formed Unicode (it has a lone surrogate)";
  // A UTF-16 unit takes at most three bytes: most ids need no counting.
  if (user.length * 3 > ID_BYTES_MAX && utf8Length(user) > ID_BYTES_MAX) {
    return `a user id must be at most ${ID_BYTES_MAX} bytes in UTF-8, got ${utf8Length(user)}`;
  }
  return null;
}

/** Returns `user`, or throws PresenceError USER_INVALID. */
export function checkUser(user: unknown): string {
  const problem = userProblem(user);
  if (problem !== null) throw new PresenceError("USER_INVALID", problem);
  return user as string;
}
