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
  /** Offline: the process closed, without grace. */
  "bye",
  /** Offline: the lease of the process expired. */
  "reap",
  /** Offline: the socket was no longer open when its process registered again. */
  "replace",
  /** Offline: an operator's verify() removed a socket that belongs to no process. */
  "repair",
  /**
   * Online or offline: changes were lost, and a comparison with `users` found this one. Never in the stream: each process
   * makes it for its own listeners.
   */
  "resync",
] as const;

/** `"online"` or `"offline"`. */
export type ChangeType = (typeof CHANGE_TYPES)[number];
/** One of CHANGE_CAUSES, each of which is described there. */
export type ChangeCause = (typeof CHANGE_CAUSES)[number];

/** The causes that a projector counts, in the order of `counted` of the totals. */
export const COUNTED_CAUSES = CHANGE_CAUSES.filter((cause) => cause !== "resync");
export type CountedCause = (typeof COUNTED_CAUSES)[number];

/** One transition of one user. Its JSON schema is in src/reader/answers/changes.ts. */
export interface Change {
  readonly user: string;
  readonly type: ChangeType;
  readonly cause: ChangeCause;
  /** When it was folded, on Redis's clock. */
  readonly at: Date;
  /** Id of the entry of `changes` that holds it; an entry can hold many. */
  readonly id: string;
}

/** Causes of going offline, in their order within one entry of `changes`. */
export const OFFLINE_CAUSES = CHANGE_CAUSES.filter((cause) => cause !== "connect" && cause !== "resync");

const OFFLINE: ReadonlySet<string> = new Set(OFFLINE_CAUSES);

/** The field name of an entry of `changes` without changes: the projection was rebuilt, and all processes register again. */
export const REBUILT = "rebuilt";

/** The users of a JSON list; none if it is anything else, which only a manual edit of the stream can cause. */
function usersOf(text: string): readonly string[] {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.filter((user): user is string => typeof user === "string") : [];
  } catch {
    return [];
  }
}

/** What an entry of `moves` says about the scopes that are `wanted`, in order: `/chat,news {"connect":["alice"],"leave":["bob"]}`. */
export function* decodeMoves(
  id: string,
  fields: readonly string[],
  wanted: (scope: string) => boolean,
): Generator<readonly [scope: string, changes: Change[]], void> {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const scope = fields[i]!;
    if (wanted(scope)) yield [scope, decodeChanges(id, listsOf(fields[i + 1]!))];
  }
}

/** The causes and lists of a JSON object; none if it is anything else. */
function listsOf(text: string): string[] {
  try {
    const lists: unknown = JSON.parse(text);
    if (typeof lists !== "object" || lists === null) return [];
    return Object.entries(lists).flatMap(([cause, users]) => [cause, JSON.stringify(users)]);
  } catch {
    return [];
  }
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
