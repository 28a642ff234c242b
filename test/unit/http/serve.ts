/** An app behind a real HTTP server, and event streams read as a client would. */
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { type EventSourceMessage, EventSourceParserStream } from "eventsource-parser/stream";
import type { Hono } from "hono";
import { TOKEN } from "./support.ts";

export interface Served extends AsyncDisposable {
  readonly url: string;
  readonly server: Server;
}

export async function serve(app: Hono): Promise<Served> {
  const server = createAdaptorServer({ fetch: (request, env) => app.fetch(request, env) }) as Server;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export interface EventReader extends AsyncDisposable {
  readonly response: Response;
  /** The next event; undefined when the stream has ended. */
  readonly next: () => Promise<(EventSourceMessage & { readonly json: Record<string, unknown> }) | undefined>;
  /** Ids and comments that came without an event, so far. */
  readonly ids: string[];
  readonly comments: string[];
  retry: number | undefined;
}

/** Opens a stream. Leaving the block goes away as a client does that closes its page. */
export async function readEvents(url: string, init: RequestInit = {}): Promise<EventReader> {
  const leaving = new AbortController();
  const headers = new Headers({ accept: "text/event-stream", authorization: `Bearer ${TOKEN}` });
  for (const [name, value] of new Headers(init.headers)) headers.set(name, value);
  const response = await fetch(url, { ...init, headers, signal: leaving.signal });
  if (response.status !== 200) throw new Error(`no stream: ${response.status} ${await response.text()}`);
  const ids: string[] = [];
  const comments: string[] = [];
  const parser = new EventSourceParserStream({
    onError: "terminate",
    onId: (id) => void ids.push(id),
    onComment: (comment) => void comments.push(comment),
    onRetry: (ms) => void (events.retry = ms),
  });
  const reader = response
    .body!.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    .pipeThrough(parser)
    .getReader();
  const events: EventReader = {
    response,
    ids,
    comments,
    retry: undefined,
    async next() {
      const { done, value } = await reader.read();
      return done ? undefined : { ...value, json: JSON.parse(value.data) as Record<string, unknown> };
    },
    async [Symbol.asyncDispose]() {
      leaving.abort();
      await reader.cancel().catch(() => {});
    },
  };
  return events;
}
