/** What createApp is given, and the checks that make a wrong value fail there and not in a request. */
import { PresenceError } from "../core/errors.ts";
import type { Logger } from "../options.ts";
import type { Reader } from "../reader.ts";
import { checkTokens } from "./auth.ts";
import { TIMEOUT_MS } from "./deadline.ts";

export interface AppOptions {
  readonly reader: Reader;
  /**
   * Any of these opens the protected routes, at least 16 printable characters each. Several for a rotation; none
   * leaves them closed to everybody. Default none.
   */
  readonly tokens?: readonly string[] | undefined;
  /** Whether /v1/counts answers without a token. Default "open". */
  readonly counts?: "open" | "closed" | undefined;
  /** Origins whose pages may call from a browser, e.g. `https://app.example`, or "*" alone. Default none: no CORS. */
  readonly origins?: readonly string[] | undefined;
  /** How long a request may wait for Redis, ms. 1 to 60,000, default 5,000. */
  readonly timeout?: number | undefined;
  /** Told of answers with a status of 500 and above. Silent by default. */
  readonly logger?: Logger | undefined;
}

const TIMEOUT_MS_MAX = 60_000;

const silent: Logger = { info() {}, warn() {}, error() {} };

function invalid(message: string): never {
  throw new PresenceError("OPTIONS_INVALID", message);
}

/** Throws PresenceError OPTIONS_INVALID naming the first option that cannot work. */
export function resolveAppOptions(options: AppOptions) {
  const { reader, tokens = [], counts = "open", timeout = TIMEOUT_MS, logger = silent } = options;
  if (typeof reader !== "object" || reader === null)
    invalid("reader must be a Reader: make one with readerOver()");
  if (counts !== "open" && counts !== "closed") {
    invalid(`counts must be "open" or "closed", got ${JSON.stringify(counts)}`);
  }
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > TIMEOUT_MS_MAX) {
    invalid(`timeout must be a whole number of ms from 1 to ${TIMEOUT_MS_MAX}, got ${String(timeout)}`);
  }
  return {
    reader,
    tokens: checkTokens(tokens),
    counts,
    origins: checkOrigins(options.origins ?? []),
    timeout,
    logger,
  };
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
