/**
 * Every limit and default, in one place: with its unit in the name (`_MS`, `_BYTES`) or in the comment, and with the reason. A
 * number that only makes sense inside one algorithm stays there.
 */

// The protocol (docs/protocol.md): what a record may hold, and what one call of the projector may do. The scripts get these as
// literals (scripts/build-lua.ts).

/** The version of the key layout and the records. A projector of an older version refuses to run on a newer one. */
export const PROTOCOL = "2";

/** Most operations in one record, over all its lists: about the budget of one call. */
export const OPERATIONS_MAX = 1_000;
/** Most bytes of one list, as JSON: Redis keeps smaller values in one place, and cjson takes at most 0.6 ms for it. */
export const LIST_BYTES_MAX = 32_768;
/** Most bytes of a user or process id, in UTF-8: it is a hash field and is in every record about it. */
export const ID_BYTES_MAX = 256;
/** Most bytes of a scope, namespace and room together: it is in a key and in every record about it. */
export const SCOPE_BYTES_MAX = 512;
/** Most patterns in `tracks`, and most bytes of it as JSON: it is in a first record, in the totals, and compared by readers. */
export const TRACKS_MAX = 64;
export const TRACKS_BYTES_MAX = 8_192;
/** What naming a scope in a record costs, in operations: the script has four commands for each. */
export const SCOPE_OPERATIONS = 2;
/**
 * Most scopes of a socket that are listed with its id, and most bytes of them together: those in more are in the first ones, as listed.
 * Naming so many of them costs an operation.
 */
export const SOCKET_SCOPES_MAX = 100;
export const SOCKET_SCOPES_BYTES_MAX = 4_096;
export const SOCKET_SCOPES_PER_OPERATION = 8;
/** The score of a scope in `scopes` is its users times this, plus its sockets: one number has both, and orders by users. 2^26. */
export const SCOPE_UNIT = 67_108_864;
/** Most memberships that stop lingering in one call because their users have left the whole; the rest end with their grace. */
export const CLEARED_MAX = 1_000;
/** How many scopes a level check compares with their numbers. */
export const SCOPES_CHECKED = 32;
/** For up to how many processes it adds up their memberships. With more, only when a process says another number than there is. */
export const SUMMED_MAX = 200;
/** Longest lease and longest grace, ms: an hour. */
export const TTL_MS_MAX = 3_600_000;
/** Most incarnations one record may replace: more than a process goes through before one is accepted. */
export const REPLACES_MAX = 16;
/** Most digits of a count: sockets, connections. */
export const DIGITS_MAX = 9;
/** Most names and values of one record. */
export const FIELDS_MAX = 64;
/** Most processes of one shard: far more than a cluster has, and a bound for forged registrations. */
export const PROCESSES_MAX = 10_000;

/** Fewest and most bytes of a key that records are signed with, and most keys: two while one replaces another, and one to spare. */
export const RECORD_KEY_BYTES_MIN = 32;
export const RECORD_KEY_BYTES_MAX = 256;
export const RECORD_KEYS_MAX = 3;
/** Most bytes that a `mac` is computed over: a record with five full lists, and its other values, is smaller. SHA-1 takes 0.2 ms for it. */
export const SIGNED_BYTES_MAX = 200_000;

/** About the most bytes that one call reads: when entries are large, a call reads fewer of them. */
export const READ_BYTES = 1_000_000;
/** A larger entry is never a record: no record has more than 32 names of LIST_BYTES_MAX. */
export const ENTRY_BYTES_MAX = 2_000_000;
/** Most records that one call reads. */
export const RECORDS_MAX = 200;
/** Most users in one slice of a reaping pass, and most processes of one pass. */
export const SLICE_MAX = 500;
export const PASS_MAX = 64;
/** Most values in one command: Lua's unpack() fails above about 8,000. */
export const VALUES_MAX = 4_000;

