// What a reader and the HTTP API answer at most.

/** Ids of one lookup(). */
export const LOOKUP_IDS_MAX = 1_000;
/** Users of one page(), about: HSCAN can bring a few more, and a small set comes whole. */
export const PAGE_USERS_MAX = 1_000;
export const PAGE_USERS_DEFAULT = 100;
/** Users of one usersList(). At 1,000 a round trip, 100,000 are a hundred round trips and some 10 MB of memory. */
export const LIST_USERS_MAX = 100_000;
export const LIST_USERS_DEFAULT = 10_000;
/** Changes of one changes(), about: entries come whole. */
export const CHANGES_READ_MAX = 1_000;
export const CHANGES_READ_DEFAULT = 100;
/** Processes that a reader looks at in each shard, those with the earliest deadlines first. */
export const PROCESSES_READ_MAX = 1_000;
/** Users that one request can follow; many more do not fit into an address. */
export const FOLLOWED_USERS_MAX = 100;
/** Of an address, bytes: what every server and proxy takes. */
export const URL_BYTES_MAX = 8_192;
