/** What createApp is given, and the checks that make a wrong value fail there and not in a request. */
import {
  REQUEST_MS,
  REQUEST_MS_MAX,
  REUSE_MS,
  REUSE_MS_MAX,
  STREAM_HEARTBEAT_MS,
  STREAM_HEARTBEAT_MS_MAX,
  STREAM_HEARTBEAT_MS_MIN,
  STREAM_LIFE_MS,
  STREAM_LIFE_MS_MAX,
  STREAM_LIFE_MS_MIN,
  STREAM_REQUESTS_MAX,
  STREAMS,
  STREAMS_MAX,
} from "../core/limits.ts";
import {
  abortSignal,
  invalid,
  type Known,
  type Logger,
  loggerOr,
  oneOf,
  refuseUnknown,
  SILENT,
  whole,
} from "../core/options.ts";
import type { Reader } from "../reader/reader.ts";
import { checkScopes, checkTokens } from "./auth.ts";

/** Who may read the counts; see AppOptions.counts. */
const COUNTS = ["open", "closed"] as const;
export type CountsAccess = (typeof COUNTS)[number];

export interface AppOptions {
  /** What answers: createReader(), or a presence's own process. */
  readonly reader: Reader;
  /**
   * Any of these opens every route: at most 32, each at least 16 printable characters (`openssl rand -hex 24`). Several
   * for a rotation. Default none, which leaves everything but /health and the counts closed to everybody.
   */
  readonly tokens?: readonly string[] | undefined;
  /** Any of these opens the numbers: /v1/counts where it is closed, /ready and /metrics. Default none. */
  readonly countsTokens?: readonly string[] | undefined;
  /** Whether /v1/counts answers without a token: "open" or "closed". Default "open". */
  readonly counts?: CountsAccess | undefined;
  /** Origins whose pages may call from a browser, e.g. `https://app.example`, or "*" alone. Default none: no CORS. */
  readonly origins?: readonly string[] | undefined;
  /** How long a request may wait for Redis, ms; then it is answered 503. 1 to 60,000, default 5,000. */
  readonly timeout?: number | undefined;
  /**
   * How long an answer is reused for identical requests, ms: however many clients ask, Redis gets one read in this time. 0
   * to 60,000, default 1,000. With 0 only requests that overlap share a read.
   */
  readonly reuse?: number | undefined;
  /** Limits of the event streams. */
  readonly streams?: StreamLimits | undefined;
  /** Ends the event streams that are open, and refuses new ones: for a server that closes. */
  readonly signal?: AbortSignal | undefined;
  /** Told of answers with a status of 500 and above; `console` will do. Default: silent. */
  readonly logger?: Logger | undefined;
}

export interface StreamLimits {
  /** How long an event stream lives before its client has to come back, ms. 1,000 to 86,400,000, default 300,000. */
  readonly life?: number | undefined;
  /**
   * After so long without an event, a sign of life, ms, so that no proxy cuts the stream. 100 to 300,000 and at most
   * `life`, default 15,000.
   */
  readonly heartbeat?: number | undefined;
  /**
   * Most requests to Redis that one stream makes before its client has to come back: platforms limit what one invocation
   * may send. 1 to 1,000,000,000, default no limit.
   */
  readonly requests?: number | undefined;
  /** Most streams at once; more are answered 503. 0 to 100,000, default 1,000; 0: none, for platforms that send answers whole. */
  readonly most?: number | undefined;
}

const APP_OPTIONS: Known<AppOptions> = {
  reader: true,
  tokens: true,
  countsTokens: true,
  counts: true,
  origins: true,
  timeout: true,
  reuse: true,
  streams: true,
  signal: true,
  logger: true,
};
const STREAM_LIMITS: Known<StreamLimits> = { life: true, heartbeat: true, requests: true, most: true };

export type ResolvedAppOptions = ReturnType<typeof resolveAppOptions>;

/** Throws PresenceError OPTIONS_INVALID naming the first option that cannot work. */
export function resolveAppOptions(options: AppOptions) {
  refuseUnknown(options, APP_OPTIONS, "createApp");
  const { reader } = options;
  if (typeof reader !== "object" || reader === null)
    invalid("reader must be a Reader: make one with createReader()");
  const counts = checkCounts(options.counts);
  const tokens = checkTokens(options.tokens ?? []);
  const countsTokens = checkTokens(options.countsTokens ?? [], "countsTokens");
  checkScopes(tokens, countsTokens);
  return {
    reader,
    tokens,
    countsTokens,
    counts,
    origins: checkOrigins(options.origins ?? []),
    timeout: whole("timeout", options.timeout ?? REQUEST_MS, 1, REQUEST_MS_MAX),
    reuse: whole("reuse", options.reuse ?? REUSE_MS, 0, REUSE_MS_MAX),
    streams: resolveStreamLimits(options.streams ?? {}),
    signal: abortSignal("signal", options.signal),
    logger: loggerOr(SILENT, options.logger),
  };
}

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveStreamLimits(streams: StreamLimits) {
  refuseUnknown(streams, STREAM_LIMITS, "createApp", "streams");
  const { heartbeat = STREAM_HEARTBEAT_MS, requests, most = STREAMS } = streams;
  const life = whole("streams.life", streams.life ?? STREAM_LIFE_MS, STREAM_LIFE_MS_MIN, STREAM_LIFE_MS_MAX);
  whole("streams.heartbeat", heartbeat, STREAM_HEARTBEAT_MS_MIN, STREAM_HEARTBEAT_MS_MAX);
  // The default of a short life needs no sign.
  if (streams.heartbeat !== undefined && heartbeat > life) {
    invalid(`streams.heartbeat (${heartbeat} ms) must be at most streams.life (${life} ms): lower it`);
  }
  return {
    life,
    heartbeat,
    requests: requests === undefined ? Infinity : whole("streams.requests", requests, 1, STREAM_REQUESTS_MAX),
    most: whole("streams.most", most, 0, STREAMS_MAX),
  };
}

/** Throws PresenceError OPTIONS_INVALID. */
export function checkCounts(counts: CountsAccess = "open"): CountsAccess {
  return oneOf("counts", counts, COUNTS);
}

/** Throws PresenceError OPTIONS_INVALID for what no browser would send as an origin. */
export function checkOrigins(origins: readonly string[]): readonly string[] {
  if (!Array.isArray(origins)) invalid('origins must be a list such as ["https://app.example"]');
  for (const [i, origin] of (origins as readonly unknown[]).entries()) {
    if (origin === "*") {
      if (origins.length > 1)
        invalid('origins has "*" beside others: "*" allows them all, so keep only it, or drop it');
      continue;
    }
    // A browser sends exactly this form: anything else (a path, a slash at the end, a pattern) would never match.
    if (typeof origin !== "string" || !/^https?:\/\//.test(origin) || !isOrigin(origin)) {
      invalid(
        `origins[${i}] is no origin: write scheme, host and port only, such as https://app.example:8443`,
      );
    }
  }
  return [...origins];
}

function isOrigin(text: string): boolean {
  return !text.includes("*") && URL.canParse(text) && new URL(text).origin === text;
}