/** Approximate number of entries kept. Readers rely on it: fewer are in the stream only if nothing was trimmed, or if `cut` says so. */
export const CHANGES_KEPT = 100_000;
/** What `keep.max` may make of it: ten million entries of single changes are some 600 MB. */
export const CHANGES_KEPT_MIN = 1_000;
export const CHANGES_KEPT_MAX = 10_000_000;
export const REJECTED_KEPT = 1_000;
/** How long entries of `changes` and `rejected` are kept, ms: a week. At least a minute, and at most ten years. */
export const KEPT_MS = 604_800_000;
export const KEPT_MS_MIN = 60_000;
export const KEPT_MS_MAX = 315_360_000_000;
/** Parts of a history, ms. */
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** How long they are kept, ms: 7 days of minutes, 400 days of hours, 10 years of days; a minute is some 60 bytes. */
export const MINUTES_KEPT_MS = 604_800_000;
export const HOURS_KEPT_MS = 34_560_000_000;
export const DAYS_KEPT_MS = 315_360_000_000;
/** For how many days before today the distinct users are kept: two months. It takes up to 12 KB a day and shard. */
export const DISTINCT_DAYS = 62;
/** How long work may wait for a projector before a minute without a call is a gap, ms: heartbeats of a long lease wait as long. */
export const HISTORY_LATE_MS = 10_000;
/** How far the clock may go back before the history drops what the clock said before, ms. */
export const HISTORY_BACK_MS = 3_600_000;
/** How many of the latest minutes, hours and days are kept when entries of a clock that was ahead are removed. */
export const HISTORY_REMADE = 500;
/** Namespaces and rooms of which a history is kept too. */
export const HISTORY_SCOPES = 20;
/** How often what is too old is removed, ms; and most of a stream that one call removes: entries, and about how many bytes. */
export const FORGET_MS = 60_000;
export const TRIM_MAX = 20_000;
export const TRIM_BYTES = 2_000_000;
/** Most entries that one call of forget() looks at. */
export const FORGET_SLICE = 500;
/** How long followers have to read on before the last entry of `changes` is removed, ms: the streams of an API poll once a second. */
export const FOLLOWED_MS = 2_000;
/** Values kept of an entry that is not a record. */
export const KEPT_VALUES = 64;

/** How long an ended process is remembered, ms: a late copy of its first record must not bring it back. */
export const TOMBSTONE_MS = 3_600_000;
/** Tombstones removed at a time. */
export const FORGOTTEN_MAX = 100;
/** How many leases a fenced process gets from then on to notice and register again. */
export const FENCED_LEASES = 3;
/** How often the parts of the projection are compared with each other (level check), ms. */
export const CHECK_MS = 1_000;
/** The same while calls are further apart than that; in between only the number of users is: a comparison of all takes 20 commands. */
export const CHECK_IDLE_MS = 300_000;
/** More records a second are not idle: the heartbeats of some fifteen processes. */
export const RATE_BUSY = 5;
/** How far ahead the key `clock` expires, ms: a day. */
export const CLOCK_MS = 86_400_000;
/** How far ids of the log may be ahead of the clock, ms; beyond it the log is recreated. */
export const AHEAD_MS = 60_000;

/** How long a turn lasts, ms. */
export const TURN_MS = 100;
/**
 * How often the rate of operations is measured, ms, or after half of it when there were many. A turn starts at RATE_HIGH operations a second and is kept down to RATE_LOW. Of one
 * record at most WORK_MAX count, and at least one.
 */
export const MEASURE_MS = 100;
export const RATE_HIGH = 150;
export const RATE_LOW = 90;
export const WORK_MAX = 8;
/** Under load records are sent together at multiples of this on Redis's clock (beats), ms: the most latency it adds. */
export const PACE_MS = 20;
/** Most pace, ms: with more than half a turn the holder could not renew it in time. */
export const PACE_MS_MAX = 40;
/** Where no process listens to changes, beats are further apart by this factor, up to PACE_MS_MAX: nobody waits for them. */
export const PACE_UNHEARD = 2;
/** How long a caller that listens is remembered, ms. It calls again after half of that. */
export const LISTENED_MS = 30_000;
/** How long after a beat the holder of the turn folds, ms: the others' records have arrived by then. */
export const FOLD_AFTER_BEAT_MS = 3;
/** How long after a record a process checks that some process has folded it, ms. */
export const CHECK_FOLDED_MS = 1_000;

/** How long the promise of the `user` function may take before its socket is counted as anonymous, ms. */
export const USER_MS = 30_000;

// What everything that opens a prefix must agree on.

export const PREFIX = "presence";
/** Characters. A prefix is part of every key. */
export const PREFIX_LENGTH_MAX = 128;
/** Answers about all users read every shard. */
export const SHARDS_MAX = 1024;

// The recorder.

