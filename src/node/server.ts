/** The API on Node's http: as a listener inside an application's server, or as its own server. */
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer, getRequestListener } from "@hono/node-server";
import { PresenceError } from "../core/errors.ts";
import { abortSignal, callable, invalid, type Known, refuseUnknown, whole } from "../core/options.ts";
import { PORT_MAX } from "../core/limits.ts";
import type { FetchApp } from "../http/fetch.ts";

/** How long running requests may take to finish after the signal has fired. */
const DRAIN_MS = 8_000;
/** How long a request may take to arrive completely. A lookup is small, and a slow sender occupies a connection. */
const REQUEST_MS = 30_000;

/** A listener for Node's http: `createServer(nodeHandler(app))`. Resolves when the answer has been sent. Never rejects. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

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
 */
export function nodeHandler(app: FetchApp): NodeHandler {
  // By default the adapter replaces the process's global Request and Response with its own classes.
  return getRequestListener((request, env) => app.fetch(request, env), { overrideGlobalObjects: false });
}

export interface ServeOptions {
  /** TCP port, 0 to 65,535; 0 picks a free one. */
  readonly port: number;
  /** Default 127.0.0.1, reachable from this machine only. Use 0.0.0.0 in a container. */
  readonly host?: string | undefined;
  /** Stops the server: it accepts no more requests, and running ones get up to 8 s. */
  readonly signal: AbortSignal;
  /** Called with the address once the server listens, such as `http://127.0.0.1:3000`. Must not throw. */
  readonly onListen?: ((url: string) => void) | undefined;
}

const SERVE_OPTIONS: Known<ServeOptions> = { port: true, host: true, signal: true, onListen: true };

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
  const server = createAdaptorServer({
    fetch: (request, env) => app.fetch(request, env),
    overrideGlobalObjects: false,
    serverOptions: { requestTimeout: REQUEST_MS },
  }) as Server;
  server.on("request", (_request, response) => {
    // server.close() closes connections that are idle now; one that becomes idle later is closed here.
    response.once("close", () => {
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

  if (!signal.aborted) await once(signal, "abort");
  const closed = once(server, "close");
  server.close();
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearTimeout(cut);
}
