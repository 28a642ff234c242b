/**
 * Follows /v1/changes: one stream after another, each from where the last one ended.
 *
 * It does not use the browser's EventSource, which cannot send a token and gives up when the first request is refused.
 */
import { type EventSourceMessage, EventSourceParserStream } from "eventsource-parser/stream";
import { backoff } from "../core/backoff.ts";
import { abortSignal, type Known, refuseUnknown } from "../core/options.ts";
import type { Changes } from "./client.ts";
import { pause } from "../time/pause.ts";
import { ProblemError } from "./problem.ts";
import type { Request } from "./request.ts";

export interface FollowOptions {
  /** A cursor, from a snapshot's `asOf` or from the last item. Default: from now on. */
  readonly after?: string | undefined;
  /** Only changes of these users, at most 100. Default: all users. */
  readonly users?: readonly string[] | undefined;
  /** Ends following. */
  readonly signal?: AbortSignal | undefined;
}

export interface News {
  readonly changes: Changes["changes"];
  /** Where to continue, for instance in another process. */
  readonly cursor: string;
  /** Some changes are no longer available: take a new snapshot. `changes` is empty then. */
  readonly gap: boolean;
}

const FOLLOW_OPTIONS: Known<FollowOptions> = { after: true, users: true, signal: true };

/** The server sends a keep-alive every 15 s. */
const SILENCE_MS = 45_000;
/** An event holds a few thousand changes at most. */
const BUFFER_MAX = 16 * 1024 * 1024;

export async function* follow(
  url: string,
  request: Request,
  options: FollowOptions,
): AsyncGenerator<News, void> {
  refuseUnknown(options, FOLLOW_OPTIONS, "follow()");
  const { after, users = [], signal: outer } = options;
  abortSignal("signal", outer);
  const leaving = new AbortController();
  const signal = AbortSignal.any([leaving.signal, ...(outer === undefined ? [] : [outer])]);
  let cursor = after;
  let failures = 0;
  let retry = 1_000;
  try {
    while (!signal.aborted) {
      let wait: number | undefined;
      try {
        const stream = new Stream(await open(url, request, cursor, users, signal), signal);
        for await (const { event, data, id } of stream.events()) {
          failures = 0;
          const parsed = JSON.parse(data) as { changes?: Changes["changes"] };
          cursor = id ?? cursor;
          if (event === "gap" || event === "changes")
            yield { changes: parsed.changes ?? [], cursor: cursor!, gap: event === "gap" };
        }
        failures = 0;
        // Every event has been consumed, so ids sent without an event count too.
        cursor = stream.lastId ?? cursor;
        retry = stream.retry ?? retry;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ProblemError && !mayPass(error)) throw error;
        failures++;
        wait = error instanceof ProblemError ? error.retryAfter : undefined;
      }
      await pause(Math.max(wait ?? 0, failures === 0 ? retry : backoff(failures + 3)), signal);
    }
  } finally {
    leaving.abort();
  }
}

/** Whether a retry may help: the API is busy, down or briefly unavailable. */
function mayPass({ status }: ProblemError): boolean {
  return status >= 500 || status === 408 || status === 429;
}

async function open(
  url: string,
  request: Request,
  cursor: string | undefined,
  users: readonly string[],
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const query = new URLSearchParams(users.map((user) => ["user", user]));
  if (cursor !== undefined) query.set("after", cursor);
  const response = await request(`${url}?${query}`, { headers: { accept: "text/event-stream" }, signal });
  if (!response.ok || response.body === null) throw await ProblemError.of(response);
  return response.body;
}

/** The events of one answer. Fails when nothing has arrived for a while, not even a keep-alive. */
class Stream {
  readonly #body: ReadableStream<Uint8Array>;
  readonly #signal: AbortSignal;
  lastId: string | undefined;
  retry: number | undefined;

  constructor(body: ReadableStream<Uint8Array>, signal: AbortSignal) {
    this.#body = body;
    this.#signal = signal;
  }

  async *events(): AsyncGenerator<EventSourceMessage, void> {
    const silent = new AbortController();
    const fail = () =>
      silent.abort(new DOMException(`the stream sent nothing for ${SILENCE_MS} ms`, "TimeoutError"));
    let timer = setTimeout(fail, SILENCE_MS);
    const watch = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        clearTimeout(timer);
        timer = setTimeout(fail, SILENCE_MS);
        controller.enqueue(chunk);
      },
    });
    const parser = new EventSourceParserStream({
      maxBufferSize: BUFFER_MAX,
      onId: (id) => (this.lastId = id),
      onRetry: (ms) => (this.retry = ms),
    });
    const reader = this.#body
      .pipeThrough(watch, { signal: AbortSignal.any([silent.signal, this.#signal]) })
      .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
      .pipeThrough(parser)
      .getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      clearTimeout(timer);
      await reader.cancel().catch(() => {});
    }
  }
}
