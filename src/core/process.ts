/** The states of a process in the projection, from the best to the worst: the worst of its shards is that of all. */
export const PROCESS_STATES = [
  /** Its records are folded. */
  "live",
  /** Its records no longer add up: they are skipped until it registers again. */
  "fenced",
  /** It said goodbye or its lease ran out, and its users are given back. */
  "ended",
] as const;

/** `"live"`, `"fenced"` or `"ended"`. */
export type ProcessState = (typeof PROCESS_STATES)[number];
