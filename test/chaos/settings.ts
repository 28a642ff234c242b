/** What a run of chaos is made of, and how long each thing may take. All times in ms. */

/** How long a process is believed after its last record. A heartbeat comes every third of it. */
export const TTL_MS = 3_000;
/** How long a user stays present after a dropped transport: time to find another node. */
export const GRACE_MS = 2_000;
export const PREFIX = "chaos";
/** The rooms that tabs join and leave, in the main namespace. */
export const ROOMS = ["lobby", "a", "b,c"] as const;
/** Those whose changes somebody listens to on every node. */
export const HEARD = ["lobby", "b,c"] as const;

/** How late a projector that sleeps until a deadline, or a client that looks for a node, can be on a busy machine. */
const INTERVAL_MS = 1_000;
/** A lease that has to run out, and the projector that has to notice. */
export const LEASE_BOUND_MS = TTL_MS + INTERVAL_MS;
/** The longest back-off of a connection, and after it the longest of the recorder or the loop that uses it. */
const RECONNECT_MS = 2_000 + 2_000;
/** Redis was away or another one came: connections are made again, and at worst a lease has to run out. */
export const REDIS_BOUND_MS = RECONNECT_MS + LEASE_BOUND_MS;
/**
 * Connections died silently: a projector in its own process calls at the next deadline (a lease at most) and waits 5 s for
 * a reply; everything else is as when Redis was away.
 */
export const SILENCE_BOUND_MS = TTL_MS + 5_000 + REDIS_BOUND_MS;
/** Nothing is to be waited for but a projector that is awake, and the clients themselves. */
export const PROMPT_BOUND_MS = 2 * INTERVAL_MS;

/**
 * How far the clients' record and what the nodes saw may be apart on a busy machine: an absence shorter than the
 * grace by less than this may have been reported.
 */
export const SLACK_MS = 300;
