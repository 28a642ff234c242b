/**
 * One call of src/lua/project.lua: its arguments and its reply.
 */
import { PresenceError } from "../core/errors.ts";
import { PROTOCOL } from "../core/limits.ts";
import { integer } from "../redis/decode.ts";
import type { Reply } from "../redis/port.ts";

/** The items of the reply, in the order in which src/lua/project/tail.lua returns them. */
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
  "listenedLeft",
  "unheard",
] as const;

type Slot = (typeof SLOTS)[number];

/** What one call did, and when the next one is needed. */
export interface StepResult {
  /** Redis's clock at that moment, ms. */
  readonly now: number;
  /** The earliest deadline of a lease or a grace, ms on that clock; null: only a new record can bring work. */
  readonly due: number | null;
  /** The budget ran out before the work was done. */
  readonly more: boolean;
  readonly foldedId: string;
  readonly records: number;
  readonly operations: number;
  /** Records that were folded before, or whose process has ended or is unknown. */
  readonly skipped: number;
  /** Processes fenced. */
  readonly fenced: number;
  /** Entries set aside in `rejected`. */
  readonly rejected: number;
  /** Processes whose lease had expired. */
  readonly reaped: number;
  /** Users removed from ended processes. */
  readonly givenBack: number;
  /** Transitions appended to `changes`. */
  readonly changes: number;
  /** Expired leases left alone because reaping was held. */
  readonly held: number;
  /** Records left in the log when the budget ran out; otherwise 0. */
  readonly left: number;
  /** Parts of the projection did not agree, so it was rebuilt: the processes register again. */
  readonly rebuilt: boolean;
  /** The caller that holds the turn (pace); "": none. */
  readonly holder: string;
  /** For how long, ms. */
  readonly turnLeft: number;
  /** For how long a caller that listens to changes is remembered, ms; 0: none is. */
  readonly listenedLeft: number;
  /** The last record that was folded changed nothing: it was set aside, or its process is fenced, has ended or is unknown. */
  readonly unheard: boolean;
}

/** Throws PresenceError VERSION_MISMATCH for a reply of another version of the script, REPLY_INVALID for any other. */
export function parseReply(reply: Reply): StepResult {
  if (!Array.isArray(reply) || reply[0] !== PROTOCOL || reply.length !== SLOTS.length) {
    throw new PresenceError(
      "VERSION_MISMATCH",
      `the projector's script replied ${told(reply)}, and this package speaks protocol ${PROTOCOL}: update all processes to the same version of rollcall`,
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
    listenedLeft: number("listenedLeft"),
    unheard: number("unheard") === 1,
  };
}

function told(reply: Reply): string {
  const version = Array.isArray(reply) ? reply[0] : undefined;
  const isVersion = typeof version === "string" && /^\d{1,9}$/.test(version) && version !== PROTOCOL;
  return isVersion ? `with protocol ${version}` : "in another version's format";
}
