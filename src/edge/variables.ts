/**
 * The table of environment variables: name, option, how the text is parsed, and meaning. The option's own check reports an
 * invalid value. `.dev.vars.example` is generated from this table (scripts/dev-vars.ts).
 */
import { type Duration, resolveKeep } from "../core/keep.ts";
import { checkHistoryScopes } from "../core/history.ts";
import { resolveKeyOptions } from "../core/key-options.ts";
import {
  CHANGES_KEPT,
  HEADERS_MS,
  HOST,
  INTERVAL_MS,
  INTERVAL_MS_MAX,
  INTERVAL_MS_MIN,
  INVOCATION_REQUESTS,
  INVOCATION_REQUESTS_MAX,
  KEEP_ALIVE_MS,
  KEEP_ALIVE_MS_MAX,
  BROWSER_AGE_MS,
  PORT,
  PORT_MAX,
  PREFIX,
  SEND_MS,
  SEND_MS_MAX,
  STALE_AFTER_MS,
  STREAM_LIFE_MS,
  STREAMS,
  WEBHOOK_BATCH_CONFIGURED,
  WEBHOOK_BATCH_MAX,
  WEBHOOK_MS,
  WEBHOOK_MS_MAX,
  WEBHOOK_MS_MIN,
  WEBHOOK_NAME,
} from "../core/limits.ts";
import { checkRecordKeys } from "../core/mac.ts";
import { invalid, oneOf, whole } from "../core/options.ts";
import { checkSecrets } from "../core/webhook.ts";
import { checkAllow } from "../core/webhook-address.ts";
import { checkTokens } from "../http/token-lists.ts";
import { checkCookie, checkJwksUrl, checkMaxAge } from "../http/browser-options.ts";
import {
  checkCounts,
  checkDrain,
  checkOrigins,
  checkProbes,
  type CountsAccess,
  type ProbesAccess,
  resolveStreamLimits,
} from "../http/options.ts";
import { type ReadMode, readModeOf } from "../projector/options.ts";
import { resolveReaderOptions } from "../reader/options.ts";
import { checkSubscriberName } from "../subscriber/options.ts";
import { checkName, checkSecret, checkSecrets as checkBrowserSecrets } from "../tokens/checks.ts";
import { checkWebhookTypes } from "../webhooks/options.ts";

export interface Variable<Value> {
  /** The option it sets, as a path: `streams.life`. */
  readonly option: string;
  /** Lines for `.dev.vars.example`: meaning, unit, who reads it. */
  readonly doc: readonly string[];
  /** The default; undefined: none. */
  readonly fallback?: string | number | undefined;
  readonly isSecret?: boolean;
  /** Parses text that is trimmed and not empty. Throws as the option's check does. */
  readonly take: (text: string) => Value;
}

type About = Omit<Variable<never>, "option" | "take">;

function texts<Value extends string = string>(
  option: string,
  check: (value: Value) => unknown,
  about: About,
): Variable<Value> {
  return { option, ...about, take: (text) => (check(text as Value), text as Value) };
}

function numbers(option: string, check: (value: number) => unknown, about: About): Variable<number> {
  function take(text: string): number {
    // NaN fails every check. Number() alone would accept "1e3" and "0x10".
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    check(value);
    return value;
  }
  return { option, ...about, take };
}

/** A list separated by commas; empty parts are ignored. */
function lists(
  option: string,
  check: (value: readonly string[]) => unknown,
  about: About,
): Variable<readonly string[]> {
  function take(text: string): readonly string[] {
    const parts = text.split(",").map((part) => part.trim());
    const value = parts.filter((part) => part !== "");
    check(value);
    return value;
  }
  return { option, ...about, take };
}

function jsonOf(option: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return invalid(`${option} must be JSON`);
  }
}

function checkRedisUrl(url: string): void {
  if (!/^rediss?:\/\/\S+$/.test(url)) invalid("redis must begin with redis:// or rediss://");
  if (!URL.canParse(url)) invalid("redis is no URL: percent-encode its password, and correct its port");
}

