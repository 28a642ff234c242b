/**
 * Environment variables as options. Only this file reads an environment, and each function reads only what its caller may
 * see: code that serves requests never reads write credentials. variables.ts says what each variable means.
 *
 * Every function throws PresenceError OPTIONS_INVALID with a message that begins with the variable's name. Values are never
 * quoted, because a secret may be in the wrong place. An empty variable counts as not set.
 */
import type { KeyOptions } from "../core/key-options.ts";
import {
  HOST,
  INTERVAL_MS,
  INVOCATION_REQUESTS,
  PORT,
  STALE_AFTER_MS,
  WEBHOOK_BATCH_CONFIGURED,
  WEBHOOK_NAME,
} from "../core/limits.ts";
import { PresenceError } from "../core/errors.ts";
import type { HistoryKept } from "../core/history.ts";
import { invalid, nearest, withoutValue } from "../core/options.ts";
import type { WebhookType } from "../core/webhook.ts";
import { checkAllow } from "../core/webhook-address.ts";
import { checkScopes } from "../http/token-lists.ts";
import type { BrowserTokensOptions } from "../http/browser-options.ts";
import type { AppOptions, DashboardAccess } from "../http/options.ts";
import type { ProjectorOptions } from "../projector/options.ts";
import type { ReaderOptions } from "../reader/options.ts";
import { checkWebhookUrl, type NamedWebhookOptions } from "../webhooks/options.ts";
import { type ValueOf, type Variable, type VariableName, VARIABLES } from "./variables.ts";

/**
 * Variables by name: `process.env`, a Worker's `env`, or any object. A Worker's `interface Env { … }` is accepted as it is.
 * Only variables whose value is a string are read.
 */
export type Environment = object;

export interface RestCredentials {
  readonly url: string;
  readonly token: string;
}

/** ROLLCALL_PREFIX and ROLLCALL_SHARDS, which must be the same everywhere. Refuses unknown variables. */
export function keyOptionsFrom(environment: Environment): KeyOptions {
  refuseUnknownVariables(environment);
  return {
    prefix: taken(environment, "ROLLCALL_PREFIX"),
    shards: taken(environment, "ROLLCALL_SHARDS"),
  };
}

/** The same and ROLLCALL_STALE_AFTER, ms. */
export function readerOptionsFrom(environment: Environment): ReaderOptions {
  return { ...keyOptionsFrom(environment), staleAfter: taken(environment, "ROLLCALL_STALE_AFTER") };
}

/**
 * The same for the edge, where usually a scheduled function projects: without ROLLCALL_STALE_AFTER an answer is stale when a whole
 * SWEEP_INTERVAL and the usual 5,000 ms have passed.
 */
export function edgeReaderOptionsFrom(environment: Environment): ReaderOptions {
  const options = readerOptionsFrom(environment);
  const { interval } = sweepSettingsFrom(environment);
  return { ...options, staleAfter: options.staleAfter ?? interval + STALE_AFTER_MS };
}

/**
 * ROLLCALL_TOKENS, ROLLCALL_COUNTS_TOKENS and ROLLCALL_ORIGINS, separated by commas; ROLLCALL_BROWSER_…; ROLLCALL_COUNTS, `open` or `closed`;
 * ROLLCALL_DOCS, `on` or `off`; ROLLCALL_DASHBOARD; ROLLCALL_STREAMS, ROLLCALL_STREAM_LIFE (ms) and ROLLCALL_STREAM_REQUESTS.
 */
export function appOptionsFrom(
  environment: Environment,
): Pick<
  AppOptions,
  | "tokens"
  | "countsTokens"
  | "browserTokens"
  | "origins"
  | "counts"
  | "probes"
  | "docs"
  | "dashboard"
  | "streams"