export const TTL_MS = 10_000;
/**
 * Most rooms of a socket that are counted: twice those of a user with a thousand conversations. Clients often choose what is joined.
 */
export const ROOMS_PER_SOCKET_MAX = 2_000;
/** Most memberships of a process, sockets in scopes: some 100 MB, and 1,000 full records to register again. */
export const MEMBERSHIPS_MAX = 1_000_000;
/** Names of rooms whose scopes are kept in memory, beyond those in use: about 8 MB. */
export const ROOMS_KNOWN_MAX = 50_000;
/** What the name of a user's room begins with, and its most characters: the rest is the user id. */
export const USER_ROOM_PREFIX = "rollcall:user:";
export const USER_ROOM_PREFIX_MAX = 64;
/** How often to look whether Socket.IO reaches the other processes, ms. */
export const ADAPTER_LOOK_MS = 30_000;
/** Most users of one announcement of newer sockets, and of one HMGET that looks where users are: well under a megabyte. */
export const NEWEST_SLICE = 500;
/** So that a process sends at most one heartbeat every 50 ms. */
export const TTL_MS_MIN = 100;
/** A closing process gives up after this long, ms: orchestrators kill after 10 s or more. */
export const CLOSE_MS = 5_000;
/** `MAXLEN ~` of the log, records: a bound for when no projector runs. Trimmed records heal by fencing. */
export const RECORDS_KEPT = 200_000;
/** While full records follow each other, one call of the projector serves this many. */
export const UNFOLDED_MAX = 20;
/** Characters of the host name in a process id. */
export const HOST_LENGTH_MAX = 64;

// The projector.

/** Units of work of one call: an operation, a record, or a user checked or removed is one each. About 2 ms of Redis. */
export const BUDGET = 1_000;
export const BUDGET_MIN = 100;
/** Twice a full record: what one command of a script can carry. */
export const BUDGET_MAX = 2_000;
/** How long a process that lost Redis folds without reaping, ms: others lost it too and must renew their leases first. */
export const HOLD_MS = 3_000;
/**
 * Several recorders wake for the same deadline: the first that does, or that has a heartbeat to send then, spares the others. They
 * spread out over this part of a heartbeat, and not over more than this, ms.
 */
export const SPREAD_PART = 0.12;
export const SPREAD_MS = 400;
/** A deadline can be told a moment early by another clock: a loop looks again after this long, ms, not at once. */
export const SOONEST_MS = 5;
/** Most script calls that a sweep sends in one request. */
export const STEPS_MAX = 512;
/** About how long the calls of one request may take, ms: well within any timeout. */
export const STEPS_MS = 2_000;
/** Requests of one sweep, unless its budget says otherwise. */
export const SWEEP_REQUESTS = 1_000;
export const SWEEP_REQUESTS_MAX = 1_000_000;
/** How long after its start a sweep still sends requests, ms. */
export const SWEEP_MS = 30_000;
/** A day, ms. */
export const SWEEP_MS_MAX = 86_400_000;

/**
 * How far this machine's clock is assumed to be behind Redis's until it is measured, ms. A scheduled function runs every
 * minute; if it is further behind, it notices from `ran`, which the last run wrote.
 */
export const UNSURE_MS = 60_000;
/** About how many users, processes or graces one call of verify checks: 2 ms of Redis. */
export const VERIFY_SLICE = 1_000;
/** How many times verify counts a shard that changes meanwhile. */
export const VERIFY_TRIES = 3;
/** Most differences listed in a report of verify. */
export const VERIFY_EXAMPLES_MAX = 1_000;

// A scheduled function.

/** From one sweep to the next within a minute, ms: four of them. */
export const INTERVAL_MS = 15_000;
export const INTERVAL_MS_MIN = 1_000;
/** The interval of the invocations, ms. */
export const INTERVAL_MS_MAX = 60_000;
/** Cloudflare's free plan allows 50 requests an invocation; the last step of a sweep may take a few more than are left. */
export const INVOCATION_REQUESTS = 45;
/** What Cloudflare's paid plan allows. */
export const INVOCATION_REQUESTS_MAX = 10_000;

// The reader.

/** How long the projector may be overdue before answers are marked `stale`, ms: half of the default lease. */
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
/** Most bytes that an app keeps of answers, so that identical requests share them: a Worker has 128 MB in all. */
export const SHARED_BYTES_MAX = 16_000_000;
/**
 * The same for answers about namespaces and rooms: callers who ask for many of them take nothing from answers about the whole.
 */
