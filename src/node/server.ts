/** The API on Node's http: as a listener inside an application's server, or as its own server. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { PresenceError } from "../core/errors.ts";
import { abortSignal, callable, invalid, type Known, refuseUnknown, whole } from "../core/options.ts";
import {
  HEADERS_MS,
  KEEP_ALIVE_MS,
  KEEP_ALIVE_MS_MAX,
  PORT_MAX,
  SEND_MS,
  SEND_MS_MAX,
} from "../core/limits.ts";
import { checkDrain } from "../http/options.ts";
import { delayed } from "../time/delayed.ts";
import { isDirect, SEND, type Send } from "../http/answer.ts";
import type { FetchApp } from "../http/fetch.ts";
import { refuseExpectation, refusingConnections, requestInvalid } from "./refusals.ts";

/** How long running requests may take to finish after the signal has fired. */
const DRAIN_MS = 8_000;
/** How often connections are checked for requests that are late, ms; Node's own 30 s would be added to every time-out. */
const CHECK_MS = 1_000;

/** A listener for Node's http: `createServer(nodeHandler(app))`. Resolves when the answer has been sent. Never rejects. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Stands for an answer that is sent already. @hono/node-server leaves one with this header alone. */
const SENT = new Response(null, { headers: { "x-hono-already-sent": "true" } });

/**
 * The app as a listener for Node's http, for an application that already has a server.
 *
 *   http.createServer(nodeHandler(app));
 *   express().use("/presence", nodeHandler(app));        // before express.json(), which would consume the body
 *   fastify.all("/presence/*", { onRequest(request, reply) {   // before Fastify consumes the body
 *     reply.hijack();
 *     request.raw.url = request.raw.url.slice("/presence".length);
 *     void handler(request.raw, reply.raw);
 *   } }, () => {});
 *
 * In a Hono app: `parent.mount("/presence", app.fetch)`.
 *
 * The time-outs are those of the application's server: behind a balancer its `keepAliveTimeout` has to be longer than the balancer's.
 */
export function nodeHandler(app: FetchApp): NodeHandler {
  const answer = isDirect(app) ? withSend(app) : (request: Request, env: object) => app.fetch(request, env);
  return getRequestListener(answer, {
    // By default the adapter replaces the process's global Request and Response with its own classes.
    overrideGlobalObjects: false,
    errorHandler: requestInvalid,
  });
}

/** The app of createApp, which sends kept bytes itself: making and reading a Response takes Node longer than all the rest. */
function withSend(app: FetchApp) {
  const withEnv: { fetch(request: Request, env: object): Response | Promise<Response> } = app;
  return (request: Request, env: { readonly outgoing: object }) => {
    const { outgoing } = env;
    const send: Send = (status, fields, bytes) => {
      const response = outgoing as ServerResponse;
      // Something of the application's has answered already, such as a time-out.
      if (response.headersSent) return SENT;
      response.writeHead(status, bytes === null ? fields : { ...fields, "content-length": bytes.byteLength });
      response.end(bytes);
      return SENT;
    };
    // The socket of `incoming` is the client that event streams are counted for.
    return withEnv.fetch(request, { ...env, [SEND]: send });
  };
}

export interface ServeOptions {
  /** TCP port, 0 to 65,535; 0 picks a free one. */
  readonly port: number;
  /** Default 127.0.0.1, reachable from this machine only. Use 0.0.0.0 in a container. */
  readonly host?: string | undefined;
  /** Stops the server, after `drain`: it accepts no more requests, and running ones get up to 8 s. */
  readonly signal: AbortSignal;
  /**
   * For how long it goes on serving once `signal` has fired, ms, so that balancers notice first: the same as for createApp(). Each
   * answer then closes its connection. 0 to 300,000, default 0.
   */
  readonly drain?: number | undefined;
  /**
   * How long an idle connection is kept open, ms. 1,000 to 3,600,000, default 65,000. It must be longer than the idle time-out of
   * the balancer in front, most often 60 s: a connection that the server closes first loses the request just sent on it, a 502.
   */
  readonly keepAliveTimeout?: number | undefined;
  /** How long the header of a request may take to arrive, ms: 408 after that. 100 to 300,000, default 10,000. */
  readonly headersTimeout?: number | undefined;
  /**
   * How long a whole request may take to arrive, ms: 408 after that, for a slow sender occupies a connection. At least
   * `headersTimeout`, to 300,000; default 30,000.
   */
  readonly requestTimeout?: number | undefined;
  /** Called with the address once the server listens, such as `http://127.0.0.1:3000`. Must not throw. */
  readonly onListen?: ((url: string) => void) | undefined;
}

