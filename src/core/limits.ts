/**
 * Every limit and default, once: with its unit in the name (`_MS`, `_BYTES`) or in the comment, and with the reason. A number
 * that only makes sense inside one algorithm stands there.
 */

// The protocol (docs/protocol.md): what a record may hold, and what one call of the projector may do. The scripts get these as
// literals (scripts/build-lua.ts).

/** Of the layout of the keys and of the records. A projector of an older one refuses to run on a newer one. */
export const PROTOCOL = "2";

/** Most operations in one record, over its lists: about the budget of one call. */
export const OPERATIONS_MAX = 1_000;
/** Most bytes of one list, as JSON: Redis keeps smaller values in one place, and cjson takes 0.6 ms for it at worst. */
export const LIST_BYTES_MAX = 32_768;
/** Most bytes of a user or process id, in UTF-8: it is a field of a hash and stands in every record about it. */
export const ID_BYTES_MAX = 256;
/** Longest lease and longest grace, ms: an hour. */
export const TTL_MS_MAX = 3_600_000;
/** Most incarnations one record may replace: more than a process goes through before one of them is believed. */
export const REPLACES_MAX = 16;
/** Most digits of a count: sockets, connections. */
export const DIGITS_MAX = 9;
/** Most names and values of one record. */
export const FIELDS_MAX = 64;
/** Most processes of one shard: many times what a cluster has, and what a stranger may register. */
export const PROCESSES_MAX = 10_000;

/** Bytes that one call reads at once, about: when the log is heavier, a call reads fewer entries. */
export const READ_BYTES = 1_000_000;
/** An entry of more than this is no record, whatever it says: no record has more than 32 names of LIST_BYTES_MAX. */
export const ENTRY_BYTES_MAX = 2_000_000;
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
/** Tombstones that are removed at a time. */
export const FORGOTTEN_MAX = 100;
/** Leases of a fenced process from then on: it is to notice and register again meanwhile. */
export const FENCED_LEASES = 3;
/** How often the parts of a projection are compared with each other, ms. */
export const CHECK_MS = 1_000;
/** The same while calls are further apart than that; in between only the number of users is: a comparison of all takes 20 commands. */
export const CHECK_IDLE_MS = 300_000;
/** More records a second are not idle: the heartbeats of some fifteen processes. */
export const RATE_BUSY = 5;
/** How far ahead the key `clock` expires, ms: a day. */
export const CLOCK_MS = 86_400_000;
/** Ids of the log may be ahead of the clock by this much, ms; more, and the log is made again. */
export const AHEAD_MS = 60_000;

/** How long a turn lasts, ms. */
export const TURN_MS = 100;
/** How often the rate of records is measured, ms; a turn is given from RATE_HIGH a second on, and kept down to RATE_LOW. */
export const MEASURE_MS = 100;
export const RATE_HIGH = 150;
export const RATE_LOW = 90;
/** Under load records leave together at multiples of this on the clock of Redis, ms: the latency it adds, at most. */
export const PACE_MS = 20;
/** More than half a turn, and the holder could not renew it in time. */
export const PACE_MS_MAX = 40;
/** How long after a beat the holder of the turn folds, ms: the records of the others are there by then. */
export const FOLD_AFTER_BEAT_MS = 3;
/** After so long a process checks that its last record was folded by somebody, ms. */
export const CHECK_FOLDED_MS = 1_000;

// What everybody who opens a prefix agrees on.

export const PREFIX = "presence";
/** Characters. A prefix is part of every key. */
export const PREFIX_LENGTH_MAX = 128;
/** An answer about everybody asks every shard. */
export const SHARDS_MAX = 1024;

// The recorder.

export const TTL_MS = 10_000;
/** A heartbeat every 50 ms is the most a process should send. */
export const TTL_MS_MIN = 100;
/** A process that says goodbye gives up after this long, ms: orchestrators kill after 10 s or more. */
export const CLOSE_MS = 5_000;
/** `MAXLEN ~` of the log, records: a bound for when nobody projects. What falls off heals by fencing. */
export const RECORDS_KEPT = 200_000;
/** While records that are full follow each other, one series of calls serves so many of them. */
export const UNFOLDED_MAX = 20;
/** Characters of the host's name in a process id. */
export const HOST_LENGTH_MAX = 64;

// The projector.

/** Most units of work of one call: an operation, a record, a user looked at or let out is one each. About 2 ms of Redis. */
export const BUDGET = 1_000;
export const BUDGET_MIN = 100;
/** Twice a full record: what one command of Lua can carry. */
export const BUDGET_MAX = 2_000;
/** How long a process that lost Redis folds without reaping, ms: others lost it too, and renew their leases first. */
export const HOLD_MS = 3_000;
/**
 * Several recorders wake for the same deadline: the first that does, or that has a heartbeat to send then, spares the others. They
 * spread out over this part of a heartbeat, and not over more than this, ms.
 */
export const SPREAD_PART = 0.12;
export const SPREAD_MS = 400;
/** A deadline can be told a moment early by another clock: a loop looks again after this long, ms, not at once. */
export const SOONEST_MS = 5;
/** Most calls of the script that a sweep sends in one request. */
export const STEPS_MAX = 512;
/** About how long the calls of one request may take, ms: well within any time-out. */
export const STEPS_MS = 2_000;
/** Requests of one sweep, unless its budget says otherwise. */
export const SWEEP_REQUESTS = 1_000;
export const SWEEP_REQUESTS_MAX = 1_000_000;
/** How long after its beginning a sweep still sends requests, ms. */
export const SWEEP_MS = 30_000;
/** A day, ms. */
export const SWEEP_MS_MAX = 86_400_000;

