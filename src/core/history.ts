/** Whether numbers over time are kept, and of which namespaces and rooms too: the option `history`. */
import { HISTORY_SCOPES } from "./limits.ts";
import { invalid, type Known, refuseUnknown } from "./options.ts";
import { partsOf, whyNoScope } from "./scope.ts";

export interface HistoryKept {
  /**
   * Namespaces and rooms of which last, least and most users and sockets are kept too, as texts: `"/chat"` is a namespace, `"/chat,news"` the room
   * news in it, `"/,lobby"` a room in the main one. 1 to 20. They have to be tracked: see `rooms` of createPresence.
   */
  readonly scopes: readonly string[];
}

export interface KeepsHistory {
  /**
   * Whether the projector keeps numbers over time: the last, least and most users and sockets of each minute (7 days), hour (400 days) and day
   * (10 years), how many distinct users each day had (62 days), and how many changes there were of each cause. No names are kept in it. Set it
   * for every caller of the projector: what one without it folds is not in it. With `{ scopes: ["/chat", "/chat,news"] }` the same numbers are kept
   * of these namespaces and rooms, but no distinct users; every caller should name the same. Default false.
   */
  readonly history?: boolean | HistoryKept | undefined;
}

const KEPT: Known<HistoryKept> = { scopes: true };

/** What it gives can be given to it again. Throws PresenceError OPTIONS_INVALID. */
export function resolveHistory(history: unknown = false): boolean | HistoryKept {
  if (typeof history === "boolean") return history;
  if (typeof history !== "object" || history === null)
    return invalid("history must be true, false or { scopes: […] }");
  refuseUnknown(history, KEPT, "a projector", "history");
  return { scopes: checkHistoryScopes((history as Partial<HistoryKept>).scopes) };
}

/** In one order: callers that name the same say the same. Throws PresenceError OPTIONS_INVALID. */
export function checkHistoryScopes(scopes: unknown): readonly string[] {
  if (!Array.isArray(scopes) || scopes.length === 0 || scopes.length > HISTORY_SCOPES)
    return invalid(
      `history.scopes must be a list of 1 to ${HISTORY_SCOPES} namespaces and rooms, such as "/chat" and "/chat,news"`,
    );
  for (const scope of scopes as unknown[]) {
    if (typeof scope !== "string")
      return invalid('history.scopes must be texts, such as "/chat" and "/chat,news"');
    const why = whyNoScope(partsOf(scope));
    if (why !== undefined) return invalid(`history.scopes has no namespace or room: ${why}`);
  }
  if (new Set(scopes).size < scopes.length) return invalid("history.scopes names one twice");
  return (scopes as string[]).toSorted();
}

/** What follows the numbers of the script's argument `keep` (docs/protocol.md, "History"). */
export function historyArgument(history: boolean | HistoryKept): string {
  if (history === false) return "";
  return history === true ? " history" : ` history ${JSON.stringify(history.scopes)}`;
}