> {
  refuseUnknownVariables(environment);
  const tokens = taken(environment, "ROLLCALL_TOKENS") ?? [];
  const countsTokens = taken(environment, "ROLLCALL_COUNTS_TOKENS") ?? [];
  named("ROLLCALL_COUNTS_TOKENS", () => checkScopes(tokens, countsTokens));
  return {
    tokens,
    countsTokens,
    browserTokens: browserTokensFrom(environment),
    streams: {
      most: taken(environment, "ROLLCALL_STREAMS"),
      life: taken(environment, "ROLLCALL_STREAM_LIFE"),
      requests: taken(environment, "ROLLCALL_STREAM_REQUESTS"),
      proxies: taken(environment, "ROLLCALL_PROXIES"),
    },
    origins: taken(environment, "ROLLCALL_ORIGINS") ?? [],
    counts: taken(environment, "ROLLCALL_COUNTS"),
    probes: taken(environment, "ROLLCALL_PROBES"),
    docs: docsFrom(environment),
    dashboard: dashboardFrom(environment, [...tokens, ...countsTokens].length > 0, tokens[0]),
  };
}

/** ROLLCALL_BROWSER_ISSUER, …_AUDIENCE, …_SECRETS or …_JWKS, …_MAX_AGE, ms, …_COOKIE and …_CURSOR_KEY; undefined: none is set. */
export function browserTokensFrom(environment: Environment): BrowserTokensOptions | undefined {
  const [secrets, jwks] = [
    taken(environment, "ROLLCALL_BROWSER_SECRETS"),
    taken(environment, "ROLLCALL_BROWSER_JWKS"),
  ];
  if (secrets === undefined && jwks === undefined) {
    const stray = Object.keys(environment).find(
      (name) => name.startsWith("ROLLCALL_BROWSER_") && textOf(environment, name) !== undefined,
    );
    if (stray !== undefined)
      invalid(`${stray} has no effect without ROLLCALL_BROWSER_SECRETS or ROLLCALL_BROWSER_JWKS`);
    return undefined;
  }
  if (secrets !== undefined && jwks !== undefined)
    invalid("ROLLCALL_BROWSER_SECRETS and ROLLCALL_BROWSER_JWKS are both set: keep one");
  return {
    secrets,
    jwks,
    issuer: required(environment, "ROLLCALL_BROWSER_ISSUER"),
    audience: required(environment, "ROLLCALL_BROWSER_AUDIENCE"),
    maxAge: taken(environment, "ROLLCALL_BROWSER_MAX_AGE"),
    cookie: taken(environment, "ROLLCALL_BROWSER_COOKIE"),
    cursorKey: taken(environment, "ROLLCALL_BROWSER_CURSOR_KEY"),
  };
}

/** Undefined: not set. */
function docsFrom(environment: Environment): boolean | undefined {
  const text = taken(environment, "ROLLCALL_DOCS");
  return text === undefined ? undefined : text === "on";
}

/** Undefined: not set. */
function dashboardFrom(
  environment: Environment,
  hasTokens: boolean,
  first: string | undefined,
): DashboardAccess | undefined {
  const text = taken(environment, "ROLLCALL_DASHBOARD");
  if (text === undefined || text === "off") return text === undefined ? undefined : false;
  if (!hasTokens || (text === "token" && first === undefined))
    invalid(`ROLLCALL_DASHBOARD=${text} needs a token: set ROLLCALL_TOKENS, or ROLLCALL_DASHBOARD=off`);
  return text === "token" ? { token: first! } : true;
}

/** UPSTASH_REDIS_REST_URL with the read-only token. Does not read the other token. */
export function readCredentialsFrom(environment: Environment): RestCredentials {
  const url = required(environment, "UPSTASH_REDIS_REST_URL");
  return { url, token: required(environment, "UPSTASH_REDIS_REST_READONLY_TOKEN") };
}

/** UPSTASH_REDIS_REST_URL with the token that can write: only for projectors, never for code that serves requests. */
export function writeCredentialsFrom(environment: Environment): RestCredentials {
  const url = required(environment, "UPSTASH_REDIS_REST_URL");
  return { url, token: required(environment, "UPSTASH_REDIS_REST_TOKEN") };
}

/**
 * The same as keyOptionsFrom, ROLLCALL_READ, `group`, `range` or `auto`: how the log is read, ROLLCALL_KEEP_CHANGES and
 * ROLLCALL_KEEP_REJECTED, such as `7d`, ROLLCALL_KEEP_MAX, ROLLCALL_HISTORY, `on` or `off`, ROLLCALL_HISTORY_SCOPES, a JSON list, and
 * ROLLCALL_RECORD_KEYS, separated by commas: only for projectors.
 */
