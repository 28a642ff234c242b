/** What went wrong, for code to branch on. */
export type PresenceErrorCode =
  /** An option is missing, out of range, or contradicts another. Thrown at construction. */
  | "OPTIONS_INVALID"
  /** A user id that cannot be stored: not a string, empty, longer than 256 bytes, or not well-formed Unicode. */
  | "USER_INVALID"
  /** The application's `user` function threw or rejected; its socket is counted as anonymous. */
  | "USER_FUNCTION_FAILED"
  /** A cursor that no answer of ours contained. */
  | "CURSOR_INVALID"
  /** Redis did not answer, or answered with an error that is not about our data. */
  | "REDIS_UNAVAILABLE"
  /** A key of ours holds another type, written by somebody else. */
  | "REDIS_TYPE"
  /** This engine lets no script call XREADGROUP: set `read` to "range" or "auto". */
  | "READ_REFUSED"
  /** The keys or a script are of another version of this package. */
  | "VERSION_MISMATCH"
  /** The user of this connection may not run a command that is needed. */
  | "PERMISSION"
  /** The prefix is in use with another number of shards. */
  | "SHARDS_MISMATCH"
  /** A listener of ours threw. */
  | "LISTENER_FAILED"
  /** The object has been closed. */
  | "CLOSED";

/**
 * The one error class. `message` says what to do; `cause` keeps the original.
 * Neither contains user ids or secrets of ours; the `cause` of a Redis client may, so log it with care.
 */
export class PresenceError extends Error {
  override readonly name = "PresenceError";
  readonly code: PresenceErrorCode;

  constructor(code: PresenceErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