export const SHARED_SCOPES_BYTES_MAX = 8_000_000;
/** Feeds of namespaces and rooms whose changes are polled and not streamed: each is kept for 10 s after it was asked for. */
export const FEEDS_POLLED_MAX = 100;
/** Most bytes of answers about the changes of some users. */
export const FILTERED_BYTES_MAX = 4 * 1024 * 1024;
/** Most bytes of lookups' bodies at once. A full one has 1.5 MB and takes about five times that until it is answered. */
export const BODIES_BYTES_MAX = 32_000_000;
/** How long an event stream lives, ms: 5 minutes; at most a day. */
export const STREAM_LIFE_MS = 300_000;
export const STREAM_LIFE_MS_MIN = 1_000;
export const STREAM_LIFE_MS_MAX = 86_400_000;
/** Interval of keep-alive comments, ms: proxies close connections that are silent for 30 s or more. */
export const STREAM_HEARTBEAT_MS = 15_000;
export const STREAM_HEARTBEAT_MS_MIN = 100;
export const STREAM_HEARTBEAT_MS_MAX = 300_000;
/** Most requests to Redis of one stream, where there is a limit. */
export const STREAM_REQUESTS_MAX = 1_000_000_000;
/** Event streams at once, in each pool. */
export const STREAMS = 1_000;
export const STREAMS_MAX = 100_000;
/** Event streams without a token of one client. */
export const STREAMS_PER_CLIENT = 100;
/** Most proxies in front of a server. */
export const PROXIES_MAX = 10;
/** Bytes of one event of changes, approximately: more become several events. */
export const EVENT_BYTES = 65_536;
/** Most bytes of one event of changes; an entry that alone has more becomes a gap. */
export const EVENT_BYTES_MAX = 2_097_152;
/** How long a subscriber may take nothing before its stream is cut, ms; by default at least two heartbeats. */
export const STREAM_STALL_MS = 30_000;
export const STREAM_STALL_MS_MIN = 100;
export const STREAM_STALL_MS_MAX = 3_600_000;
/** Fewest characters of a token: 64 random bits in hex. Tokens are pasted, not remembered. */
export const TOKEN_LENGTH_MIN = 16;
/** Tokens in one list: every request is compared with each of them. */
export const TOKENS_MAX = 32;

// Browser tokens.

/** Most actions, users and patterns of a grant, and characters of an action. */
export const GRANT_ACTIONS_MAX = 64;
export const GRANT_ACTION_LENGTH_MAX = 64;
export const GRANT_USERS_MAX = 1_000;
export const GRANT_SCOPES_MAX = 64;
/** Characters of a browser token: all header fields of a request have 16 kB on Node. */
export const BROWSER_TOKEN_LENGTH_MAX = 16_384;
/** Bytes of a secret that browser tokens are signed with, and of the key of cursors; HS256 asks for 32 at least. */
export const BROWSER_SECRET_BYTES_MIN = 32;
export const BROWSER_SECRET_BYTES_MAX = 256;
/** Two while one replaces the other, and one to spare. */
export const BROWSER_SECRETS_MAX = 3;
/** Characters of an issuer, an audience and the name of a cookie. */
export const BROWSER_NAME_MAX = 256;
/** The longest accepted life of a browser token, ms: an hour, at most a day. */
export const BROWSER_AGE_MS = 3_600_000;
export const BROWSER_AGE_MS_MIN = 1_000;
export const BROWSER_AGE_MS_MAX = 86_400_000;
/** How long a token that signToken() makes is good for, ms: 15 minutes. */
export const BROWSER_EXPIRES_MS = 900_000;
/** By how much two clocks may differ, ms. */
export const BROWSER_LEEWAY_MS = 5_000;
export const BROWSER_LEEWAY_MS_MAX = 300_000;
/** Requests a second of one subject, and in how many seconds' worth of them may come at once. */
export const BROWSER_REQUESTS = 20;
export const BROWSER_REQUESTS_MAX = 10_000;
export const BROWSER_BURST_S = 2;
/** Subjects whose requests are counted: some 200 bytes each, with an id of 64. */
export const BROWSER_SUBJECTS_MAX = 10_000;
/** Event streams of one subject. */
export const STREAMS_PER_SUBJECT = 10;
/** Keys of a key set, bytes of it, and characters of its URL. */
export const JWKS_KEYS_MAX = 100;
export const JWKS_BYTES_MAX = 262_144;
export const JWKS_URL_MAX = 2_048;
/** How long the fetch of a key set may take, how long it is used before it is fetched again, and how soon at the earliest, ms. */
export const JWKS_FETCH_MS = 5_000;
export const JWKS_FRESH_MS = 600_000;
export const JWKS_AGAIN_MS = 10_000;
/** Fetches at once while no key set is known yet. */
export const JWKS_FIRST_MAX = 8;
/** Reads of one answer about some users' changes: together as many changes as are kept. */
export const OWN_READS_MAX = 100;
/**
 * How long the API's server keeps an idle connection, ms: balancers close theirs after 60 s, and must be the first to. Then an hour,
 * for those that are set to much more.
 */
