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
  /** This engine lets no script read the log: set `read` to "client" or "auto". */
  | "READ_REFUSED"
  /** The prefix is in use with another number of shards. */
  | "SHARDS_MISMATCH"
  /** A listener of ours threw. */
  | "LISTENER_FAILED"
  /** A bug in Rollcall; `cause` says where. Please report it. */
  | "INTERNAL"
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

/** `error` if it is a PresenceError; anything else that was thrown is a bug of ours, and becomes INTERNAL. */
export function orInternal(error: unknown): PresenceError {
  if (error instanceof PresenceError) return error;
  return new PresenceError("INTERNAL", "a bug in Rollcall; please report it with the stack of `cause`", {
    cause: error,
  });
}
