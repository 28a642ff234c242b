/** What the projection holds about a process: a line of `states`, and JSON in `about`. */
import { PresenceError } from "../core/errors.ts";
import { PROCESS_STATES, type ProcessState } from "../core/process.ts";
import { integer, integerOrNull, timeOrNull } from "../redis/decode.ts";

/** A line of `states`, without the fields that only a projector needs. */
export interface StateLine {
  readonly state: ProcessState;
  readonly sockets: number;
  readonly connections: number;
  /** How long its users stay present after a dropped transport, ms. */
  readonly grace: number;
  /** Of an ended process: `bye`, `replace` or `reap`, and when, ms. */
  readonly cause: string;
  readonly at: number;
}

/** What a process reported about itself when it registered; null where it reported nothing. */
export interface About {
  readonly host: string | null;
  readonly pid: number | null;
  readonly version: string | null;
  /** When its first record was folded, ms. */
  readonly started: number | null;
  readonly ttl: number | null;
  /** Why it was fenced. */
  readonly reason: string | null;
}

const STATE_ASKED = "HMGET of states";
const ABOUT_ASKED = "HMGET of about";

/** Throws VERSION_MISMATCH for a state that this version does not know. null: the process is no longer registered. */
export function readState(line: string | null): StateLine | null {
  if (line === null) return null;
  const [name, , sockets = "", , connections = "", , grace = "", cause = "", at = "0"] = line.split(" ");
  const state = PROCESS_STATES.find((known) => known === name);
  if (state === undefined) {
    throw new PresenceError(
      "VERSION_MISMATCH",
      "a process has a state that this version does not know: a newer version wrote it, so update this one",
    );
  }
  return {
    state,
    sockets: integer(sockets, STATE_ASKED),
    connections: integer(connections, STATE_ASKED),
    grace: integer(grace, STATE_ASKED),
    cause,
    at: integer(at, STATE_ASKED),
  };
}

/** Missing or invalid fields become null: they are informational only. */
export function readAbout(json: string | null): About {
  let found: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(json ?? "{}");
    if (typeof parsed === "object" && parsed !== null) found = parsed as Record<string, unknown>;
  } catch {
    // Invalid JSON: treated as empty.
  }
  const text = (name: string) => (typeof found[name] === "string" ? found[name] : null);
  const whole = (name: string) =>
    /^\d{1,15}$/.test(text(name) ?? "") ? integerOrNull(text(name), ABOUT_ASKED) : null;
  return {
    host: text("host"),
    pid: whole("pid"),
    version: text("version"),
    started: timeOrNull(whole("started"), ABOUT_ASKED),
    ttl: whole("ttl"),
    reason: text("reason"),
  };
}