export const KEEP_ALIVE_MS = 65_000;
export const KEEP_ALIVE_MS_MAX = 3_600_000;
/** How long the header of a request, and the whole request, may take to arrive, ms. */
export const HEADERS_MS = 10_000;
export const SEND_MS = 30_000;
export const SEND_MS_MAX = 300_000;
/** How long a server that is to end goes on serving, ms, at most. */
export const DRAIN_MS_MAX = 300_000;
/** Where the API listens on Node and Bun: reachable from this machine only, unless HOST is set. */
export const PORT = 3_000;
export const PORT_MAX = 65_535;
export const HOST = "127.0.0.1";

// Connections and timers.

/** A connection is closed when nothing arrives for this long while a reply is pending, ms. */
export const SILENCE_MS = 5_000;
/** A recorder closes it after a third of its lease, ms, but not sooner than this. */
export const SILENCE_MS_MIN = 1_000;
/** A REST request with its retries, ms: less than the API waits (REQUEST_MS), so that the client gives up first. */
export const REST_MS = 4_000;
/** How many times it is retried: the caller is waiting, and can ask again. */
export const REST_RETRIES = 1;
/** The first pause before a retry, ms; each further one is twice as long. */
export const REST_AGAIN_MS = 50;
/** How long one XREAD blocks, ms: the longest until a silently dead connection is noticed. */
export const BLOCK_MS = 5_000;
/** Entries of one XREAD. */
export const TAIL_ENTRIES = 100;
/** From a delivery to the next XREAD, ms: under load it returns several entries, and Redis wakes each reader less often. */
export const COALESCE_MS = 10;
/** It waits only while deliveries are closer together than this on average, ms; so many may come at once before it does. */
export const COALESCE_UNDER_MS = 20;
export const COALESCE_BURST = 5;
/** How long after a delivery to check whether anything was missing, ms: each check is a command of each listening process. */
export const PROVING_MS = 1_000;

// The mirror of a process with listeners.

/** Most users it holds, about 20 bytes each besides the id; a JavaScript Map holds at most 16.7 million. */
export const MIRROR_USERS = 1_000_000;
export const MIRROR_USERS_MAX = 16_000_000;
/**
 * How long departures wait after a gap, in leases. A process that Redis has forgotten registers again within one, and then has to
 * send everybody it has.
 */
