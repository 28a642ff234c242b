/**
 * What Rollcall's own connections take over from the client of the application, option by option. This table is the only place
 * that decides it. An option of a later ioredis that is not in it is taken over; a test names it.
 *
 * Taken over is what says where the server is and who is asking. How commands are sent, repeated and decoded is fixed: the
 * recorder sends the same record again after a failure, so a failure must show at once, and replies have one shape.
 */
import { backoff } from "../core/backoff.ts";

/** What the settings of one connection depend on. */
export interface Own {
  /** The connection is closed when nothing arrives for this long while a reply is pending, ms. */
  readonly timeout: number;
  /** Shown by CLIENT LIST. */
  readonly name: string;
}

export type Rule =
  | { readonly is: "taken"; readonly why: string }
  | { readonly is: "fixed"; readonly to: (own: Own) => unknown; readonly why: string };

const taken = (why: string): Rule => ({ is: "taken", why });
const fixed = (value: unknown, why: string): Rule => ({ is: "fixed", to: () => value, why });

/** One argument only: a client may pass a second one, which must not replace backoff's random source. */
const retry = (attempt: number) => backoff(attempt);

const WHERE = "where the server is";
const WHO = "who is asking";
const TRANSPORT = "how bytes get there";
const SUBSCRIBES = "Rollcall does not subscribe";
const SCRIPTS = "Rollcall brings its own script";
const PLAIN = "names and replies have one shape, whatever the application prefers";
const AT_ONCE = "a failure must show at once: the recorder then sends the same record again";
const CALLS = "a command is sent when it is called";
const TIMEOUTS = "derived from the lease, so that a dead connection is given up before the lease expires";
const BLOCKING = "following changes blocks on purpose; `socketTimeout` ends what is stuck";
const SETTLES = "how long a command is sent from node to node before it fails: the recorder repeats it";

/** Options of a Redis client, and of `redisOptions` of a Cluster. */
export const REDIS_OPTIONS = {
  host: taken(WHERE),
  port: taken(WHERE),
  family: taken(WHERE),
  path: taken(WHERE),
  db: taken(WHERE),
  sentinels: taken(WHERE),
  name: taken(WHERE),
  natMap: taken(WHERE),
  updateSentinels: taken(WHERE),
  sentinelMaxConnections: taken(WHERE),
  Connector: taken(WHERE),
  username: taken(WHO),
  password: taken(WHO),
  sentinelUsername: taken(WHO),
  sentinelPassword: taken(WHO),
  disableClientInfo: taken(WHO),
  clientInfoTag: taken(WHO),
  tls: taken(TRANSPORT),
  sentinelTLS: taken(TRANSPORT),
  enableTLSForSentinelMode: taken(TRANSPORT),
  keepAlive: taken(TRANSPORT),
  noDelay: taken(TRANSPORT),
  protocol: taken("replies of RESP3 are turned into the shape of RESP2"),
  failoverDetector: taken("a failover is noticed sooner; without it, by the error of the old primary"),

  role: fixed("master", "a replica refuses writes, and its answers lag behind"),
  preferredSlaves: fixed(undefined, "no replica is read"),
  readOnly: fixed(false, "a replica refuses writes, and its answers lag behind"),
  sentinelRetryStrategy: {
    is: "fixed",
    to: () => retry,
    why: "Rollcall tries for as long as it runs; one that gives up would end it",
  },
  sentinelReconnectStrategy: fixed(() => 1_000, "a lost watch over the Sentinels is resumed"),
  sentinelCommandTimeout: {
    is: "fixed",
    to: ({ timeout }) => timeout,
    why: "a Sentinel that hangs is passed over",
  },
  retryStrategy: {
    is: "fixed",
    to: () => retry,
    why: "Rollcall tries for as long as it runs, with jitter; one that gives up would end it",
  },
  reconnectOnError: fixed(undefined, "Rollcall decides itself which errors mean another server"),
  connectTimeout: { is: "fixed", to: ({ timeout }) => timeout, why: TIMEOUTS },
  socketTimeout: { is: "fixed", to: ({ timeout }) => timeout, why: TIMEOUTS },
  commandTimeout: fixed(undefined, BLOCKING),
  blockingTimeout: fixed(undefined, BLOCKING),
  blockingTimeoutGrace: fixed(undefined, BLOCKING),
  disconnectTimeout: fixed(100, "a socket that does not close would keep the process alive"),
  connectionName: {
    is: "fixed",
    to: ({ name }) => name,
    why: "CLIENT LIST shows which connections are Rollcall's",
  },
  maxRetriesPerRequest: fixed(0, AT_ONCE),
  autoResendUnfulfilledCommands: fixed(false, AT_ONCE),
  enableOfflineQueue: fixed(
    false,
    "queued commands never settle when the connection is closed between two attempts",
  ),
  enableReadyCheck: fixed(true, "a server that is loading its data is waited for"),
  maxLoadingRetryTime: fixed(1_000, "a server that has loaded its data is used within a second"),
  lazyConnect: fixed(false, "connecting begins at once"),
  enableAutoPipelining: fixed(false, CALLS),
  autoPipeliningIgnoredCommands: fixed(undefined, CALLS),
  offlineQueue: fixed(undefined, CALLS),
  commandQueue: fixed(undefined, CALLS),
  keyPrefix: fixed("", "the option `prefix` names the keys, here and in every other reader"),
  stringNumbers: fixed(false, PLAIN),
  replyMapping: fixed("legacy", PLAIN),
  showFriendlyErrorStack: fixed(false, "it costs a stack for each command"),
  autoResubscribe: fixed(false, SUBSCRIBES),
  monitor: fixed(false, "a connection that monitors takes no commands"),
  scripts: fixed(undefined, SCRIPTS),
  himportFieldsets: fixed(undefined, "Rollcall does not import"),
} as const satisfies Readonly<Record<string, Rule>>;

