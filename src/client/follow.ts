/**
 * Follows /v1/changes: one stream after another, each from where the last one ended.
 *
 * It does not use the browser's EventSource, which cannot send a token and gives up when the first request is refused.
 */
import { abortSignal, type Known, refuseUnknown, whole } from "../core/options.ts";
import { TIMER_MS_MAX } from "../core/limits.ts";
import type { Changes } from "./client.ts";
import { pause } from "../time/pause.ts";
import { ProblemError } from "./problem.ts";
import type { Request } from "./request.ts";
import { itemsOf } from "./stream.ts";

export interface FollowOptions {
  /** A cursor, from a snapshot's `asOf` or from the last item. Default: from now on. */
  readonly after?: string | undefined;
  /** Only changes of these users, at most 100. Default: all users. */
  readonly users?: readonly string[] | undefined;
  /**
   * How long the server may send nothing, not even a sign of life, until the client reconnects, ms. 100 to 2,147,483,647, default
   * 45,000: three times the server's `streams.heartbeat`.
   */
  readonly silence?: number | undefined;
  /** Ends following. */
  readonly signal?: AbortSignal | undefined;
}

/** Why changes may be late: no connection to the API, Redis does not answer it, or no projector runs. */
export type StaleReason = "connection" | "redis" | "projector";

/** Since when changes may be late. */
export interface Staleness {
  readonly cause: StaleReason;
  /** The last time that is known to be complete, ISO 8601; null: not known. */
  readonly since: string | null;
}

export interface News {
  readonly changes: Changes["changes"];
  /** Where to continue, for instance in another process; undefined until the server has told one. */
  readonly cursor: string | undefined;
  /** Some changes are no longer available: take a new snapshot. `changes` is empty then. */
  readonly gap: boolean;
  /** Changes may be late; null: they are not. There is an item without changes when this begins and when it is over. */
  readonly stale: Staleness | null;
}

const FOLLOW_OPTIONS: Known<FollowOptions> = { after: true, users: true, silence: true, signal: true };

/** Three heartbeats of the server. */
const SILENCE_MS = 45_000;
const SILENCE_MS_MIN = 100;
/** How long until the first reconnection, ms, unless the server says something else. */
const RETRY_MS = 1_000;
/** Bounds of what a server may ask for, ms. */
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 60_000;
const RETRY_AFTER_MS_MAX = 300_000;
/** The longest wait after failures, ms. */
const FAILURE_MS_MAX = 30_000;
/** A stream without events that lasted so long, ms, did its job; a shorter one counts as a failure. */
const LASTING_MS = 10_000;

export async function* follow(
  url: string,
  request: Request,
  options: FollowOptions,
  where: Readonly<Record<string, string>> = {},
): AsyncGenerator<News, void> {
  refuseUnknown(options, FOLLOW_OPTIONS, "follow()");
  const { after, users = [], signal } = options;
  abortSignal("signal", signal);
  const filter = [...Object.entries(where), ...users.map((user) => ["user", user] as const)];
  const silence = silenceOf(options.silence);
  const told = eventsOf(url, request, { after, filter, silence, signal });
  for await (const { event, changes = [], cursor, stale } of told)
    yield { changes, cursor, gap: event === "gap", stale };
}

/** What a stream says, and what is known by then. */
export interface Told {
  /** Undefined: `stale` has begun or is over. */
  readonly event: "changes" | "counts" | "gap" | undefined;
  /** Of `changes`. */
  readonly changes?: Changes["changes"];
  /** Of `counts`: the answer of /v1/counts. */
  readonly counts?: Readonly<Record<string, unknown>>;
  readonly cursor: string | undefined;
  readonly stale: Staleness | null;
  /** Why the connection failed, when `stale` begins for that reason. */
  readonly error?: unknown;
}

export interface EventsOptions {
  /** Where to begin. */
  readonly after?: string | undefined;
  /** Further parameters. */
  readonly filter: readonly (readonly [name: string, value: string])[];
  readonly silence: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether a stream continues from the id that the last one ended with; default true. */
  readonly resumes?: boolean;
}

