/** A user's transition between absent and present. */
import { CAUSES } from "./protocol.ts";

/**
 * Why. Online: `connect`, the first socket. Offline: `disconnect`, the last socket's transport dropped, without grace; `leave`, the last
 * socket said goodbye, or was told to go; `grace`, it is over; `bye`, the server closed; `reap`, the lease of the process ran
 * out; `replace`, the socket was gone when its process registered afresh; `repair`, verify() found a socket of nobody.
 */
export type ChangeCause = "connect" | (typeof CAUSES)[number];

export interface Change {
  readonly user: string;
  readonly type: "online" | "offline";
  readonly cause: ChangeCause;
  /** When it was folded, on the clock of Redis. */
  readonly at: Date;
  /** Id of the entry of `changes` that holds it; an entry can hold many. */
  readonly id: string;
}

const OFFLINE: ReadonlySet<string> = new Set(CAUSES);

function usersOf(text: string): readonly string[] {
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list)) return [];
  return list.filter((user): user is string => typeof user === "string");
}

/** The changes of one entry of `changes`, in order. Fields of other names are skipped: later versions may add some. */
export function decodeChanges(id: string, fields: readonly string[]): Change[] {
  const at = new Date(Number(id.split("-", 1)[0]));
  const changes: Change[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const cause = fields[i]!;
    if (cause !== "connect" && !OFFLINE.has(cause)) continue;
    const type = cause === "connect" ? "online" : "offline";
    for (const user of usersOf(fields[i + 1]!))
      changes.push({ user, type, cause: cause as ChangeCause, at, id });
  }
  return changes;
}