/** Options of a Cluster. */
export const CLUSTER_OPTIONS = {
  useSRVRecords: taken(WHERE),
  resolveSrv: taken(WHERE),
  dnsLookup: taken(WHERE),
  natMap: taken(WHERE),
  slotsRefreshTimeout: taken("how far away the nodes are"),
  slotsRefreshInterval: taken("how large the Cluster is"),
  redisOptions: taken("option by option, as above"),

  clusterRetryStrategy: REDIS_OPTIONS.retryStrategy,
  clusterNodeRetryStrategy: fixed(null, "a node that reconnects by itself queues commands that never settle"),
  scaleReads: fixed("master", "a replica's answers lag behind"),
  maxRedirections: fixed(16, SETTLES),
  retryDelayOnFailover: fixed(100, SETTLES),
  retryDelayOnClusterDown: fixed(100, SETTLES),
  retryDelayOnTryAgain: fixed(100, SETTLES),
  retryDelayOnMoved: fixed(0, SETTLES),
  shardedSubscribers: fixed(false, SUBSCRIBES),
  enableOfflineQueue: REDIS_OPTIONS.enableOfflineQueue,
  enableReadyCheck: REDIS_OPTIONS.enableReadyCheck,
  lazyConnect: REDIS_OPTIONS.lazyConnect,
  enableAutoPipelining: REDIS_OPTIONS.enableAutoPipelining,
  autoPipeliningIgnoredCommands: REDIS_OPTIONS.autoPipeliningIgnoredCommands,
  keyPrefix: REDIS_OPTIONS.keyPrefix,
  showFriendlyErrorStack: REDIS_OPTIONS.showFriendlyErrorStack,
  scripts: REDIS_OPTIONS.scripts,
  himportFieldsets: REDIS_OPTIONS.himportFieldsets,
} as const satisfies Readonly<Record<string, Rule>>;

function fixedOf(rules: Readonly<Record<string, Rule>>, own: Own): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(rules).flatMap(([name, rule]) => (rule.is === "fixed" ? [[name, rule.to(own)]] : [])),
  );
}

/** What to pass to `new Redis()` or `duplicate()`. */
export function redisSettings(own: Own): Record<string, unknown> {
  return fixedOf(REDIS_OPTIONS, own);
}

/** What a Cluster decides for its nodes. */
const BY_THE_CLUSTER = new Set(["retryStrategy", "enableOfflineQueue", "readOnly", "role"]);

/** What to pass to `duplicate()` of a Cluster. */
export function clusterSettings(own: Own): Record<string, unknown> {
  const nodes = Object.entries(redisSettings(own)).filter(([name]) => !BY_THE_CLUSTER.has(name));
  return {
    ...fixedOf(CLUSTER_OPTIONS, own),
    // A node that connects at once is still connecting when the Cluster is ready, and refuses commands meanwhile.
    redisOptions: { ...Object.fromEntries(nodes), lazyConnect: true },
  };
}
