/**
 * Server-Sent Events with a bounded life: after it the stream ends and the client comes back by itself, with the id of the
 * last event it got in `Last-Event-ID` (https://html.spec.whatwg.org/multipage/server-sent-events.html). Ids are cursors,
 * so nothing is lost in between.
 *
 * A stream holds one event at most: the next is made when the client has taken the last, from what is there by then.
 */
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import { Problem, retryAfter } from "./problem.ts";

/** One event of a stream. */
export interface Event {
  /** Absent: the id alone is sent, or a comment. The client sees neither, and learns where to go on from. */
  readonly event?: "changes" | "gap" | "counts";
  readonly data?: unknown;
  readonly id?: string;
}

/** The limits of all streams of one app. */
export interface StreamOptions {
  /** How long a stream lives, ms; up to a fifth less, so that clients do not all come back at once. */
  readonly life: number;
  /** Most streams at once. */
  readonly most: number;
  /** Ends all of them. */
  readonly signal: AbortSignal | undefined;
  /** Told of what ended a stream before its time. Must not throw. */
  readonly onError: (error: unknown, c: Context) => void;
}

/** When a client is to come back, ms. */
const RETRY_MS = 1_000;

/** What goes over the wire. A cursor and JSON have no line breaks. */
function write({ event, data, id }: Event): string {
  const lines: string[] = [];
  if (id !== undefined) lines.push(`id: ${id}`);
  if (event !== undefined) lines.push(`event: ${event}`, `data: ${JSON.stringify(data)}`);
  return `${lines.length === 0 ? ":" : lines.join("\n")}\n\n`;
}

/** What the client was given last: a browser sends it when it comes back, and it is newer than the address. */
export function lastEventId(c: Context): string | undefined {
  const id = c.req.header("last-event-id");
  return id === undefined || id === "" ? undefined : id;
}

/** Whether the request asks for events rather than for one answer. */
export function wantsEvents(c: Context): boolean {
  return /\btext\/event-stream\b/i.test(c.req.header("accept") ?? "");
}

/** Opens streams, and knows how many are open. */
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
   * STREAMS_EXHAUSTED, 406 STREAMS_OFF. `make` is given a signal that fires when nobody takes events any more.
   */
  respond(c: Context, make: (ended: AbortSignal) => AsyncGenerator<Event, void>): Response {
    const { most, signal, onError } = this.#options;
    if (most === 0) {
      throw new Problem(406, "STREAMS_OFF", "this server sends no event streams: ask for application/json");
    }
    const isClosing = signal?.aborted === true;
    if (isClosing || this.#open >= most) {
      const why = isClosing ? "the server is closing" : `${most} event streams are open`;
      throw new Problem(503, "STREAMS_EXHAUSTED", `${why}: come back in a moment`, { headers: retryAfter });
    }
    if (c.req.method === "HEAD") {
      return c.body(null, 200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    }
    const response = streamSSE(c, async (stream) => {
      this.#open++;
      const ended = new AbortController();
      const events = make(ended.signal);
      const over = this.#over((end) => stream.onAbort(end));
      /** Resolves false when the stream was over before the client took it. */
      const send = async (text: string) =>
        (await Promise.race([stream.write(text), over.promise])) !== undefined;
      try {
        let taken = await send(`retry: ${RETRY_MS}\n\n`);
        while (taken) {
          const next = await Promise.race([events.next(), over.promise]);
          if (next === undefined || next.done === true) return;
          taken = await send(write(next.value));
        }
        // A client that takes nothing would keep the end waiting as well.
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
    // Proxies that gather answers would keep events back.
    response.headers.set("x-accel-buffering", "no");
    return response;
  }

  /** Resolves when a stream has lived long enough, all are to end, or `onGone` is called back. */
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
