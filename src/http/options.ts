/** The options of createApp, checked when the app is created and not when a request arrives. */
import {
  DRAIN_MS_MAX,
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
  STREAM_STALL_MS,
  STREAM_STALL_MS_MAX,
  STREAM_STALL_MS_MIN,
  PROXIES_MAX,
  STREAMS,
  STREAMS_MAX,
  STREAMS_PER_CLIENT,
  STREAMS_PER_SUBJECT,
} from "../core/limits.ts";
import {
  abortSignal,
  boolean,
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
import { type BrowserTokensOptions, resolveBrowserTokens } from "./browser-options.ts";
import { checkScopes, checkTokens } from "./token-lists.ts";

/** Who may read the counts; see AppOptions.counts. */
const COUNTS = ["open", "whole", "closed"] as const;
export type CountsAccess = (typeof COUNTS)[number];

/** Whether /ready and /metrics require a token; see AppOptions.probes. */
const PROBES = ["open", "closed"] as const;
export type ProbesAccess = (typeof PROBES)[number];

/** Whether there is a dashboard, and whether a token is in it; see AppOptions.dashboard. */
export type DashboardAccess = boolean | { readonly token: string };

export interface AppOptions {
  /** Where answers come from: createReader(). */
  readonly reader: Reader;
  /**
   * Each of these opens every route: at most 32, each at least 16 printable characters (`openssl rand -hex 24`). Use
   * several to rotate them. Default none: then every route except /health and the counts of the whole is closed.
   */
  readonly tokens?: readonly string[] | undefined;
  /** Each of these opens the numbers only: /v1/counts where it is closed, /v1/counts/lookup, /ready and /metrics. Default none. */
  readonly countsTokens?: readonly string[] | undefined;
  /** Signed, short-lived tokens for browsers, which say themselves what their holder may ask: signToken(). Default: none are accepted. */
  readonly browserTokens?: BrowserTokensOptions | undefined;
  /**
   * What /v1/counts answers without a token: "whole", the counts of the whole; "open", those of every namespace and room too, for whoever
   * knows or guesses its name; "closed", nothing. Default "whole".
   */
  readonly counts?: CountsAccess | undefined;
  /**
   * Whether /ready and /metrics answer without a token: "open" or "closed", for a balancer and Prometheus in a network of their own.
   * createProbes() puts them on another port instead. Default "closed".
   */
  readonly probes?: ProbesAccess | undefined;
  /**
   * Whether `GET /docs` shows the API to people: a page made from /openapi.json, which is open too. It has no script and loads nothing, and
   * it contains no data. Default true.
   */
  readonly docs?: boolean | undefined;
  /**
   * Whether `GET /` is the dashboard: one page that shows who is online, live, and asks for a token before it shows more than the
   * counts. The token stays in the page's memory. Default: true if `tokens` or `countsTokens` has one; true without any is refused.
   *
   * `{ token }`, one of `tokens`, is put into the page, which then asks for none: **whoever opens the page has the token**, and with it
   * every route. It is meant for a demo on this machine, so a page that is asked for under another name than `localhost` or a loopback
   * address, from another machine or through a proxy that says so comes without it.
   */
  readonly dashboard?: DashboardAccess | undefined;
  /** Origins whose pages may call the API from a browser, such as `https://app.example`, or "*" alone. Default none: no CORS. */
  readonly origins?: readonly string[] | undefined;
  /** How long a request may wait for Redis, ms; after that the answer is 503. 1 to 60,000, default 5,000. */
  readonly timeout?: number | undefined;
  /**
   * How long an answer is reused for identical requests, ms: Redis gets one read in this time, however many clients ask. 0
   * to 60,000, default 1,000. With 0, only requests that overlap share a read.
   */
  readonly reuse?: number | undefined;
  /** Limits of the event streams. */
  readonly streams?: StreamLimits | undefined;
  /** The server is to end: /serving and /ready answer 503 at once, and after `drain` the event streams end. */
  readonly signal?: AbortSignal | undefined;
  /**
   * For how long the server goes on serving once `signal` has fired, ms, so that balancers notice first: the same as for serve().
   * 0 to 300,000, default 0.
   */
  readonly drain?: number | undefined;
  /** Receives a line for each answer with a status of 500 or above, such as `console` or pino's; see RecorderOptions.logger. Default: silent. */
  readonly logger?: Logger | false | undefined;
}

export interface StreamLimits {
  /** How long an event stream lives before its client has to reconnect, ms. 1,000 to 86,400,000, default 300,000. */
  readonly life?: number | undefined;
  /**
   * How long without an event until a keep-alive is sent, ms, so that proxies do not close the stream. 100 to 300,000 and
   * at most `life`, default 15,000.
   */
  readonly heartbeat?: number | undefined;
  /**
   * How long a client may take nothing until its stream is cut and its place is free, ms. One that takes a sixth of that for what
   * one read brought is slow, and gets a gap instead of what it has missed. 100 to 3,600,000, default 30,000, or two heartbeats if
   * that is longer.
   */
  readonly stall?: number | undefined;
  /**
   * Most requests to Redis that one stream makes before its client has to reconnect: platforms limit the requests of one
   * invocation. 1 to 1,000,000,000, default no limit.
   */
  readonly requests?: number | undefined;
  /**
   * Most streams at once with tokens of one scope; further ones get 503. 0 to 100,000, default 1,000. 0 turns all streams off,
   * for platforms that buffer answers.
   */
  readonly most?: number | undefined;
  /**
   * Most streams at once without a token, which only open counts have; further ones get 503. They never take a place from a
   * stream with a token. 0 to 100,000, default: as `most`.
   */
  readonly anonymous?: number | undefined;
  /** Most streams of one token; further ones get 429. 1 to `most`, default `most`. */
  readonly perToken?: number | undefined;
  /** Most streams of one subject of browser tokens; further ones get 429. 1 to `most`, default 10 or `most` if that is less. */
  readonly perSubject?: number | undefined;
  /**
   * Most streams without a token of one client, by its address; further ones get 429. 1 to `anonymous`, default 100 or
   * `anonymous` if that is less.
   */
  readonly perClient?: number | undefined;
  /**
   * How many proxies in front of the server write X-Forwarded-For: a client's address is then that many entries from its end. 0
   * to 10, default 0: the address of the connection on Node. Not needed on Cloudflare.
   */
  readonly proxies?: number | undefined;
}

const APP_OPTIONS: Known<AppOptions> = {
  reader: true,
  tokens: true,
  countsTokens: true,
  browserTokens: true,
  counts: true,
  probes: true,
  docs: true,
  dashboard: true,
  origins: true,
  timeout: true,
  reuse: true,
  streams: true,
  signal: true,
  drain: true,
  logger: true,
};
const STREAM_LIMITS: Known<StreamLimits> = {
  life: true,
  heartbeat: true,
  stall: true,
  requests: true,
  most: true,
  anonymous: true,
  perToken: true,
  perSubject: true,
  perClient: true,
  proxies: true,
};

export type ResolvedAppOptions = ReturnType<typeof resolveAppOptions>;

/** Throws PresenceError OPTIONS_INVALID that names the first invalid option. */
export function resolveAppOptions(options: AppOptions) {
  refuseUnknown(options, APP_OPTIONS, "createApp");
  const { reader } = options;
  if (typeof reader !== "object" || reader === null)
    invalid("reader must be a Reader: create one with createReader()");
  const counts = checkCounts(options.counts);
  const tokens = checkTokens(options.tokens ?? []);
  const countsTokens = checkTokens(options.countsTokens ?? [], "countsTokens");
  checkScopes(tokens, countsTokens);
  const { browserTokens } = options;
  return {
    reader,
    tokens,
    countsTokens,
    browserTokens: browserTokens === undefined ? undefined : resolveBrowserTokens(browserTokens),
    counts,
    probes: checkProbes(options.probes),
    docs: boolean("docs", options.docs ?? true),
    dashboard: resolveDashboard(options.dashboard, tokens, countsTokens),
    origins: checkOrigins(options.origins ?? []),
    timeout: whole("timeout", options.timeout ?? REQUEST_MS, 1, REQUEST_MS_MAX),
    reuse: whole("reuse", options.reuse ?? REUSE_MS, 0, REUSE_MS_MAX),
    streams: resolveStreamLimits(options.streams ?? {}),
    signal: abortSignal("signal", options.signal),
    drain: checkDrain(options.drain),
    logger: loggerOr(SILENT, options.logger),
  };
}

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveStreamLimits(streams: StreamLimits) {
  refuseUnknown(streams, STREAM_LIMITS, "createApp", "streams");
  const { heartbeat = STREAM_HEARTBEAT_MS, requests } = streams;
  const most = whole("streams.most", streams.most ?? STREAMS, 0, STREAMS_MAX);
  const anonymous = whole("streams.anonymous", streams.anonymous ?? most, 0, STREAMS_MAX);
  if (most === 0 && (streams.anonymous ?? 0) > 0) {
    invalid(`streams.anonymous (${anonymous}) has no effect with streams.most 0, which turns streams off`);
  }
  const life = whole("streams.life", streams.life ?? STREAM_LIFE_MS, STREAM_LIFE_MS_MIN, STREAM_LIFE_MS_MAX);
  whole("streams.heartbeat", heartbeat, STREAM_HEARTBEAT_MS_MIN, STREAM_HEARTBEAT_MS_MAX);
  // With a life shorter than the default heartbeat, no keep-alive is needed.
  if (streams.heartbeat !== undefined && heartbeat > life) {
    invalid(`streams.heartbeat (${heartbeat} ms) must be at most streams.life (${life} ms): lower it`);
  }
  const stall = streams.stall ?? Math.max(STREAM_STALL_MS, 2 * heartbeat);
  return {
    life,
    heartbeat,
    stall: whole("streams.stall", stall, STREAM_STALL_MS_MIN, STREAM_STALL_MS_MAX),
    requests: requests === undefined ? Infinity : whole("streams.requests", requests, 1, STREAM_REQUESTS_MAX),
    most,
    anonymous,
    perToken: share("perToken", streams.perToken, most, "most", most),
    perSubject: share("perSubject", streams.perSubject, Math.min(STREAMS_PER_SUBJECT, most), "most", most),
    perClient: share(
      "perClient",
      streams.perClient,
      Math.min(STREAMS_PER_CLIENT, anonymous),
      "anonymous",
      anonymous,
    ),
    proxies: whole("streams.proxies", streams.proxies ?? 0, 0, PROXIES_MAX),
  };
}

/** A part of a pool. */
function share(
  name: string,
  value: number | undefined,
  fallback: number,
  poolName: string,
  pool: number,
): number {
  if (value === undefined) return fallback;
  whole(`streams.${name}`, value, 1, STREAMS_MAX);
  if (value <= pool) return value;
  return invalid(
    `streams.${name} (${value}) must be at most streams.${poolName} (${pool}): lower it, or raise the other`,
  );
}

/** Throws PresenceError OPTIONS_INVALID. */
export function checkCounts(counts: CountsAccess = "whole"): CountsAccess {
  return oneOf("counts", counts, COUNTS);
}

/** Throws PresenceError OPTIONS_INVALID. */
export function checkProbes(probes: ProbesAccess = "closed"): ProbesAccess {
  return oneOf("probes", probes, PROBES);
}

const DASHBOARD: Known<Extract<DashboardAccess, object>> = { token: true };

/** Undefined: there is no dashboard. */
export type Dashboard = { readonly token: string | undefined } | undefined;

/** Throws PresenceError OPTIONS_INVALID that never quotes a token. */
function resolveDashboard(
  dashboard: DashboardAccess | undefined,
  tokens: readonly string[],
  countsTokens: readonly string[],
): Dashboard {
  const hasTokens = tokens.length + countsTokens.length > 0;
  const access: unknown = dashboard ?? hasTokens;
  if (access === false) return undefined;
  if (access === true) {
    if (hasTokens) return { token: undefined };
    return invalid(
      "dashboard: true needs a token, for the page shows only what a token opens: set `tokens`, or leave out `dashboard`",
    );
  }
  if (typeof access !== "object" || access === null)
    invalid("dashboard must be true, false or { token }, where token is one of `tokens`");
  refuseUnknown(access, DASHBOARD, "createApp", "dashboard");
  const { token } = access as { readonly token?: unknown };
  if (typeof token === "string" && tokens.includes(token)) return { token };
  return invalid("dashboard.token must be one of `tokens`: it is put into the page");
}

/** Throws PresenceError OPTIONS_INVALID. */
export function checkDrain(drain = 0): number {
  return whole("drain", drain, 0, DRAIN_MS_MAX);
}

/** Throws PresenceError OPTIONS_INVALID for a value that no browser sends as an origin. */
export function checkOrigins(origins: readonly string[]): readonly string[] {
  if (!Array.isArray(origins)) invalid('origins must be a list such as ["https://app.example"]');
  for (const [i, origin] of (origins as readonly unknown[]).entries()) {
    if (origin === "*") {
      if (origins.length > 1)
        invalid('origins has "*" and others: "*" allows every origin, so keep it alone or remove it');
      continue;
    }
    // Browsers send exactly this form: anything else (a path, a trailing slash, a pattern) would never match.
    if (typeof origin !== "string" || !/^https?:\/\//.test(origin) || !isOrigin(origin)) {
      invalid(
        `origins[${i}] is not an origin: use scheme, host and port only, such as https://app.example:8443`,
      );
    }
  }
  return [...origins];
}

function isOrigin(text: string): boolean {
  return !text.includes("*") && URL.canParse(text) && new URL(text).origin === text;
}