export function projectorOptionsFrom(environment: Environment): ProjectorOptions {
  return {
    ...keyOptionsFrom(environment),
    read: taken(environment, "ROLLCALL_READ"),
    keep: {
      changes: taken(environment, "ROLLCALL_KEEP_CHANGES"),
      rejected: taken(environment, "ROLLCALL_KEEP_REJECTED"),
      max: taken(environment, "ROLLCALL_KEEP_MAX"),
    },
    history: historyFrom(environment),
    recordKeys: taken(environment, "ROLLCALL_RECORD_KEYS"),
  };
}

function historyFrom(environment: Environment): boolean | HistoryKept {
  const isKept = taken(environment, "ROLLCALL_HISTORY") === "on";
  const scopes = taken(environment, "ROLLCALL_HISTORY_SCOPES");
  if (scopes === undefined) return isKept;
  if (!isKept) invalid("ROLLCALL_HISTORY_SCOPES has no effect without ROLLCALL_HISTORY=on");
  return { scopes };
}

export interface SweepSettings {
  /** How often a scheduled function sweeps within its minute, ms. */
  readonly interval: number;
  /** Most requests of one invocation. */
  readonly requests: number;
}

/** SWEEP_INTERVAL, ms, default 15,000, and SWEEP_REQUESTS, default 45. */
export function sweepSettingsFrom(environment: Environment): SweepSettings {
  return {
    interval: taken(environment, "SWEEP_INTERVAL") ?? INTERVAL_MS,
    requests: taken(environment, "SWEEP_REQUESTS") ?? INVOCATION_REQUESTS,
  };
}

/** With ROLLCALL_WEBHOOK_URL, the options of a webhook; without it undefined, and then none of the others may be set. */
export function webhookOptionsFrom(environment: Environment): NamedWebhookOptions | undefined {
  const keys = keyOptionsFrom(environment);
  const url = taken(environment, "ROLLCALL_WEBHOOK_URL");
  if (url === undefined) {
    const stray = Object.keys(environment).find(
      (name) => name.startsWith("ROLLCALL_WEBHOOK_") && textOf(environment, name) !== undefined,
    );
    if (stray !== undefined) invalid(`${stray} has no effect without ROLLCALL_WEBHOOK_URL`);
    return undefined;
  }
  const allow = taken(environment, "ROLLCALL_WEBHOOK_ALLOW");
  named("ROLLCALL_WEBHOOK_URL", () => checkWebhookUrl(url, checkAllow(allow)));
  return {
    ...keys,
    url,
    allow,
    secrets: required(environment, "ROLLCALL_WEBHOOK_SECRETS"),
    name: taken(environment, "ROLLCALL_WEBHOOK_NAME") ?? WEBHOOK_NAME,
    types: taken(environment, "ROLLCALL_WEBHOOK_TYPES") as readonly WebhookType[] | undefined,
    batch: taken(environment, "ROLLCALL_WEBHOOK_BATCH") ?? WEBHOOK_BATCH_CONFIGURED,
    timeout: taken(environment, "ROLLCALL_WEBHOOK_TIMEOUT"),
  };
}

/** REDIS_URL, required by a projector on Node. */
export function redisUrlFrom(environment: Environment): string {
  return required(environment, "REDIS_URL");
}

/** REDIS_URL or Upstash's variables, whichever is set. Setting both is an error: they may be two databases. */
export function readSourceFrom(environment: Environment): string | RestCredentials {
  const names = ["REDIS_URL", "UPSTASH_REDIS_REST_URL"];
  const [direct, rest] = names.map((name) => textOf(environment, name) !== undefined);
  if (direct === rest) {
    const found = direct === true ? "are both set: keep one" : "are both missing: set one";
    invalid(`${names.join(" and ")} ${found}`);
  }
  return direct === true ? redisUrlFrom(environment) : readCredentialsFrom(environment);
}

