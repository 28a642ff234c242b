/**
 * Every environment variable, once: its name, the option it sets, how its text is read, and what it means. The option's own
 * check says what is wrong with a value. `.dev.vars.example` is made from this table (scripts/dev-vars.ts).
 */
import { resolveKeyOptions } from "../core/key-options.ts";
import {
  HOST,
  INTERVAL_MS,
  INTERVAL_MS_MAX,
  INTERVAL_MS_MIN,
  INVOCATION_REQUESTS,
  INVOCATION_REQUESTS_MAX,
  PORT,
  PORT_MAX,
  PREFIX,
  STALE_AFTER_MS,
  STREAM_LIFE_MS,
  STREAMS,
} from "../core/limits.ts";
import { invalid, whole } from "../core/options.ts";
import { checkTokens } from "../http/auth.ts";
import { checkCounts, checkOrigins, type CountsAccess, resolveStreamLimits } from "../http/options.ts";
import { type ReadMode, readModeOf } from "../projector/options.ts";
import { resolveReaderOptions } from "../reader/options.ts";

export interface Variable<Value> {
  /** The option it sets, with the path to it: `streams.life`. */
  readonly option: string;
  /** Lines for `.dev.vars.example`: what it means, its unit, who reads it. */
  readonly doc: readonly string[];
  /** As text; undefined: none, `secret`: none, and never to be shown or written down. */
  readonly fallback?: string | number | undefined;
  readonly isSecret?: boolean;
  /** The value of a text that is trimmed and not empty. Throws as the option's check does. */
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
    // What is no whole number is nothing that a check takes. (Number("1e3"), " 1" and "0x10" are.)
    const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    check(value);
    return value;
  }
  return { option, ...about, take };
}

/** Separated by commas; empty parts do not count. */
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

function checkRedisUrl(url: string): void {
  if (!/^rediss?:\/\/\S+$/.test(url)) invalid("redis must begin with redis:// or rediss://");
}

function checkRestUrl(url: string): void {
  if (!/^https?:\/\/\S+$/.test(url) || !URL.canParse(url))
    invalid("url must be an http:// or https:// address");
}

const anything = (): void => {};

export const VARIABLES = {
  UPSTASH_REDIS_REST_URL: texts("url", checkRestUrl, {
    isSecret: true,
    doc: [
      "Where the Redis REST API answers: from Upstash's console, or printed by `npm run bridge`. Not beside REDIS_URL.",
    ],
  }),
  UPSTASH_REDIS_REST_READONLY_TOKEN: texts("token", anything, {
    isSecret: true,
    doc: ["The token that can only read. Requests to the API use this one, and nothing else does."],
  }),
  UPSTASH_REDIS_REST_TOKEN: texts("token", anything, {
    isSecret: true,
    doc: [
      "The token that can write. Only the scheduled projector uses it; leave it empty when something else projects.",
    ],
  }),
  ROLLCALL_TOKENS: lists("tokens", (tokens) => checkTokens(tokens), {
    isSecret: true,
    doc: [
      "What callers of the API send as `Authorization: Bearer <token>`: 16 characters or more each, several separated by",
      "commas, so that one can be replaced without an outage. Make one with: openssl rand -hex 24",
      "Empty leaves everything but /health and the counts closed to everybody.",
    ],
  }),
  ROLLCALL_COUNTS_TOKENS: lists("countsTokens", (tokens) => checkTokens(tokens, "countsTokens"), {
    isSecret: true,
    doc: [
      "The same for callers that get numbers only: /ready, /metrics, and the counts where they are closed.",
    ],
  }),
  ROLLCALL_PREFIX: texts("prefix", (prefix) => resolveKeyOptions({ prefix }), {
    fallback: PREFIX,
    doc: ["What all keys in Redis begin with. The same as in your Socket.IO processes."],
  }),
  ROLLCALL_SHARDS: numbers("shards", (shards) => resolveKeyOptions({ shards }), {
    fallback: 1,
    doc: ["Over how many shards users are spread, 1 to 1024. The same as in your Socket.IO processes."],
  }),
  ROLLCALL_STALE_AFTER: numbers("staleAfter", (staleAfter) => resolveReaderOptions({ staleAfter }), {
    fallback: STALE_AFTER_MS,
    doc: [
      "How long the projector may be overdue before answers say `stale`, ms. With a scheduled projector alone: its interval",
      "and a little.",
    ],
  }),
  ROLLCALL_COUNTS: texts<CountsAccess>("counts", checkCounts, {
    fallback: "open",
    doc: ["`open`: /v1/counts answers without a token. `closed`: it takes one, as /ready and /metrics do."],
  }),
  ROLLCALL_ORIGINS: lists("origins", checkOrigins, {
    doc: [
      "Pages that may call from a browser, separated by commas, such as https://app.example; or * for all. Default none.",
    ],
  }),
  ROLLCALL_STREAMS: numbers("streams.most", (most) => resolveStreamLimits({ most }), {
    fallback: STREAMS,
    doc: ["Most event streams at once; 0 for platforms that send answers whole."],
  }),
  ROLLCALL_STREAM_LIFE: numbers("streams.life", (life) => resolveStreamLimits({ life }), {
    fallback: STREAM_LIFE_MS,
    doc: [
      "How long an event stream lives before its client has to come back, ms. Set it below what the platform lets a function",
      "live.",
    ],
  }),
  ROLLCALL_STREAM_REQUESTS: numbers("streams.requests", (requests) => resolveStreamLimits({ requests }), {
    doc: [
      "Most requests to Redis that one event stream makes before its client has to come back, each of them perhaps twice:",
      "Cloudflare's free plan allows 50 an invocation. Default no limit.",
    ],
  }),
  ROLLCALL_READ: texts<ReadMode>("read", readModeOf, {
    fallback: "group",
    doc: [
      "How the log is read: `group`; `range` for a Redis that lets no script call XREADGROUP; `auto` finds out.",
    ],
  }),
  SWEEP_INTERVAL: numbers("interval", (value) => whole("interval", value, INTERVAL_MS_MIN, INTERVAL_MS_MAX), {
    fallback: INTERVAL_MS,
    doc: [
      "From one sweep to the next inside the minute of a scheduled function, ms, 1000 to 60000. A process that crashed is gone",
      "within its ttl and this.",
    ],
  }),
  SWEEP_REQUESTS: numbers("requests", (value) => whole("requests", value, 1, INVOCATION_REQUESTS_MAX), {
    fallback: INVOCATION_REQUESTS,
    doc: [
      "Most requests of one invocation of the scheduled function, 1 to 10000. Cloudflare's free plan allows 50, and the last",
      "step may take a few more than are left.",
    ],
  }),
  REDIS_URL: texts("redis", checkRedisUrl, {
    isSecret: true,
    doc: ["On Node only: redis:// or rediss:// of the Redis itself, instead of Upstash's variables."],
  }),
  PORT: numbers("port", (port) => whole("port", port, 0, PORT_MAX), {
    fallback: PORT,
    doc: ["On Node and Bun only: where the API listens. 0 takes a free port."],
  }),
  HOST: texts("host", anything, {
    fallback: HOST,
    doc: ["On Node and Bun only: the address the API listens on. 0.0.0.0 in a container."],
  }),
} as const;

export type VariableName = keyof typeof VARIABLES;
export type ValueOf<Name extends VariableName> = ReturnType<(typeof VARIABLES)[Name]["take"]>;
