/** A user's transition between absent and present. */
export const CHANGE_TYPES = ["online", "offline"] as const;

/** Why a user came or went. */
export const CHANGE_CAUSES = [
  /** Online: the first socket. */
  "connect",
  /** Offline: the last socket's transport dropped, without grace. */
  "disconnect",
  /** Offline: the last socket was closed by its client, or by the server. */
  "leave",
  /** Offline: the grace is over. */
  "grace",
  /** Offline: the process said goodbye (without grace). */
  "bye",
  /** Offline: the lease of the process ran out. */
  "reap",
  /** Offline: the socket was gone when its process registered again. */
  "replace",
  /** Either: an operator's verify() repaired a count. */
  "repair",
] as const;

/** `"online"` or `"offline"`. */
export type ChangeType = (typeof CHANGE_TYPES)[number];
/** One of CHANGE_CAUSES, each of which is described there. */
export type ChangeCause = (typeof CHANGE_CAUSES)[number];

/** One transition of one user. Its JSON schema is in src/reader/answers/changes.ts. */
export interface Change {
  readonly user: string;
  readonly type: ChangeType;
  readonly cause: ChangeCause;
  /** When it was folded, on the clock of Redis. */
  readonly at: Date;
  /** Id of the entry of `changes` that holds it; an entry can hold many. */
  readonly id: string;
}

/**
 * The changes of one entry of `changes`, in order. Fields of other names are skipped, and a cause that is not known here
 * is passed on: later versions may add some.
 */
export function decodeChanges(id: string, fields: readonly string[]): Change[] {
  const at = new Date(Number(id.split("-", 1)[0]));
  const changes: Change[] = [];
  let cause: ChangeCause = "connect";
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i];
    const value = fields[i + 1]!;
    if (name === "cause") cause = value as ChangeCause;
    else if (name === "online" || name === "offline")
      changes.push({ user: value, type: name, cause, at, id });
  }
  return changes;
}
