/** What createApp is given, and the checks that make a wrong value fail there and not in a request. */
import { PresenceError } from "../core/errors.ts";
import type { Logger } from "../core/options.ts";
import type { Reader } from "../reader/reader.ts";
import { checkScopes, checkTokens } from "./auth.ts";
import { TIMEOUT_MS } from "../time/deadline.ts";

export interface AppOptions {
  readonly reader: Reader;
  /**
   * Any of these opens every route, at least 16 printable characters each. Several for a rotation; none leaves them
   * closed to everybody. Default none.
   */
  readonly tokens?: readonly string[] | undefined;
  /** Any of these opens the numbers: /v1/counts where it is closed, /ready and /metrics. Default none. */
  readonly countsTokens?: readonly string[] | undefined;
  /** Whether /v1/counts answers without a token. Default "open". */
  readonly counts?: "open" | "closed" | undefined;
  /** Origins whose pages may call from a browser, e.g. `https://app.example`, or "*" alone. Default none: no CORS. */
  readonly origins?: readonly string[] | undefined;
  /** How long a request may wait for Redis, ms. 1 to 60,000, default 5,000. */
  readonly timeout?: number | undefined;
  /**
   * How long an answer is reused for others who ask the same, ms: however many ask, Redis gets one request a question in
   * this time. 0 to 60,000, default 1,000; 0: only those who ask at the same time share.
   */
  readonly reuse?: number | undefined;
  readonly streams?: StreamLimits | undefined;
  /** Ends the event streams that are open, and refuses new ones: for a server that closes. */
  readonly signal?: AbortSignal | undefined;
  /** Told of answers with a status of 500 and above. Silent by default. */
  readonly logger?: Logger | undefined;
}

export interface StreamLimits {
  /** How long an event stream lives before its client has to come back, ms. 1,000 to 86,400,000, default 300,000. */
  readonly life?: number | undefined;
  /** After so long without an event, a sign of life, ms. 100 to 300,000, default 15,000. */
  readonly heartbeat?: number | undefined;
  /**
   * Most requests to Redis that one stream makes for all before its client has to come back: platforms limit what one
   * invocation may send. From 1, default no limit.
   */
  readonly requests?: number | undefined;
  /** Most streams at once. 0 to 100,000, default 1,000; 0: none, for platforms that send answers whole. */
  readonly most?: number | undefined;
}

const TIMEOUT_MS_MAX = 60_000;
const REUSE_MS = 1_000;
const LIFE_MS = 300_000;
const HEARTBEAT_MS = 15_000;
const STREAMS_MAX = 1_000;

const silent: Logger = { info() {}, warn() {}, error() {} };

function invalid(message: string): never {
  throw new PresenceError("OPTIONS_INVALID", message);
}

export type ResolvedAppOptions = ReturnType<typeof resolveAppOptions>;

/** Throws PresenceError OPTIONS_INVALID naming the first option that cannot work. */
export function resolveAppOptions(options: AppOptions) {
  const { reader, counts = "open", logger = silent, streams = {} } = options;
  if (typeof reader !== "object" || reader === null)
    invalid("reader must be a Reader: make one with readerOver()");
  if (counts !== "open" && counts !== "closed") {
    invalid(`counts must be "open" or "closed", got ${JSON.stringify(counts)}`);
  }
  const tokens = checkTokens(options.tokens ?? []);
  const countsTokens = checkTokens(options.countsTokens ?? [], "countsTokens");
  checkScopes(tokens, countsTokens);
  const life = whole("streams.life", streams.life ?? LIFE_MS, 1_000, 86_400_000);
  const heartbeat = whole("streams.heartbeat", streams.heartbeat ?? HEARTBEAT_MS, 100, 300_000);
  if (streams.heartbeat !== undefined && heartbeat > life) {
    invalid(`streams.heartbeat (${heartbeat} ms) must be at most streams.life (${life} ms): lower it`);
  }
  return {
    reader,
    tokens,
    countsTokens,
    counts,
    origins: checkOrigins(options.origins ?? []),
    timeout: whole("timeout", options.timeout ?? TIMEOUT_MS, 1, TIMEOUT_MS_MAX),
    reuse: whole("reuse", options.reuse ?? REUSE_MS, 0, 60_000),
    streams: {
      life,
      heartbeat,
      requests:
        streams.requests === undefined ? Infinity : whole("streams.requests", streams.requests, 1, 1e9),
      most: whole("streams.most", streams.most ?? STREAMS_MAX, 0, 100_000),
    },
    signal: options.signal,
    logger,
  };
}

function whole(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  return invalid(`${name} must be a whole number from ${least} to ${most}, got ${String(value)}`);
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
