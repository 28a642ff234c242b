/** Whether numbers over time are kept: the option `history`. */
import { boolean } from "./options.ts";

export interface KeepsHistory {
  /**
   * Whether the projector keeps numbers over time: the last, least and most users and sockets of each minute (7 days), hour (400 days) and day
   * (10 years), how many distinct users each day had (62 days), and how many changes there were of each cause. No names are kept in it. Set it
   * for every caller of the projector: what one without it folds is not in it. Default false.
   */
  readonly history?: boolean | undefined;
}

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveHistory(history: unknown = false): boolean {
  return boolean("history", history);
}