export const SETTLE_LEASES = 1.5;
/** Most namespaces and rooms that a process follows at once, and how many of them are read at a time. */
export const SCOPES_FOLLOWED_MAX = 1_000;
export const VIEWS_AT_ONCE = 16;
/** How often it is compared with the number of users (level check), ms. */
export const LEVEL_MS = 5_000;
/** Users in one page, and in one query about missing users. */
export const LEVEL_CHUNK = 1_000;
/** A tail is kept this long without listeners, ms: repeated once() removes one listener before the next is added. */
export const UNHEARD_MS = 1_000;
/** A listener that has not failed for this long has stopped failing, ms. */
export const LISTENER_QUIET_MS = 30_000;
/** How long `ready` waits by default, ms. */
export const READY_MS = 10_000;
/** The first pause before a retry, ms, and the longest: every process reconnects within it after an outage. */
export const BACKOFF_MS_MIN = 50;
export const BACKOFF_MS_MAX = 2_000;
/** The longest pause while something has to be changed first, ms: an access rule, a version. Then it is noticed within it. */
export const LASTING_MS_MAX = 30_000;
/** The longest delay of a JavaScript timer, ms: 24.8 days. A longer one would fire at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

// Durable subscribers.

/** Characters of a name. It is part of keys. */
export const SUBSCRIBER_NAME_MAX = 64;
/** Subscribers of a prefix: each keeps who is present, some 50 bytes a user. */
export const SUBSCRIBERS_MAX = 100;
/** How long a process has the turn unless it renews it, ms: so long nothing is delivered after it has crashed. */
export const SUBSCRIBER_TURN_MS = 30_000;
export const SUBSCRIBER_TURN_MS_MIN = 1_000;
export const SUBSCRIBER_TURN_MS_MAX = 600_000;
/** How long a handler may take, ms. */
export const HANDLE_MS = 30_000;
export const HANDLE_MS_MIN = 10;
/** Namespaces and rooms in a list of a subscriber. */
export const DELIVERY_SCOPES_MAX = 1_000;
/** Told namespaces and rooms whose users are added up when a subscriber is compared: with more it is not, but at gaps. */
export const TOLD_SUMMED_MAX = 2_000;
/** Changes handed over at once. */
export const BATCH_MAX = 1_000;
/** Times to try again, and the longest wait before one, ms: a day. */
export const RETRIES_MAX = 100;
export const RETRY_MS_MAX = 86_400_000;
/** The waits, ms: twelve attempts in 16 hours. */
export const RETRIES_MS: readonly number[] = [
  1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 28_800_000,
];
/** What is added to a wait at random, as a part of it: many do not come back in the same instant. */
export const RETRY_JITTER = 0.1;
/** Entries read at once; the first of them, and the bytes of these up to which more are read, since one can hold thousands of changes. */
export const ENTRIES_READ = 100;
export const ENTRIES_FIRST = 16;
export const ENTRIES_BYTES = 65_536;
/** Users whose state one call notes, about. */
export const NOTED_MAX = 2_000;
/** Whom a process has told about, and remembers, by number and bytes of their names, and for how long, ms: longer than a failover takes. */
export const RECENT_MAX = 4_096;
export const RECENT_BYTES_MAX = 262_144;
export const RECENT_MS = 60_000;
/** How far tokens that a failover took may be beyond those that a caller knows of: what 1,000 s make, and no subscriber in that time. */
export const LOST_STEPS_MAX = 1_000_000_000;
/** How often a subscriber that has nothing left is compared with the number of users, ms; for as long dead letters may be kept too long. */
export const SUBSCRIBER_CHECK_MS = 60_000;
/** Users compared in one step, and steps in one call: about 4 ms of Redis. */
export const COMPARED = 500;
export const PAGES_MAX = 8;
/** `MAXLEN ~` of dead letters. */
export const DEAD_LETTERS_MAX = 10_000;
/** How long they are kept, ms, and a subscriber that nobody serves: 30 days. */
export const DEAD_LETTERS_KEPT_MS = 2_592_000_000;
/** Subscribers that nobody serves which one call removes. */
export const UNSERVED_MAX = 10;
/** Characters of an error that is kept with one. */
export const DELIVERY_ERROR_MAX = 500;
/** Dead letters of one page of list(). */
export const LETTERS_PAGE_MAX = 1_000;
export const LETTERS_PAGE_DEFAULT = 100;
/** Nobody serves a subscriber whose turn was not renewed for this much longer than it lasts, ms: two runs of a scheduled function. */
export const SUBSCRIBER_STALE_MS = 120_000;
/** How long deliver() goes on by default, ms. */
export const DELIVER_MS = 30_000;

// Webhooks.

/** Secrets of one webhook: each signs, so that one can be replaced. Bytes of one, decoded, as the specification says. */
export const WEBHOOK_SECRETS_MAX = 3;
export const WEBHOOK_SECRET_BYTES_MIN = 24;
export const WEBHOOK_SECRET_BYTES_MAX = 64;
/** Characters of a URL. */
export const WEBHOOK_URL_MAX = 2_048;
/** Hosts and networks that may be named as allowed. */
export const WEBHOOK_ALLOW_MAX = 100;
/** Events of one batch, and bytes of one body: the specification suggests less than 20 kB. One event alone is always less. */
export const WEBHOOK_BATCH_MAX = 100;
export const WEBHOOK_BODY_BYTES = 20_000;
/** The name of the webhook that variables configure. */
export const WEBHOOK_NAME = "webhook";
/** Events of one request from a function or the worker, which are configured by variables: a function has few requests. */
export const WEBHOOK_BATCH_CONFIGURED = 100;
/** How long an attempt may take, ms. The specification suggests 15 to 30 s. */
export const WEBHOOK_MS = 20_000;
export const WEBHOOK_MS_MIN = 100;
export const WEBHOOK_MS_MAX = 60_000;
/** Bytes of an answer that are read before its connection is closed, and how long that may take, ms. The status alone counts. */
export const WEBHOOK_ANSWER_BYTES = 4_096;
export const WEBHOOK_ANSWER_MS = 1_000;
/** The waits of the specification, ms: ten attempts in 75 hours and a half. */
export const WEBHOOK_RETRIES_MS: readonly number[] = [
  5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000,
];
/** Characters of a user agent. */
export const WEBHOOK_AGENT_MAX = 256;

