/**
 * What Rollcall takes over from a client of @upstash/redis, option by option, as settings.ts does for ioredis. Requests are sent by
 * a copy of the client's own requester with these settings; the client itself is left alone.
 *
 * Works with every option, since nothing goes through the client's command classes: they turn user ids into numbers, and print
 * or batch commands. Only a client without a URL or token is refused.
 */
import { invalid } from "../core/options.ts";
import { REST_AGAIN_MS, REST_MS, REST_RETRIES } from "../core/limits.ts";
import { type First, firstOf } from "../time/first.ts";

export interface UpstashRule {
  readonly is: "taken" | "fixed" | "refused";
  readonly why: string;
}

/** Options of `new Redis()` and `Redis.fromEnv()`, of every entry point. */
export const UPSTASH_OPTIONS = {
  url: { is: "refused", why: "required: where the database is" },
  token: { is: "refused", why: "required: who is asking" },
  agent: { is: "taken", why: "how bytes get there" },
  backend: { is: "taken", why: "how bytes get there, on Fastly" },
  keepAlive: { is: "taken", why: "how bytes get there" },
  readYourWrites: { is: "taken", why: "reads may then wait for a replica" },
  enableTelemetry: { is: "taken", why: "what Upstash is told about the client" },
  signal: { is: "taken", why: `aborts Rollcall's requests too; they also end after ${REST_MS} ms` },
  retry: { is: "taken", why: `at most ${REST_RETRIES} retry: the caller waits, and can ask again` },
  cache: { is: "fixed", why: "`no-store`: a cached answer would stand still" },
  responseEncoding: { is: "fixed", why: "`false`: decoding base64 takes a byte order mark off an id" },
  automaticDeserialization: { is: "fixed", why: "not used: it turns ids into numbers and booleans" },
  latencyLogging: { is: "fixed", why: "not used: it prints a line for each command" },
  enableAutoPipelining: { is: "fixed", why: "not used: it sends reads and writes apart, in another order" },
} as const satisfies Readonly<Record<string, UpstashRule>>;

export interface UpstashRequest {
  readonly path?: readonly string[];
  readonly body: readonly unknown[];
}

/** Sends one request. Rejects with the client's error, or one that says the time is up. */
export type Send = (request: UpstashRequest) => Promise<unknown>;

/** The parts of the client's requester, whose fields are public in every version. */
interface Requester {
  request(request: object): Promise<unknown>;
  readonly baseUrl?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly options?: { readonly cache?: unknown; readonly signal?: unknown };
  readonly retry?: { readonly attempts: number; readonly backoff: (attempt: number) => number };
}

const RAW = /^upstash-encoding$/i;

/**
 * How to send requests as this client does. Throws OPTIONS_INVALID for a client without a URL or token, which is what
 * `Redis.fromEnv()` returns, with a warning only, when the variables are missing.
 */
export function senderOf(client: object): Send {
  const { client: requester } = client as { client?: Partial<Requester> };
  if (typeof requester?.request !== "function") {
    invalid("redis must be a client of @upstash/redis that can send requests; this one has no requester");
  }
  const { headers, options } = requester;
  // A requester that the application has written: it has no settings that we know.
  if (headers === undefined || options === undefined) return (request) => requester.request!(request);
  for (const [name, variable, value] of [
    ["url", "UPSTASH_REDIS_REST_URL", requester.baseUrl],
    ["token", "UPSTASH_REDIS_REST_TOKEN", headers["authorization"]?.replace(/^Bearer (undefined|null)?/, "")],
  ] as const) {
    if (value === undefined || value === "")
      invalid(`redis has no ${name}: Redis.fromEnv() takes it from ${variable}`);
  }
  const { attempts = REST_RETRIES, backoff = again } = requester.retry ?? {};
  const plain = Object.entries(headers).filter(([name]) => !RAW.test(name));
  const settings = {
    headers: Object.fromEntries(plain),
    retry: { attempts: Math.min(attempts, REST_RETRIES), backoff },
  };
  const cache = options.cache === undefined ? {} : { cache: "no-store" };
  // What the application has put before the request, with `use()` or by hand, would send it with the client's settings.
  const sender = Object.getPrototypeOf(requester) as Requester;
  /** Kept from request to request: it remembers the token of `readYourWrites`. */
  const own = Object.assign(Object.create(requester) as Requester, settings);
  return async (request) => {
    const ended = endOf(options.signal);
    const { signal } = ended;
    // The request reads its signal before it waits for anything, so the next one may replace it.
    Object.assign(own, { options: { ...options, ...cache, responseEncoding: false, signal } });
    try {
      const answer = await sender.request.call(own, request);
      // When a plain signal fires, the client returns the reason as the answer.
      signal.throwIfAborted();
      return answer;
    } finally {
      ended.release();
    }
  };
}

const again = (attempt: number) => REST_AGAIN_MS * 2 ** attempt;

/** Fires when the time is up, or when the application's own signal does. A plain one: older clients know no other. */
function endOf(given: unknown): First {
  const theirs: unknown = typeof given === "function" ? (given as () => unknown)() : given;
  return firstOf(AbortSignal.timeout(REST_MS), (theirs ?? undefined) as AbortSignal | undefined);
}
