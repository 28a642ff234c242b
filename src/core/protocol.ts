/**
 * The numbers of the protocol (docs/protocol.md): what a record may hold, and what one call of the projector may do. Each is
 * written once; the scripts get them as literals (scripts/build-lua.ts).
 */

/** Of the layout of the keys and of the records. A projector of an older one refuses to run on a newer one. */
export const PROTOCOL = "2";

/** Most operations in one record, over its lists. */
export const OPERATIONS_MAX = 1_000;
/** Most bytes of one list, as JSON. */
export const LIST_BYTES_MAX = 32_768;
/** Most bytes of a user or process id, in UTF-8. */
export const ID_BYTES_MAX = 256;
/** Longest lease and longest grace, ms. */
export const TTL_MS_MAX = 3_600_000;
/** Most incarnations one record may replace. */
export const REPLACES_MAX = 16;
/** Most digits of a count: sockets, connections. */
export const DIGITS_MAX = 9;
/** Most names and values of one record. */
export const FIELDS_MAX = 64;
/** Most processes of one shard. */
export const PROCESSES_MAX = 10_000;

/** Most records that one call reads. */
export const RECORDS_MAX = 200;
/** Most users that one slice of a reaping pass looks at, and most processes of one pass. */
export const SLICE_MAX = 500;
export const PASS_MAX = 64;
/** Values of one command: unpack() of Lua fails above about 8,000. */
export const VALUES_MAX = 4_000;

/** Entries kept, about. */
export const CHANGES_KEPT = 100_000;
export const REJECTED_KEPT = 1_000;
/** Values kept of an entry that is no record. */
export const KEPT_VALUES = 64;

/** How long an ended process is remembered, ms: a late copy of its first record must not bring it back. */
export const TOMBSTONE_MS = 3_600_000;
export const FORGOTTEN_MAX = 100;
/** Leases of a fenced process from then on: it is to notice and register afresh meanwhile. */
export const FENCED_LEASES = 3;
/** How often the parts of a projection are compared with each other, ms. */
export const CHECK_MS = 1_000;
/** Ids of the log may be ahead of the clock by this much, ms; more, and the log is made anew. */
export const AHEAD_MS = 60_000;

/** How long a turn lasts, ms. */
export const TURN_MS = 100;
/** How often the rate of records is measured, ms; a turn is given from RATE_HIGH a second on, and kept down to RATE_LOW. */
export const MEASURE_MS = 100;
export const RATE_HIGH = 150;
export const RATE_LOW = 90;

/** Causes for which a user goes offline, in the order in which one entry of `changes` tells them. */
export const CAUSES = ["disconnect", "leave", "bye", "grace", "reap", "replace", "repair"] as const;
