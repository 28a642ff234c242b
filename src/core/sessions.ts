/** Presences of one user, from its changes in order. Pure. */
import type { Change, ChangeCause } from "./change.ts";

/** One presence of a user. */
export interface Session {
  /** Null: it began before what is kept. */
  readonly start: Date | null;
  /** Null: it has not ended. */
  readonly end: Date | null;
  /** Why it ended; null: it has not. */
  readonly cause: ChangeCause | null;
}

/** What is known at a place of the stream: absent, present since then (ms), or nothing yet. */
export type SessionState = "absent" | "unknown" | number;

/** The state after a change, and the session that it ends. */
export function afterChange(
  state: SessionState,
  { type, cause, at }: Pick<Change, "type" | "cause" | "at">,
): { readonly state: SessionState; readonly ended: Session | undefined } {
  // A second `online` in a row: the first one's end is lost, which only a manual edit can cause.
  if (type === "online") return { state: at.getTime(), ended: undefined };
  if (state === "absent") return { state, ended: undefined };
  return { state: "absent", ended: { start: startOf(state), end: at, cause } };
}

/** The session of a user who is present in this state. */
export function openSession(state: SessionState): Session {
  return { start: startOf(state), end: null, cause: null };
}

function startOf(state: SessionState): Date | null {
  return typeof state === "number" ? new Date(state) : null;
}
