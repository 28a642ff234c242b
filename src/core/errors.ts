import { kindOf, placeOf } from "./place.ts";

/** The one error class, and what can go wrong, for code to branch on. */
export const PRESENCE_ERROR_CODES = [
  /** An option is missing, out of range, or contradicts another. Thrown at construction, or by the method that takes it. */
  "OPTIONS_INVALID",
  /** A user id that cannot be stored: not a string, empty, longer than 256 bytes, or not well-formed Unicode. */
  "USER_INVALID",
  /** The application's `user` function threw or rejected; its socket is counted as anonymous. */
  "USER_FUNCTION_FAILED",
  /** A room or a namespace is not counted: its name cannot be stored, or there are too many. The message says which it is. */
  "ROOM_NOT_COUNTED",
  /** A namespace or a room that makes no scope: a comma in the namespace, more than 512 bytes, not well-formed Unicode. */
  "SCOPE_INVALID",
  /** The namespace or room is not counted by itself, so its number is not known: set `rooms`. It is never answered with 0. */
  "SCOPE_UNTRACKED",
  /** The ids of sockets are not kept, so nobody can list them: set `socketIds`. It is never answered with none. */
  "SOCKETS_UNTRACKED",
  "HISTORY_UNTRACKED",
  /** forget() of a user who is present, or in grace: disconnect their sockets first. */
  "USER_PRESENT",
  /** A cursor that did not come from an answer. */
  "CURSOR_INVALID",
  /** A time that is none, that has not come yet, or a range whose end is before its beginning. */
  "TIME_INVALID",
  /** More results than the caller's limit; the message says how to raise it, or to read in parts. */
  "LIMIT_EXCEEDED",
  /** Redis did not answer, or answered with an error that is not about Rollcall's data. A retry may help. */
  "REDIS_UNAVAILABLE",
  /** This Redis lacks commands that Rollcall needs; the message names its version and the one needed. */
  "REDIS_TOO_OLD",
  /** One of Rollcall's keys holds another type, written by something else. */
  "REDIS_TYPE",
  /** The Redis user of this connection may not run a required command; the message names it. */
  "PERMISSION",
  /** A reply that Redis itself would not give: from a proxy or a service in between, or a value edited by hand. */
  "REPLY_INVALID",
  /** Another process runs a version of Rollcall that this one cannot work with: update all of them. */
  "VERSION_MISMATCH",
  /** This Redis does not let scripts call XREADGROUP: set `read` to "range" or "auto". */
  "READ_REFUSED",
  /** The prefix is in use with another number of shards. */
  "SHARDS_MISMATCH",
  /** The prefix is in use with other `recordKeys`, or without any. */
  "RECORD_KEYS_MISMATCH",
  /** A listener of the application threw. */
  "LISTENER_FAILED",
  /** The handler of a durable subscriber threw, rejected or took too long. The delivery is tried again, and at last given up. */
  "DELIVERY_FAILED",
  /** A durable subscriber was disabled, by its handler or by hand: nothing is delivered until enable(). */
  "SUBSCRIBER_DISABLED",
  /** A bug in Rollcall; `cause` says where. Please report it. */
  "INTERNAL",
  /** The object has been closed. */
  "CLOSED",
] as const;

/** One of PRESENCE_ERROR_CODES, each of which is described there. */
export type PresenceErrorCode = (typeof PRESENCE_ERROR_CODES)[number];

/** What a log line can show of an error besides its message: no user ids, no secrets. */
export interface ErrorDetails {
  /** What Redis or the network called it: `ECONNREFUSED`, `WRONGPASS`, `OOM`; `LOST`: the connection was, and no more is known. */
  readonly reason?: string | undefined;
  /** Where Redis was looked for: `host:port`, a path, or a list of nodes. */
  readonly address?: string | undefined;
  /** Host and port, where there is one of each. */
  readonly host?: string | undefined;
  readonly port?: number | undefined;
}

/**
 * The one error class. `message` says what to do; `cause` is the original error. The message contains no user ids and no
 * secrets; the `cause` from a Redis client may, so log it with care.
 *
 *   if (error instanceof PresenceError && error.code === "REDIS_UNAVAILABLE") return showLastKnown();
 */
export class PresenceError extends Error {
  override readonly name = "PresenceError";
  readonly code: PresenceErrorCode;
  /** Empty where nothing more is known. */
  readonly details: ErrorDetails;

  constructor(
    code: PresenceErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly details?: ErrorDetails | undefined } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** What no retry mends: somebody has to change something, an access rule, a version, a key. Then it works again by itself. */
const LASTING: ReadonlySet<PresenceErrorCode> = new Set([
  "PERMISSION",
  "VERSION_MISMATCH",
  "READ_REFUSED",
  "REDIS_TYPE",
]);

/** Whether a retry is useless until something has been changed. (After what is final nothing is retried at all.) */
export function isLasting({ code }: PresenceError): boolean {
  return LASTING.has(code);
}

/** Whether waiting does not help: what is not running yet ends with such an error. */
export function isFinal({ code }: PresenceError): boolean {
  return code === "SHARDS_MISMATCH" || code === "REDIS_TOO_OLD" || code === "OPTIONS_INVALID";
}

/** `error` if it is a PresenceError; anything else is a bug in Rollcall, and becomes INTERNAL. */
export function orInternal(error: unknown): PresenceError {
  if (error instanceof PresenceError) return error;
  return new PresenceError("INTERNAL", "a bug in Rollcall; please report it with the stack of `cause`", {
    cause: error,
  });
}

/** The error of a function of the application: `what` is `onStep` or `a listener of "online"`, `how` "threw" or "rejected". */
export function listenerFailed(what: string, how: "threw" | "rejected", cause: unknown): PresenceError {
  return new PresenceError("LISTENER_FAILED", `${what} ${how}: fix it; \`cause\` is what it ${how}`, {
    cause,
  });
}

/** The codes whose `cause` is thrown by code that somebody has to look at. */
const THROWN: ReadonlySet<PresenceErrorCode> = new Set([
  "INTERNAL",
  "LISTENER_FAILED",
  "USER_FUNCTION_FAILED",
  "DELIVERY_FAILED",
]);

/** An error as a log tells it: with the place where it was thrown, if that helps. */
export function told(failure: PresenceError): string {
  const { code, message, cause } = failure;
  const where = THROWN.has(code) ? `${kindOf(cause)}${placeOf(cause)}` : "";
  return `${code}: ${message}${where}`;
}