function checkRestUrl(url: string): void {
  if (!/^https?:\/\/\S+$/.test(url) || !URL.canParse(url)) invalid("url must be an http:// or https:// URL");
  const { username, password } = new URL(url);
  if (username + password !== "")
    invalid("url must have no user and no password in it: the token is a variable of its own");
}

const anything = (): void => {};

export const VARIABLES = {
  UPSTASH_REDIS_REST_URL: texts("url", checkRestUrl, {
    isSecret: true,
    doc: [
      "The URL of the Redis REST API: from Upstash's console, or printed by `npm run bridge`. Not together with REDIS_URL.",
    ],
  }),
  UPSTASH_REDIS_REST_READONLY_TOKEN: texts("token", anything, {
    isSecret: true,
    doc: ["The read-only token. Only the API uses it."],
  }),
  UPSTASH_REDIS_REST_TOKEN: texts("token", anything, {
    isSecret: true,
    doc: [
      "The token that can write. Only the scheduled projector uses it; leave it empty if something else projects.",
    ],
  }),
  ROLLCALL_TOKENS: lists("tokens", (tokens) => checkTokens(tokens), {
    isSecret: true,
    doc: [
      "Tokens that callers of the API send as `Authorization: Bearer <token>`: at least 16 characters each. Separate several",
      "with commas, so that one can be replaced without an outage. Create one with: openssl rand -hex 24",
      "If empty, every route except /health and the counts of the whole is closed.",
    ],
  }),
  ROLLCALL_COUNTS_TOKENS: lists("countsTokens", (tokens) => checkTokens(tokens, "countsTokens"), {
    isSecret: true,
    doc: ["The same for callers that get numbers only: /ready, /metrics, and /v1/counts where it is closed."],
  }),
  ROLLCALL_BROWSER_ISSUER: texts("browserTokens.issuer", (name) => checkName("issuer", name), {
    doc: [
      "Browser tokens, which an application's server signs for its pages: who signs them, their `iss`. Required with",
      "ROLLCALL_BROWSER_SECRETS or ROLLCALL_BROWSER_JWKS; without either no browser token is accepted.",
    ],
  }),
  ROLLCALL_BROWSER_AUDIENCE: texts("browserTokens.audience", (name) => checkName("audience", name), {
    doc: ["Whom they are for, their `aud`. Required with the same."],
  }),
  ROLLCALL_BROWSER_SECRETS: lists("browserTokens.secrets", (all) => checkBrowserSecrets("secrets", all), {
    isSecret: true,
    doc: [
      "What they are signed with (HS256): 32 bytes or more, for instance from: openssl rand -hex 32. The newest first, up to three,",
      "separated by commas.",
    ],
  }),
  ROLLCALL_BROWSER_JWKS: texts("browserTokens.jwks", (url) => checkJwksUrl("jwks", url), {
    doc: ["Or the URL of the public keys of what signs them (RS256, ES256, EdDSA)."],
  }),
  ROLLCALL_BROWSER_MAX_AGE: numbers("browserTokens.maxAge", checkMaxAge, {
    fallback: BROWSER_AGE_MS,
    doc: ["The longest life of a browser token, ms."],
  }),
  ROLLCALL_BROWSER_COOKIE: texts("browserTokens.cookie", (name) => checkCookie("cookie", name), {
    doc: ["The name of a cookie that may carry the token. Default none."],
  }),
  ROLLCALL_BROWSER_CURSOR_KEY: texts("browserTokens.cursorKey", (key) => checkSecret("cursorKey", key), {
    isSecret: true,
    doc: [
      "What cursors are sealed with, 32 bytes or more. Needed with ROLLCALL_BROWSER_JWKS where several processes serve, as in Workers.",
    ],
  }),
  ROLLCALL_PREFIX: texts("prefix", (prefix) => resolveKeyOptions({ prefix }), {
    fallback: PREFIX,
    doc: ["The beginning of every key in Redis. The same as in your Socket.IO processes."],
  }),
  ROLLCALL_SHARDS: numbers("shards", (shards) => resolveKeyOptions({ shards }), {
    fallback: 1,
    doc: ["The number of shards, 1 to 1024. The same as in your Socket.IO processes."],
  }),
  ROLLCALL_STALE_AFTER: numbers("staleAfter", (staleAfter) => resolveReaderOptions({ staleAfter }), {
    fallback: STALE_AFTER_MS,
    doc: [
      "How long work may wait for a projector before answers are marked `stale`, ms. At the edge (createFetch): by default",
      "5,000 more than SWEEP_INTERVAL, since a scheduled function may be all that projects.",
    ],
  }),
  ROLLCALL_COUNTS: texts<CountsAccess>("counts", checkCounts, {
    fallback: "whole",
    doc: [
      "`whole`: /v1/counts answers without a token, and requires one about a namespace or room. `open`: it never does. `closed`: it",
      "always does, as /ready and /metrics do.",
    ],
  }),
  ROLLCALL_PROBES: texts<ProbesAccess>("probes", checkProbes, {
    fallback: "closed",
    doc: ["`open`: /ready and /metrics answer without a token. `closed`: they require one."],
  }),
  ROLLCALL_DOCS: texts<"on" | "off">("docs", (docs) => oneOf("docs", docs, ["on", "off"]), {
    fallback: "on",
    doc: ["`on` or `off`: whether GET /docs shows the API to people."],
  }),
  ROLLCALL_DASHBOARD: {
    option: "dashboard",
    doc: [
      "`on` or `off`: whether `GET /` is the dashboard, a page that shows who is online to whoever has a token. `token`: the first of",
      "ROLLCALL_TOKENS is put into the page, for whoever opens it on this machine (localhost). Default: `on` if a token is set.",
    ],
    take: (text) => oneOf("dashboard", text, ["on", "off", "token"]),
  } satisfies Variable<"on" | "off" | "token">,
  ROLLCALL_HEALTH_PORT: numbers("port", (port) => whole("port", port, 0, PORT_MAX), {
    doc: [
      "On Node only: a port of its own for /health, /serving, /ready and /metrics, without tokens; 0 picks a free one. Not together with",
      "ROLLCALL_PROBES=open. For functions/projector.ts too, which has no other port. Default none.",
    ],
  }),
  ROLLCALL_HEALTH_HOST: texts("host", anything, {
    doc: ["The address for ROLLCALL_HEALTH_PORT. Default: as HOST."],
  }),
  ROLLCALL_DRAIN: numbers("drain", (drain) => checkDrain(drain), {
    fallback: 0,
    doc: [
      "On Node only: for how long the API goes on serving after SIGTERM, ms, 0 to 300000, while /serving and /ready answer 503, so that",
      "balancers notice first.",
    ],
  }),
  ROLLCALL_KEEP_ALIVE_TIMEOUT: numbers(
    "keepAliveTimeout",
    (ms) => whole("keepAliveTimeout", ms, 1_000, KEEP_ALIVE_MS_MAX),
    {
      fallback: KEEP_ALIVE_MS,
      doc: [
        "On Node only: how long an idle connection is kept open, ms: longer than the idle time-out of the balancer in front.",
      ],
    },
  ),
  ROLLCALL_HEADERS_TIMEOUT: numbers("headersTimeout", (ms) => whole("headersTimeout", ms, 100, SEND_MS_MAX), {
    fallback: HEADERS_MS,
    doc: ["On Node only: how long the header of a request may take to arrive, ms."],
  }),
  ROLLCALL_REQUEST_TIMEOUT: numbers("requestTimeout", (ms) => whole("requestTimeout", ms, 100, SEND_MS_MAX), {
    fallback: SEND_MS,
    doc: [
      "On Node only: how long a whole request may take to arrive, ms. At least ROLLCALL_HEADERS_TIMEOUT.",
    ],
  }),
  ROLLCALL_PROXIES: numbers("streams.proxies", (proxies) => resolveStreamLimits({ proxies }), {
    fallback: 0,
    doc: [
      "How many proxies in front of the API write X-Forwarded-For, for the cap of event streams by client. Not needed on Cloudflare.",
    ],
  }),
  ROLLCALL_ORIGINS: lists("origins", checkOrigins, {
    doc: [
      "Origins whose pages may call the API from a browser, separated by commas, such as https://app.example; or * for all. Default none.",
    ],
  }),
  ROLLCALL_STREAMS: numbers("streams.most", (most) => resolveStreamLimits({ most }), {
    fallback: STREAMS,
    doc: ["Most event streams at once; 0 for platforms that buffer answers."],
  }),
  ROLLCALL_STREAM_LIFE: numbers("streams.life", (life) => resolveStreamLimits({ life }), {
    fallback: STREAM_LIFE_MS,
    doc: [
      "How long an event stream lives before its client has to reconnect, ms. Set it below the platform's time limit for a",
      "function.",
    ],
  }),
  ROLLCALL_STREAM_REQUESTS: numbers("streams.requests", (requests) => resolveStreamLimits({ requests }), {
    doc: [
      "Most requests to Redis that one event stream makes before its client has to reconnect. A retry can double them, and",
      "Cloudflare's free plan allows 50 per invocation. Default no limit.",
    ],
  }),
  ROLLCALL_READ: texts<ReadMode>("read", readModeOf, {
    fallback: "group",
    doc: [
      "How the log is read: `group`; `range` for a Redis that lets no script call XREADGROUP; `auto` finds out.",
    ],
  }),
  ROLLCALL_KEEP_CHANGES: texts<Exclude<Duration, number>>(
    "keep.changes",
    (changes) => resolveKeep({ changes }),
    {
      fallback: "7d",
      doc: [
        "How long an entry of `changes`, which names who came and went, is kept: minutes, hours or days, such as `90m`, `12h`, `7d`. For",
        "projectors; set the option `keep` of your Socket.IO processes to the same. The strictest decides.",
      ],
    },
  ),
  ROLLCALL_KEEP_REJECTED: texts<Exclude<Duration, number>>(
    "keep.rejected",
    (rejected) => resolveKeep({ rejected }),
    {
      fallback: "7d",
      doc: ["The same for entries of the log that are no records and were set aside."],
    },
  ),
  ROLLCALL_KEEP_MAX: numbers("keep.max", (max) => resolveKeep({ max }), {
    fallback: CHANGES_KEPT,
    doc: [
      "About how many entries of `changes` are kept at most in each shard, whatever their age: 1000 to 10000000.",
    ],
  }),
  ROLLCALL_HISTORY: texts<"on" | "off">("history", (history) => oneOf("history", history, ["on", "off"]), {
    fallback: "off",
    doc: [
      "`on`: numbers over time are kept, for GET /v1/history. For projectors; set the option `history` of your Socket.IO processes too.",
    ],
  }),
  ROLLCALL_HISTORY_SCOPES: {
    option: "history.scopes",
    doc: [
      "Namespaces and rooms of which numbers over time are kept too, 1 to 20, as a JSON list. `/chat` is a namespace, `/chat,news` a room in",
      'it: ["/chat", "/chat,news"]. For projectors, with ROLLCALL_HISTORY=on; set the option `history` of your Socket.IO processes to the same.',
    ],
    take: (text) => checkHistoryScopes(jsonOf("history.scopes", text)),
  } satisfies Variable<readonly string[]>,
  ROLLCALL_RECORD_KEYS: lists("recordKeys", checkRecordKeys, {
    isSecret: true,
    doc: [
      "Keys of signed records, for projectors only: the same as in your Socket.IO processes, at least 32 bytes each, separated by",
      "commas, and `unsigned` while records without a signature are accepted too. Create one with: openssl rand -hex 32",
    ],
  }),
  SWEEP_INTERVAL: numbers("interval", (value) => whole("interval", value, INTERVAL_MS_MIN, INTERVAL_MS_MAX), {
    fallback: INTERVAL_MS,
    doc: [
      "How often a scheduled function sweeps within its minute, ms, 1000 to 60000. Users of a crashed process go offline within",
      "its ttl plus this interval.",
    ],
  }),
  SWEEP_REQUESTS: numbers("requests", (value) => whole("requests", value, 1, INVOCATION_REQUESTS_MAX), {
    fallback: INVOCATION_REQUESTS,
    doc: [
      "Most requests of one invocation of the scheduled function, 1 to 10000. Cloudflare's free plan allows 50, and the last",
      "step may use a few more than are left.",
    ],
  }),
  ROLLCALL_WEBHOOK_URL: texts("url", anything, {
    isSecret: true,
    doc: [
      "Where the scheduled function or functions/projector.ts sends who came and went (docs/webhooks.md): an https:// URL. If empty,",
      "nothing is sent.",
    ],
  }),
  ROLLCALL_WEBHOOK_SECRETS: lists("secrets", checkSecrets, {
    isSecret: true,
    doc: [
      "What its requests are signed with: 1 to 3, separated by commas, each `whsec_` and the base64 of 24 to 64 bytes. Create one",
      'with: echo "whsec_$(openssl rand -base64 32)"',
    ],
  }),
  ROLLCALL_WEBHOOK_NAME: texts("name", checkSubscriberName, {
    fallback: WEBHOOK_NAME,
    doc: ["The name of the durable subscriber that it is. All that send for one name share the work."],
  }),
  ROLLCALL_WEBHOOK_TYPES: lists("types", checkWebhookTypes, {
    doc: [
      "Which events are sent, separated by commas: user.online, user.offline; presence.gap always is. Default all.",
    ],
  }),
  ROLLCALL_WEBHOOK_BATCH: numbers("batch", (most) => whole("batch", most, 1, WEBHOOK_BATCH_MAX), {
    fallback: WEBHOOK_BATCH_CONFIGURED,
    doc: [
      "Most events of one request, 1 to 100; from 2 on each request is a presence.batch. Each request costs a scheduled function two",
      "of SWEEP_REQUESTS.",
    ],
  }),
  ROLLCALL_WEBHOOK_TIMEOUT: numbers("timeout", (ms) => whole("timeout", ms, WEBHOOK_MS_MIN, WEBHOOK_MS_MAX), {
    fallback: WEBHOOK_MS,
    doc: ["How long the receiver may take to answer, ms, 100 to 60000."],
  }),
  ROLLCALL_WEBHOOK_ALLOW: lists("allow", checkAllow, {
    doc: [
      "Hosts, addresses and networks that it may reach although they are private or without TLS, separated by commas, such as",
      "hooks.internal,10.1.0.0/16. Default none.",
    ],
  }),
  REDIS_URL: texts("redis", checkRedisUrl, {
    isSecret: true,
    doc: ["On Node only: the redis:// or rediss:// URL of Redis, instead of Upstash's variables."],
  }),
  PORT: numbers("port", (port) => whole("port", port, 0, PORT_MAX), {
    fallback: PORT,
    doc: ["On Node and Bun only: the port of the API. 0 picks a free one."],
  }),
  HOST: texts("host", anything, {
    fallback: HOST,
    doc: ["On Node and Bun only: the address the API listens on. Use 0.0.0.0 in a container."],
  }),
} as const;

export type VariableName = keyof typeof VARIABLES;
export type ValueOf<Name extends VariableName> = ReturnType<(typeof VARIABLES)[Name]["take"]>;