/**
 * How far this machine's clock may be behind that of Redis before anything is known of it, ms. A scheduled function comes
 * every minute, and one that is further behind than that sees itself overtaken by `ran`, which the last one wrote.
 */
export const UNSURE_MS = 60_000;
/** Users, processes or graces that one call of verify looks at, about: 2 ms of Redis. */
export const VERIFY_SLICE = 1_000;
/** How often verify counts a shard that changes meanwhile. */
export const VERIFY_TRIES = 3;
/** Differences that a report of verify lists. */
export const VERIFY_EXAMPLES_MAX = 1_000;

// A scheduled function.

/** From one sweep to the next inside the minute, ms: four of them. */
export const INTERVAL_MS = 15_000;
export const INTERVAL_MS_MIN = 1_000;
/** That of the invocations themselves, ms. */
export const INTERVAL_MS_MAX = 60_000;
/** Cloudflare's free plan allows 50 requests an invocation; the last step of a sweep may take a few more than are left. */
export const INVOCATION_REQUESTS = 45;
/** What Cloudflare's paid plan allows. */
export const INVOCATION_REQUESTS_MAX = 10_000;

// The reader.

/** How long the projector may be overdue before answers say `stale`, ms: half of the default lease. */
export const STALE_AFTER_MS = 5_000;
/** A day, ms. */
export const STALE_AFTER_MS_MAX = 86_400_000;

// The HTTP API.

/** How long a request may wait for Redis, ms. */
export const REQUEST_MS = 5_000;
export const REQUEST_MS_MAX = 60_000;
/** How long an answer is reused, ms. */
export const REUSE_MS = 1_000;
export const REUSE_MS_MAX = 60_000;
/** How long an event stream lives, ms: 5 minutes; at most a day. */
export const STREAM_LIFE_MS = 300_000;
export const STREAM_LIFE_MS_MIN = 1_000;
export const STREAM_LIFE_MS_MAX = 86_400_000;
/** From one sign of life to the next, ms: proxies cut connections that are silent for 30 s or more. */
export const STREAM_HEARTBEAT_MS = 15_000;
export const STREAM_HEARTBEAT_MS_MIN = 100;
export const STREAM_HEARTBEAT_MS_MAX = 300_000;
/** Requests to Redis of one stream, where they are bounded at all. */
export const STREAM_REQUESTS_MAX = 1_000_000_000;
/** Event streams at once. */
export const STREAMS = 1_000;
export const STREAMS_MAX = 100_000;
/** Characters of a token: as many as 64 random bits have in hex. Tokens are made to be pasted, not remembered. */
export const TOKEN_LENGTH_MIN = 16;
/** Tokens in one list: every request is compared with each of them. */
export const TOKENS_MAX = 32;
/** Where the API listens on Node and Bun: reachable from this machine only, until HOST says otherwise. */
export const PORT = 3_000;
export const PORT_MAX = 65_535;
export const HOST = "127.0.0.1";

// Connections and timers.

/** A connection that says nothing for this long while an answer is due is given up, ms. */
export const SILENCE_MS = 5_000;
/** A recorder gives it up after a third of its lease, ms, but not sooner than this. */
export const SILENCE_MS_MIN = 1_000;
/** A REST request with its retry, ms: less than the API waits (REQUEST_MS), so that the client cleans up first. */
export const REST_MS = 4_000;
/** How often such a request is sent again: whoever asks is waiting, and may ask again. */
export const REST_RETRIES = 1;
/** The first pause before that, ms; each one after it is twice as long. */
export const REST_AGAIN_MS = 50;
/** How long one XREAD blocks, ms: how late a connection that died silently is noticed. */
export const BLOCK_MS = 5_000;
/** Entries of one XREAD. */
export const TAIL_ENTRIES = 100;
/** From a delivery to the next XREAD, ms: under load it brings what has gathered, and Redis wakes each reader less often. */
export const COALESCE_MS = 10;
/** How long after a delivery it is asked whether anything was missing, ms. */
export const PROVING_MS = 200;

// The mirror of a process with listeners.

/** Users it holds before it is dropped, about 20 bytes each beside the id; a Map of JavaScript holds 16.7 million at most. */
export const MIRROR_USERS = 1_000_000;
export const MIRROR_USERS_MAX = 16_000_000;
/** How often it is compared with how many users there are, ms. */
export const LEVEL_MS = 5_000;
/** Users of one page, and of one question about those who are missing. */
export const LEVEL_CHUNK = 1_000;
/** A tail is kept this long without listeners, ms: once() in a row takes one off before the next is added. */
export const UNHEARD_MS = 1_000;
/** The first pause before another try, ms, and the longest: an outage ends for everybody within it. */
export const BACKOFF_MS_MIN = 50;
export const BACKOFF_MS_MAX = 2_000;
/** The longest a timer of JavaScript can wait, ms: 24.8 days. A longer one would fire at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

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
/** Processes whose states a reader asks for in one request. */
export const PROCESSES_PAGE = 1_000;
/** How often a reader asks what time it is in Redis, ms; and where nobody has said yet. */
export const CLOCK_READ_MS = 60_000;
export const CLOCK_MISSING_MS = 1_000;
/** Records of the log, the latest, among which a reader looks for those that renew a lease: a page of them, and how many pages. */
export const RENEWALS_PAGE = 100;
export const RENEWALS_PAGES = 20;
/** Users that one request can follow; many more do not fit into an address. */
export const FOLLOWED_USERS_MAX = 100;
/** Of an address, bytes: what every server and proxy takes. */
export const URL_BYTES_MAX = 8_192;
