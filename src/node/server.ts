/** The API on Node's http: as a listener inside an application's own server, or as a server of its own. */
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer, getRequestListener } from "@hono/node-server";
import { PresenceError } from "../core/errors.ts";
import type { FetchApp } from "../http/fetch.ts";

/** How long requests under way may take to finish once the signal has fired. */
const DRAIN_MS = 8_000;
/** How long a request may take to arrive whole: a lookup is small, and a slow sender holds a connection. */
const REQUEST_MS = 30_000;

/** A listener of Node's http: `createServer(nodeHandler(app))`. Resolves when the answer has gone out. Never rejects. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/**
 * The app as a listener of Node's http, for an application that has a server already.
 *
 *   http.createServer(nodeHandler(app));
 *   express().use("/presence", nodeHandler(app));        // before express.json(), which would take the body
 *   fastify.all("/presence/*", { onRequest(request, reply) {   // before Fastify takes the body
 *     reply.hijack();
 *     request.raw.url = request.raw.url.slice("/presence".length);
 *     void handler(request.raw, reply.raw);
 *   } }, () => {});
 *
 * In a Hono app: `parent.mount("/presence", app.fetch)`.
 */
export function nodeHandler(app: FetchApp): NodeHandler {
  // By default the adapter puts classes of its own in place of the process's Request and Response.
  return getRequestListener((request) => app.fetch(request), { overrideGlobalObjects: false });
}

export interface ServeOptions {
  /** TCP port; 0 for a free one. */
  readonly port: number;
  /** Default 127.0.0.1, which only this machine reaches; 0.0.0.0 in a container. */
  readonly host?: string | undefined;
  /** Ends the server: it takes no more requests, and those under way get up to 8 s. */
  readonly signal: AbortSignal;
  /** Called with the address once it listens, such as `http://127.0.0.1:3000`. Must not throw. */
  readonly onListen?: ((url: string) => void) | undefined;
}

/**
 * Serves the app until `signal` fires and the requests under way are answered, then resolves. Give `createApp` the same
 * signal: it ends the event streams, which would otherwise take the whole 8 s.
 *
 *   await serve(createApp({ reader, tokens, signal }), { port: 3000, signal, onListen: console.log });
 *
 * Rejects with PresenceError OPTIONS_INVALID when the port cannot be used.
 */
export async function serve(
  app: FetchApp,
  { port, host = "127.0.0.1", signal, onListen }: ServeOptions,
): Promise<void> {
  const server = createAdaptorServer({
    fetch: (request) => app.fetch(request),
    overrideGlobalObjects: false,
    serverOptions: { requestTimeout: REQUEST_MS },
  }) as Server;
  server.on("request", (_request, response) => {
    // server.close() ends connections that are idle at that moment; one that becomes idle later is ended here.
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
