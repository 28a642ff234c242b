/**
 * Server-Sent Events with a bounded life. Then the stream ends and the client reconnects by itself, with the id of the last
 * event it received in `Last-Event-ID` (https://html.spec.whatwg.org/multipage/server-sent-events.html). Ids are cursors, so
 * nothing is lost in between.
 *
 * A stream buffers one event at most: the next is made when the client has consumed the last one, from the state at that time.
 * A client that takes nothing for a while is cut off, and so is one whose browser token has expired, after an event that says so.
 */
import type { Context } from "hono";
import { clientOf, isPrivate } from "./address.ts";
import { callerOf } from "./auth.ts";
import { TIMER_MS_MAX } from "../core/limits.ts";
import { frame, retryFrame } from "./frames.ts";
import { holderOf } from "./holder.ts";
import { type Cap, type Place, type PlaceLimits, Places, type Visitor } from "./places.ts";
import { Problem, retryAfter } from "./problem.ts";

/** The limits of all streams of one app. */
export interface StreamOptions extends PlaceLimits {
  /** How long a stream lives, ms; up to a fifth less, so that clients do not all reconnect at once. */
  readonly life: number;
  /** ms; see StreamLimits. */
  readonly stall: number;
  /** Proxies in front of the server; see address.ts. */
  readonly proxies: number;
  /** Ends all of them. */
  readonly signal: AbortSignal | undefined;
  /** Called with the error that ended a stream early. Must not throw. */
  readonly onError: (error: unknown, c: Context) => void;
  /** Called once, with a line for the log, when the cap of one client looks like a proxy's. Must not throw. */
  readonly onSuspicion: (message: string) => void;
}

/** A stream that may open. */
export interface Opened {
  /** The events; they end soon after `ended` fires. */
  readonly events: (ended: AbortSignal) => AsyncGenerator<Uint8Array, void>;
  /** Called once when the stream is over, or is believed to be. */
  readonly leave?: () => void;
}

/** How long a client waits before it reconnects, ms; up to twice as long, so that a restart is not followed by a crowd. */
const RETRY_MS = 1_000;

/** How often a stream says that it is alive, ms, and for how long it keeps its place without: a Worker's timers end with its client. */
const RENEW_MS = 5_000;
const PLACE_MS = 15_000;