// The largest answers of a reader and the HTTP API.

/** Ids of one lookup(). */
export const LOOKUP_IDS_MAX = 1_000;
/** Users of one page(), approximately: HSCAN can return a few more, and a small set is returned whole. */
export const PAGE_USERS_MAX = 1_000;
export const PAGE_USERS_DEFAULT = 100;
/** Users of one usersList(). At 1,000 a round trip, 100,000 are a hundred round trips and some 10 MB of memory. */
export const LIST_USERS_MAX = 100_000;
export const LIST_USERS_DEFAULT = 10_000;
/** Scopes of one page of scopes(), of one countsIn(), and those that one page looks at: most are left out by `namespace` or `prefix`. */
export const PAGE_SCOPES_MAX = 1_000;
export const PAGE_SCOPES_DEFAULT = 100;
export const COUNTS_IN_MAX = 1_000;
export const SCOPES_LOOKED_MAX = 20_000;
/** Scopes that scopes() adds up over several shards: their order is known only when all are read. */
export const SCOPES_MERGED_MAX = 100_000;
/** Sockets of one page of sockets(), approximately. */
export const PAGE_SOCKETS_MAX = 1_000;
export const PAGE_SOCKETS_DEFAULT = 100;
/** How many one page reads at a time when most may be left out, and how many such reads it makes: each is a round trip. */
export const SOCKETS_SCANNED = 1_000;
export const SOCKET_SCANS_MAX = 50;
/** Most sockets, and most rooms, that an adapter made by withPresence() answers: as a set in memory, some 10 MB. */
export const ADAPTER_ANSWER_MAX = 100_000;
/** Changes of one changes(), approximately: entries are returned whole. */
export const CHANGES_READ_MAX = 1_000;
export const CHANGES_READ_DEFAULT = 100;
/**
 * Users that usersAt() holds of one shard: those listed, and those who came or went since. Some 100 bytes each. Its answer has at most
 * LIST_USERS_MAX.
 */
export const PAST_USERS_MAX = 1_000_000;
/** How often usersAt() begins again when entries were lost on the way. */
export const PAST_TRIES = 3;
/** Entries of one read of the past: as many as make about so many bytes, few at first. One entry can have 1 MB. */
export const PAST_ENTRIES_FIRST = 32;
export const PAST_ENTRIES_MAX = 1_000;
export const PAST_BYTES = 500_000;
/** Reads of one page of sessions(), and its sessions. */
export const SESSION_READS_MAX = 50;
export const SESSIONS_MAX = 1_000;
export const SESSIONS_DEFAULT = 100;
/** Processes whose states a reader reads in one request. */
export const PROCESSES_PAGE = 1_000;
/** How often a reader reads Redis's clock, ms; and how often until a projector has written it. */
export const CLOCK_READ_MS = 60_000;
export const CLOCK_MISSING_MS = 1_000;
/** How many of the latest records a reader searches for renewed leases: records per page, and pages. */
export const RENEWALS_PAGE = 100;
export const RENEWALS_PAGES = 20;
/** Points of one history(), and the minutes, hours or days they are made of. */
export const HISTORY_POINTS_MAX = 1_500;
export const HISTORY_PARTS_MAX = 15_000;
/** Days of one distinct(): a month. */
export const DISTINCT_SPAN_DAYS = 31;
/** Users that one request can follow; many more do not fit into a URL. */
export const FOLLOWED_USERS_MAX = 100;
/** Bytes of a URL that every server and proxy accepts. */
export const URL_BYTES_MAX = 8_192;
