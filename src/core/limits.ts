/**
 * Every limit and default, once: with its unit in the name (`_MS`, `_BYTES`) or in the comment, and with the reason. A number
 * that only makes sense inside one algorithm stands there; the script's own limits stand in src/lua/parts.
 */

// What one record may hold. The projector rejects more (docs/protocol.md, "Records").

/** Most operations in one record: a fold of it is then a small part of a call's budget. */
export const OPERATIONS_MAX = 100;
/** Most bytes of a user or process id, in UTF-8: it is a field of a hash and stands in every record about it. */
export const ID_BYTES_MAX = 256;
/** Longest lease and longest grace, ms: an hour. */
export const TTL_MS_MAX = 3_600_000;
/** Most incarnations one record may replace: more than a process goes through before one of them is believed. */
export const REPLACES_MAX = 16;

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
/** While full records follow each other, one fold serves so many of them: as many as the budget of one call takes. */
export const UNFOLDED_MAX = 20;
/** Characters of the host's name in a process id. */
export const HOST_LENGTH_MAX = 64;

// The projector.

/** Most units of work of one call: an operation, a record, a user given back or let out is one each. About 3 ms of Redis. */
export const BUDGET = 3_000;
/** A full record with its own unit fits twice. */
export const BUDGET_MIN = 200;
/** About 100 ms in which Redis serves nobody else. */
export const BUDGET_MAX = 100_000;
/** How long a process that lost Redis folds without reaping, ms: others lost it too, and renew their leases first. */
export const HOLD_MS = 3_000;
/** Several recorders wake for the same deadline: the first that does spares the others, so they spread out over this, ms. */
export const SPREAD_MS = 100;
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
/** Most entries that client-read mode reads at once, and so most that are ever pending. */
export const BATCH_MAX = 1_000;
/** Entries of its first read. Full records of 256-byte ids make 6.4 MB of these, and a REST request may have 10 MB. */
export const BATCH_FIRST = 250;
/** Lookups of one call of verify: users times processes. */
export const VERIFY_LOOKUPS = 4_000;
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
/** Processes that a reader looks at in each shard, those with the earliest deadlines first. */
export const PROCESSES_READ_MAX = 1_000;
/** Users that one request can follow; many more do not fit into an address. */
export const FOLLOWED_USERS_MAX = 100;
/** Of an address, bytes: what every server and proxy takes. */
export const URL_BYTES_MAX = 8_192;
