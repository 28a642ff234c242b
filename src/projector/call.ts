/**
 * One call of src/lua/project.lua: its arguments and its reply.
 */
import { PresenceError } from "../core/errors.ts";
import { PROTOCOL } from "../core/limits.ts";
import { integer } from "../redis/decode.ts";
import type { Reply } from "../redis/port.ts";

/** The slots of the reply, in order: what the script returns, here and in src/lua/project/tail.lua. */
const SLOTS = [
  "protocol",
  "now",
  "due",
  "more",
  "foldedId",
  "records",
  "operations",
  "skipped",
  "fenced",
  "rejected",
  "reaped",
  "givenBack",
  "changes",
  "held",
  "left",
  "rebuilt",
  "holder",
  "turnLeft",
] as const;

type Slot = (typeof SLOTS)[number];

/** What one call did, and when there is next something to do. */
export interface StepResult {
  /** The clock of Redis at that moment, ms. */
  readonly now: number;
  /** The earliest deadline of a lease or of a grace, ms on that clock; null: only a new record can bring work. */
  readonly due: number | null;
  /** The budget ended before the work did. */
  readonly more: boolean;
  readonly foldedId: string;
  readonly records: number;
  readonly operations: number;
  /** Records that had been folded before, or of a process that has ended or is not known. */
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
  /** Parts of the projection did not agree, so all of it was forgotten; the processes register afresh. */
  readonly rebuilt: boolean;
  /** Who folds for all for a while (pace); "": nobody. */
  readonly holder: string;
  /** For how long, ms. */
  readonly turnLeft: number;
}

/** Throws PresenceError VERSION_MISMATCH for a reply of another version of the script, REPLY_INVALID for any other. */
export function parseReply(reply: Reply): StepResult {
  if (!Array.isArray(reply) || reply[0] !== PROTOCOL || reply.length !== SLOTS.length) {
    throw new PresenceError(
      "VERSION_MISMATCH",
      "the projector's script gave an answer of another version: update all processes to the same version of rollcall",
    );
  }
  const at = (slot: Slot) => (reply as readonly Reply[])[SLOTS.indexOf(slot)];
  const text = (slot: Slot) => String(at(slot));
  const number = (slot: Slot) => integer(at(slot), "the projector's script");
  const due = number("due");
  return {
    now: number("now"),
    due: due < 0 ? null : due,
    more: number("more") === 1,
    foldedId: text("foldedId"),
    records: number("records"),
    operations: number("operations"),
    skipped: number("skipped"),
    fenced: number("fenced"),
    rejected: number("rejected"),
    reaped: number("reaped"),
    givenBack: number("givenBack"),
    changes: number("changes"),
    held: number("held"),
    left: number("left"),
    rebuilt: number("rebuilt") === 1,
    holder: text("holder"),
    turnLeft: number("turnLeft"),
  };
}
