/**
 * Server-Sent Events with a bounded life. Then the stream ends and the client reconnects by itself, with the id of the last
 * event it received in `Last-Event-ID` (https://html.spec.whatwg.org/multipage/server-sent-events.html). Ids are cursors, so
 * nothing is lost in between.
 *
 * A stream buffers one event at most: the next is made when the client has consumed the last one, from the state at that time.
 */
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import { Problem, retryAfter } from "./problem.ts";

/** One event of a stream. */
export interface Event {
  /** Absent: only the id is sent, or a comment. The client gets no event, and its browser keeps the id for reconnecting. */
  readonly event?: "changes" | "gap" | "counts";
  readonly data?: unknown;
  readonly id?: string;
}

/** The limits of all streams of one app. */
export interface StreamOptions {
  /** How long a stream lives, ms; up to a fifth less, so that clients do not all reconnect at once. */
  readonly life: number;
  /** Most streams at once. */
  readonly most: number;
  /** Ends all of them. */
  readonly signal: AbortSignal | undefined;
  /** Called with the error that ended a stream early. Must not throw. */
  readonly onError: (error: unknown, c: Context) => void;
}

/** How long a client waits before it reconnects, ms. */
const RETRY_MS = 1_000;

/** The wire format. Neither a cursor nor JSON contains a line break. */
function write({ event, data, id }: Event): string {
  const lines: string[] = [];
  if (id !== undefined) lines.push(`id: ${id}`);
  if (event !== undefined) lines.push(`event: ${event}`, `data: ${JSON.stringify(data)}`);
  return `${lines.length === 0 ? ":" : lines.join("\n")}\n\n`;
}

/** The id of the last event the client received. A browser sends it when it reconnects; it is newer than the URL's cursor. */
export function lastEventId(c: Context): string | undefined {
  const id = c.req.header("last-event-id");
  return id === undefined || id === "" ? undefined : id;
}

/** Whether the request asks for events and not for one answer. */
export function wantsEvents(c: Context): boolean {
  return /\btext\/event-stream\b/i.test(c.req.header("accept") ?? "");
}

/** Opens streams and counts the open ones. */
export class Streams {
  readonly #options: StreamOptions;
  #open = 0;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  /** Streams open now. */
  get open(): number {
    return this.#open;
  }

  /**
   * A stream of these events, until they end, its life is over or the client goes away. Throws Problem 503
   * STREAMS_EXHAUSTED, 406 STREAMS_OFF. `make` gets a signal that fires when the stream is over.
   */
  respond(c: Context, make: (ended: AbortSignal) => AsyncGenerator<Event, void>): Response {
    const { most, signal, onError } = this.#options;
    if (most === 0) {
      throw new Problem(406, "STREAMS_OFF", "this server sends no event streams: request application/json");
    }
    const isClosing = signal?.aborted === true;
    if (isClosing || this.#open >= most) {
      const why = isClosing ? "the server is closing" : `${most} event streams are open already`;
      throw new Problem(503, "STREAMS_EXHAUSTED", `${why}: try again shortly`, { headers: retryAfter });
    }
    if (c.req.method === "HEAD") {
      return c.body(null, 200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    }
    const response = streamSSE(c, async (stream) => {
      this.#open++;
      const ended = new AbortController();
      const events = make(ended.signal);
      const over = this.#over((end) => stream.onAbort(end));
      /** Resolves false when the stream ended before the client consumed the text. */
      const send = async (text: string) =>
        (await Promise.race([stream.write(text), over.promise])) !== undefined;
      try {
        let taken = await send(`retry: ${RETRY_MS}\n\n`);
        while (taken) {
          const next = await Promise.race([events.next(), over.promise]);
          if (next === undefined || next.done === true) return;
          taken = await send(write(next.value));
        }
        // A client that reads nothing would block the end too.
        stream.abort();
      } catch (error) {
        onError(error, c);
      } finally {
        this.#open--;
        over.settle();
        ended.abort();
        void events.return().catch(() => {});
      }
    });
    response.headers.set("cache-control", "no-store");
    // Proxies that buffer answers would hold events back.
    response.headers.set("x-accel-buffering", "no");
    return response;
  }

  /** Resolves at the end of a stream's life, when the signal fires, or when the client is gone. */
  #over(onGone: (end: () => void) => void): { promise: Promise<undefined>; settle: () => void } {
    const { life, signal } = this.#options;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const end = () => resolve(undefined);
    const timer = setTimeout(end, life * (0.8 + Math.random() / 5));
    signal?.addEventListener("abort", end);
    onGone(end);
    return {
      promise,
      settle() {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        end();
      },
    };
  }
}