/** PORT (default 3000, 0 for a free one) and HOST (default 127.0.0.1; 0.0.0.0 in a container). */
export function listenOptionsFrom(environment: Environment): { port: number; host: string } {
  return { port: taken(environment, "PORT") ?? PORT, host: taken(environment, "HOST") ?? HOST };
}

/** ROLLCALL_DRAIN, ms. */
export function drainFrom(environment: Environment): number {
  return taken(environment, "ROLLCALL_DRAIN") ?? 0;
}

/** ROLLCALL_KEEP_ALIVE_TIMEOUT, ROLLCALL_HEADERS_TIMEOUT and ROLLCALL_REQUEST_TIMEOUT, ms; undefined: the default of serve(). */
export function timeoutsFrom(environment: Environment) {
  return {
    keepAliveTimeout: taken(environment, "ROLLCALL_KEEP_ALIVE_TIMEOUT"),
    headersTimeout: taken(environment, "ROLLCALL_HEADERS_TIMEOUT"),
    requestTimeout: taken(environment, "ROLLCALL_REQUEST_TIMEOUT"),
  };
}

/** ROLLCALL_HEALTH_PORT and ROLLCALL_HEALTH_HOST (default as HOST); undefined: no port of its own. Refuses two ways in at once. */
export function healthOptionsFrom(environment: Environment): { port: number; host: string } | undefined {
  const port = taken(environment, "ROLLCALL_HEALTH_PORT");
  const host = taken(environment, "ROLLCALL_HEALTH_HOST");
  if (port === undefined) {
    if (host !== undefined) invalid("ROLLCALL_HEALTH_HOST has no effect without ROLLCALL_HEALTH_PORT");
    return undefined;
  }
  if (taken(environment, "ROLLCALL_PROBES") === "open")
    invalid("ROLLCALL_HEALTH_PORT and ROLLCALL_PROBES=open contradict each other: keep one");
  const api = listenOptionsFrom(environment);
  const own = { port, host: host ?? api.host };
  if (port !== 0 && port === api.port && own.host === api.host)
    invalid("ROLLCALL_HEALTH_PORT is also PORT: choose another, or set ROLLCALL_PROBES=open instead");
  return own;
}

/** Of the command `rollcall`: `rollcall dev` prints it beside those that are read here, to be set together. */
const API_URL = "ROLLCALL_URL";

/**
 * Throws for an unknown variable that begins with ROLLCALL_ or SWEEP_, and names the nearest known one: a typo would otherwise
 * silently leave the default in place.
 */
function refuseUnknownVariables(environment: Environment): void {
  const names = Object.keys(VARIABLES).filter(isOurs);
  for (const name of Object.keys(environment)) {
    if (!isOurs(name) || Object.hasOwn(VARIABLES, name) || textOf(environment, name) === undefined) continue;
    if (name === API_URL) continue;
    const near = nearest(name, names);
    const hint = near === undefined ? `known variables are ${names.join(", ")}` : `did you mean ${near}?`;
    invalid(`${name} is unknown: ${hint}`);
  }
}

function isOurs(name: string): boolean {
  return name.startsWith("ROLLCALL_") || name.startsWith("SWEEP_");
}

function textOf(environment: Environment, name: string): string | undefined {
  const value = (environment as Readonly<Record<string, unknown>>)[name];
  const trimmed = typeof value === "string" ? value.trim() : "";
  return trimmed === "" ? undefined : trimmed;
}

/** The checked value of a variable; undefined when it is not set. */
function taken<Name extends VariableName>(environment: Environment, name: Name): ValueOf<Name> | undefined {
  const text = textOf(environment, name);
  if (text === undefined) return undefined;
  const { take } = VARIABLES[name] as unknown as Variable<ValueOf<Name>>;
  return named(name, () => take(text));
}

function required<Name extends VariableName>(environment: Environment, name: Name): ValueOf<Name> {
  return taken(environment, name) ?? invalid(`${name} is not set`);
}

/** The result of `check`. An error gets the variable's name as a prefix and loses the value. */
function named<T>(name: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof PresenceError)) throw error;
    throw new PresenceError(error.code, `${name}: ${withoutValue(error.message)}`, { cause: error });
  }
}
