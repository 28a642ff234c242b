/** The states of a process in the projection, from best to worst: a process has the worst state of its shards. */
export const PROCESS_STATES = [
  /** Its records are folded. */
  "live",
  /** Its records no longer add up: they are skipped until it registers again. */
  "fenced",
  /** It closed or its lease expired, and its users are being removed. */
  "ended",
] as const;

/** `"live"`, `"fenced"` or `"ended"`. */
export type ProcessState = (typeof PROCESS_STATES)[number];