const SERVE_OPTIONS: Known<ServeOptions> = {
  port: true,
  host: true,
  signal: true,
  drain: true,
  keepAliveTimeout: true,
  headersTimeout: true,
  requestTimeout: true,
  onListen: true,
};

/**
 * Serves the app until `signal` fires and running requests are answered, then resolves. Pass the same signal to `createApp`:
 * it ends the event streams, which would otherwise take the full 8 s.
 *
 *   await serve(createApp({ reader, tokens, signal }), { port: 3000, signal, onListen: console.log });
 *
 * Rejects with PresenceError OPTIONS_INVALID, also when the port cannot be used.
 */
export async function serve(app: FetchApp, options: ServeOptions): Promise<void> {
  refuseUnknown(options, SERVE_OPTIONS, "serve()");
  const { host = "127.0.0.1", signal, onListen } = options;
  const port = whole("port", options.port, 0, PORT_MAX);
  if (abortSignal("signal", signal) === undefined)
    invalid("signal must be an AbortSignal: nothing else stops the server");
  if (onListen !== undefined) callable("onListen", onListen);
  const drain = checkDrain(options.drain);
  const times = timesOf(options);
  const handler = nodeHandler(app);
  // A request without a Host is refused by the adapter, with a problem document; Node would send a bare 400.
  const server = createServer({ ...times, connectionsCheckingInterval: CHECK_MS, requireHostHeader: false });
  /** The answers under way on each connection; several if requests are pipelined. */
  const answers = new WeakMap<Duplex, Set<ServerResponse>>();
  const isAnswering = (socket: Duplex) => [...(answers.get(socket) ?? [])].some((one) => one.headersSent);
  server.on("clientError", refusingConnections(isAnswering));
  server.on("checkExpectation", refuseExpectation);
  server.on("request", (request, response) => {
    const { socket } = request;
    const own = answers.get(socket) ?? new Set();
    answers.set(socket, own.add(response));
    // A balancer then opens its next connection elsewhere.
    if (signal.aborted) response.shouldKeepAlive = false;
    void handler(request, response);
    // server.close() closes connections that are idle now; one that becomes idle later is closed here.
    response.once("close", () => {
      own.delete(response);
      if (signal.aborted) setImmediate(() => server.closeIdleConnections());
    });
  });
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    throw new PresenceError(
      "OPTIONS_INVALID",
      `PORT ${port} of HOST ${host} cannot be used (${code}): choose another`,
    );
  }
  const { address, family, port: bound } = server.address() as AddressInfo;
  onListen?.(`http://${family === "IPv6" ? `[${address}]` : address}:${bound}`);

  const ending = delayed(signal, drain);
  if (!ending.aborted) await once(ending, "abort");
  const closed = once(server, "close");
  server.close();
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearTimeout(cut);
}

/** Throws PresenceError OPTIONS_INVALID. */
function timesOf({
  keepAliveTimeout = KEEP_ALIVE_MS,
  headersTimeout = HEADERS_MS,
  requestTimeout = SEND_MS,
}: ServeOptions) {
  whole("keepAliveTimeout", keepAliveTimeout, 1_000, KEEP_ALIVE_MS_MAX);
  whole("headersTimeout", headersTimeout, 100, SEND_MS_MAX);
  whole("requestTimeout", requestTimeout, 100, SEND_MS_MAX);
  if (headersTimeout > requestTimeout) {
    invalid(
      `headersTimeout (${headersTimeout} ms) must be at most requestTimeout (${requestTimeout} ms): the header is part of the request`,
    );
  }
  return { keepAliveTimeout, headersTimeout, requestTimeout };
}