/** One stream after another, until the signal fires. Rejects with ProblemError for what a retry does not fix. */
export async function* eventsOf(
  url: string,
  request: Request,
  { after, filter, silence, signal: outer, resumes = true }: EventsOptions,
): AsyncGenerator<Told, void> {
  const leaving = new AbortController();
  const { signal } = leaving;
  // Not AbortSignal.any(): after a garbage collection that of Node 24 may not fire.
  const leave = () => leaving.abort();
  if (outer?.aborted === true) leave();
  outer?.addEventListener("abort", leave);
  let cursor = after;
  let stale: Staleness | null = null;
  let aliveAt: string | null = null;
  let failures = 0;
  let retry = RETRY_MS;
  try {
    while (!signal.aborted) {
      let didWork = false;
      const began = performance.now();
      try {
        const response = await open(url, request, resumes ? cursor : undefined, filter, signal);
        // Whether this stream is stale too is known when it has sent its first event or id.
        let isUnconfirmed = stale !== null;
        for await (const item of itemsOf(response, silence, signal)) {
          aliveAt = new Date().toISOString();
          if (item.retry !== undefined) retry = Math.min(RETRY_MS_MAX, Math.max(RETRY_MS_MIN, item.retry));
          if (item.event === "stale") {
            isUnconfirmed = false;
            stale = stalenessOf(parsed(response, item.data));
            yield { event: undefined, cursor, stale };
            continue;
          }
          if (item.id !== undefined) cursor = item.id;
          if (item.event === "fresh" || (isUnconfirmed && item.id !== undefined)) {
            isUnconfirmed = false;
            stale = null;
            yield { event: undefined, cursor, stale };
          }
          // The token has: the next request brings another.
          if (item.event === "expired") didWork = true;
          if (item.event === "changes") {
            const { changes } = parsed(response, item.data);
            if (!Array.isArray(changes)) throw notRollcall(response);
            didWork = true;
            yield { event: "changes", changes: changes as Changes["changes"], cursor, stale };
          } else if (item.event === "counts") {
            didWork = true;
            yield { event: "counts", counts: parsed(response, item.data), cursor, stale };
          } else if (item.event === "gap") {
            didWork = true;
            yield { event: "gap", cursor, stale };
          }
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ProblemError && !mayPass(error)) throw error;
        if (stale === null) {
          stale = { cause: "connection", since: aliveAt };
          yield { event: undefined, cursor, stale, error };
        }
        failures++;
        await pause(waitAfter(failures, error), signal);
        continue;
      }
      if (signal.aborted) return;
      // A stream that ends at once each time would otherwise be a request a second for ever.
      failures = didWork || performance.now() - began >= LASTING_MS ? 0 : failures + 1;
      await pause(jittered(Math.max(retry, failures > 1 ? pauseAfter(failures) : 0)), signal);
    }
  } finally {
    outer?.removeEventListener("abort", leave);
    leaving.abort();
  }
}

/** ms. Throws PresenceError OPTIONS_INVALID. */
export function silenceOf(silence = SILENCE_MS): number {
  return whole("silence", silence, SILENCE_MS_MIN, TIMER_MS_MAX);
}

/** How long to wait after failures, ms: 1 s, 2 s, 4 s … 30 s, or as long as the server asks, up to five minutes. */
export function waitAfter(failures: number, error: unknown): number {
  const asked = error instanceof ProblemError ? Math.min(RETRY_AFTER_MS_MAX, error.retryAfter ?? 0) : 0;
  return Math.max(asked, jittered(pauseAfter(failures)));
}

/** ms: 1 s, 2 s, 4 s … 30 s. */
function pauseAfter(failures: number): number {
  return Math.min(FAILURE_MS_MAX, 1_000 * 2 ** Math.min(failures - 1, 10));
}

/** All clients lose a server at the same moment and must not return at the same moment. */
export function jittered(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}

/** Whether a retry may help: the API is busy, down or briefly unavailable. */
export function mayPass({ status }: ProblemError): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

/** The response, which is an event stream. Rejects with ProblemError for anything else. */
async function open(
  url: string,
  request: Request,
  cursor: string | undefined,
  filter: readonly (readonly [name: string, value: string])[],
  signal: AbortSignal,
): Promise<Response> {
  const query = new URLSearchParams(filter.map(([name, value]) => [name, value]));
  if (cursor !== undefined) query.set("after", cursor);
  const headers = { accept: "text/event-stream" };
  // A redirect is not followed: it would take the token elsewhere, or end at a page for people.
  const response = await request(`${url}?${query}`, { headers, signal, redirect: "manual" });
  const { status, type } = response;
  if (type === "opaqueredirect" || (status >= 300 && status < 400)) {
    throw await ProblemError.of(response, {
      code: "REDIRECTED",
      detail: "the API's URL redirects: give createClient the URL that it redirects to",
    });
  }
  if (!response.ok) throw await ProblemError.of(response);
  const media = (response.headers.get("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
  if (status === 200 && media === "text/event-stream" && response.body !== null) return response;
  throw await ProblemError.of(response, {
    code: "NOT_EVENTS",
    detail: `the URL answered ${status} ${media === "" ? "without a content type" : media} instead of an event stream: check that it is the API's, and that nothing in front of it answers in its place`,
  });
}

function parsed(response: Response, data = ""): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Told below.
  }
  throw notRollcall(response);
}

function notRollcall(response: Response): ProblemError {
  return ProblemError.with(response, {
    code: "NOT_EVENTS",
    detail: "the URL sends events that are not Rollcall's: check that it is the API's",
  });
}

function stalenessOf({ cause, since }: Readonly<Record<string, unknown>>): Staleness {
  return {
    cause: cause === "projector" ? "projector" : "redis",
    since: typeof since === "string" ? since : null,
  };
}