const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Proxies that buffer answers would hold events back.
  "x-accel-buffering": "no",
};

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
  readonly #places: Places;
  readonly #open = new Set<() => void>();
  #suspected = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#places = new Places(options, PLACE_MS);
    options.signal?.addEventListener(
      "abort",
      () => {
        for (const end of this.#open) end();
      },
      { once: true },
    );
  }

  /** Streams open now. */
  get open(): number {
    return this.#open.size;
  }

  /**
   * The stream that `make` returns, until its events end, its life is over or the client goes away. Rejects as `make` does, and
   * with a Problem: 406 STREAMS_OFF; 503 STREAMS_EXHAUSTED when a pool is full; 429 STREAMS_LIMITED when one client or token
   * has its share.
   */
  async respond(c: Context, make: () => Promise<Opened>): Promise<Response> {
    const { most, anonymous, signal } = this.#options;
    if (most === 0) {
      throw new Problem(406, "STREAMS_OFF", "this server sends no event streams: request application/json");
    }
    if (c.req.method === "HEAD") return c.body(null, 200, HEADERS);
    // A refusal would be final for a browser; a stream that ends makes it reconnect, to another server or the next one.
    if (signal?.aborted === true)
      return c.body(retryFrame(retryMs()) as Uint8Array<ArrayBuffer>, 200, HEADERS);
    const visitor = this.#visitorOf(c);
    if (visitor.scope === undefined && anonymous === 0) {
      throw new Problem(
        401,
        "TOKEN_MISSING",
        "event streams require a token here: `Authorization: Bearer <token>`",
        {
          headers: { "www-authenticate": 'Bearer realm="rollcall"' },
        },
      );
    }
    let leave: (() => void) | undefined;
    const place = this.#places.take(visitor, () => leave?.());
    if (typeof place === "string") throw this.#refusal(place, visitor);
    let opened: Opened;
    try {
      opened = await make();
    } catch (error) {
      place.release();
      throw error;
    }
    leave = opened.leave;
    return c.body(this.#body(c, opened, place), 200, HEADERS);
  }

  #body(c: Context, opened: Opened, place: Place): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { life, stall: patience, signal, onError } = this.#options;
    const ended = new AbortController();
    const events = opened.events(ended.signal);
    let lifetime: ReturnType<typeof setTimeout> | undefined;
    let validity: ReturnType<typeof setTimeout> | undefined;
    let stall: ReturnType<typeof setTimeout> | undefined;
    const renewal = setInterval(place.renew, RENEW_MS);
    let isOver = false;
    let isFirst = true;
    let close = (): void => {};
    let say = (_bytes: Uint8Array): void => {};
    const finish = () => {
      if (isOver) return;
      isOver = true;
      clearTimeout(lifetime);
      clearTimeout(validity);
      clearTimeout(stall);
      clearInterval(renewal);
      this.#open.delete(finish);
      place.release();
      ended.abort();
      void events.return().catch(() => {});
      close();
    };
    this.#open.add(finish);
    lifetime = setTimeout(finish, life * (0.8 + Math.random() / 5));
    const holder = holderOf(c);
    if (holder !== undefined) {
      const expire = () => {
        say(frame({ event: "expired", data: { code: "TOKEN_EXPIRED" } }));
        finish();
      };
      validity = setTimeout(expire, Math.min(TIMER_MS_MAX, Math.max(0, holder.endsAt - Date.now())));
    }
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start(controller) {
          close = () => controller.close();
          say = (bytes) => controller.enqueue(bytes as Uint8Array<ArrayBuffer>);
        },
        pull: async (controller) => {
          clearTimeout(stall);
          try {
            const next = isFirst ? { done: false, value: retryFrame(retryMs()) } : await events.next();
            isFirst = false;
            if (isOver) return;
            if (next.done === true || next.value === undefined) return finish();
            controller.enqueue(next.value as Uint8Array<ArrayBuffer>);
            stall = setTimeout(() => {
              finish();
              cutOff(c);
            }, patience);
          } catch (error) {
            if (!isOver) onError(error, c);
            finish();
          }
        },
        cancel() {
          close = () => {};
          say = () => {};
          finish();
        },
      },
      { highWaterMark: 0 },
    );
    // The server began to close while the first answer was read.
    if (signal?.aborted === true) finish();
    return stream;
  }

  #visitorOf(c: Context): Visitor {
    const caller = callerOf(c);
    const subject = holderOf(c)?.subject;
    if (subject !== undefined) return { scope: "browsers", holder: subject };
    if (caller !== undefined) return { scope: caller.scope, holder: String(caller.token) };
    return { scope: undefined, holder: clientOf(c, this.#options.proxies) };
  }

  #refusal(cap: Cap, { holder = "" }: Visitor): Problem {
    const limit = this.#options[cap];
    const parts = { headers: retryAfter, members: { limit: `streams.${cap}` } };
    if (cap === "most" || cap === "anonymous") {
      const whose = cap === "most" ? "with tokens of this kind" : "without a token";
      const detail = `${limit} event streams ${whose} are open already (streams.${cap}): try again shortly`;
      return new Problem(503, "STREAMS_EXHAUSTED", detail, parts);
    }
    if (cap === "perClient" && !this.#suspected && isPrivate(holder)) {
      this.#suspected = true;
      this.#options.onSuspicion(
        `a private address has ${limit} event streams open (streams.perClient). If it is a proxy, set streams.proxies; its clients share one cap until then`,
      );
    }
    const whose = { perToken: "this token", perSubject: "this token's subject", perClient: "this address" }[
      cap
    ];
    const detail = `${whose} has ${limit} event streams open already (streams.${cap}): close one, or try again later`;
    return new Problem(429, "STREAMS_LIMITED", detail, parts);
  }
}

function retryMs(): number {
  return RETRY_MS * (1 + Math.random());
}

/** On Node, a client that takes nothing keeps its connection and what is buffered for it until the connection is destroyed. */
function cutOff(c: Context): void {
  const { outgoing } = (c.env ?? {}) as { readonly outgoing?: { destroy(): void } };
  outgoing?.destroy();
}
