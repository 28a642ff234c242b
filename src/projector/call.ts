/**
 * One call of src/lua/project.lua: its arguments and its reply.
 */
import { PresenceError } from "../core/errors.ts";
import { integer, text } from "../redis/decode.ts";
import type { Reply } from "../redis/port.ts";

/** What one call did, and when there is next something to do. Mirrors the reply of src/lua/project.lua. */
export interface StepResult {
  /** The clock of Redis at that moment, ms. */
  readonly now: number;
  /** The earliest deadline of a lease or of a grace, ms on that clock; null: only a new record can bring work. */
  readonly due: number | null;
  /** The budget ended before the work did. */
  readonly more: boolean;
  /** Id of the last record folded; "0-0" before the first. */
  readonly foldedId: string;
  /** Records folded. */
  readonly records: number;
  /** Their operations: sockets that came, left or dropped. */
  readonly operations: number;
  /** Records that had been folded before, or of a process that has ended. */
  readonly skipped: number;
  /** Processes fenced. */
  readonly fenced: number;
  /** Entries set aside in `rejected`. */
  readonly rejected: number;
  /** Processes whose lease was found expired. */
  readonly reaped: number;
  /** Users taken off ended processes. */
  readonly givenBack: number;
  /** Transitions appended to `changes`. */
  readonly changes: number;
  /** Expired leases left alone because reaping was held. */
  readonly held: number;
  /** Records still in the log when the budget ended first; 0 when it did not. */
  readonly left: number;
  /** Client-read mode: it is another caller's turn until `due`, and this call did nothing. */
  readonly waits: boolean;
}

export interface CallResult {
  readonly result: StepResult;
  /** Of our turn; 0 in script mode, -1 when it is another's turn. */
  readonly token: number;
  /** Entries passed that are still to be folded. */
  readonly leftOver: number;
}

const LENGTH = 16;

const ASKED = "the projector's script";

/** Throws PresenceError VERSION_MISMATCH for a reply of another version of the script, REPLY_INVALID for any other. */
export function parseReply(reply: Reply): CallResult {
  if (!Array.isArray(reply) || reply.length !== LENGTH) {
    throw new PresenceError(
      "VERSION_MISMATCH",
      "the projector's script gave a reply of another version: update all processes to one version",
    );
  }
  const number = (i: number) => integer(reply[i], ASKED);
  const due = number(1);
  const result: StepResult = {
    now: number(0),
    due: due < 0 ? null : due,
    more: number(2) === 1,
    foldedId: text(reply[3], ASKED),
    records: number(4),
    operations: number(5),
    skipped: number(6),
    fenced: number(7),
    rejected: number(8),
    reaped: number(9),
    givenBack: number(10),
    changes: number(11),
    held: number(12),
    left: number(13),
    waits: number(14) < 0,
  };
  return { result, token: number(14), leftOver: number(15) };
}

/** An entry of the log as the caller read it. */
export interface GivenEntry {
  readonly id: string;
  readonly fields: readonly string[];
}

/** ARGV from `reader` on, in client-read mode. */
export function turnArguments(
  reader: string,
  token: number | undefined,
  entries: readonly GivenEntry[],
): string[] {
  const args = [reader, token === undefined ? "" : String(token)];
  for (const { id, fields } of entries) {
    args.push(id, String(fields.length));
    for (const field of fields) args.push(field);
  }
  return args;
}

/** The same in script mode. */
export const SCRIPT_READS: readonly string[] = ["", ""];
