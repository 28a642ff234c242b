/** A user's transition between absent and present. */
export type ChangeCause =
  /** Online: the first socket. */
  | "connect"
  /** Offline: the last socket's transport dropped, without grace. */
  | "disconnect"
  /** Offline: the last socket said goodbye, or was told to go. */
  | "leave"
  /** Offline: the grace is over. */
  | "grace"
  /** Offline: the process said goodbye (without grace). */
  | "bye"
  /** Offline: the lease of the process ran out. */
  | "reap"
  /** Offline: the socket was gone when its process registered afresh. */
  | "replace"
  /** Either: an operator's verify() mended a count. */
  | "repair";

export interface Change {
  readonly user: string;
  readonly type: "online" | "offline";
  readonly cause: ChangeCause;
  /** When it was folded, on the clock of Redis. */
  readonly at: Date;
  /** Id of the entry of `changes` that holds it; an entry can hold many. */
  readonly id: string;
}

/** The changes of one entry of `changes`, in order. Fields of other names are skipped: later versions may add some. */
export function decodeChanges(id: string, fields: readonly string[]): Change[] {
  const at = new Date(Number(id.split("-", 1)[0]));
  const changes: Change[] = [];
  let cause = "connect" as ChangeCause;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i];
    const value = fields[i + 1]!;
    if (name === "cause") cause = value as ChangeCause;
    else if (name === "online" || name === "offline")
      changes.push({ user: value, type: name, cause, at, id });
  }
  return changes;
}
