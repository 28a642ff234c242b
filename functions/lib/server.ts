/** An HTTP server on Node around an app, from its first request to its last. */
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import { PresenceError } from "../../src/core/errors.ts";

/** How long requests under way may take to finish once the signal has fired. */
const DRAIN_MS = 8_000;
/** How long a request may take to arrive whole: a lookup is small, and a slow sender holds a connection. */
const REQUEST_MS = 30_000;

/**
 * Serves until `signal` fires and the requests under way are answered, then resolves. `ready` is told the address.
 * Rejects with PresenceError OPTIONS_INVALID when the port cannot be used.
 */
export async function listen(
  app: Hono,
  { port, host }: { readonly port: number; readonly host: string },
  signal: AbortSignal,
  ready: (url: string) => void,
): Promise<void> {
  const server = createAdaptorServer({
    fetch: (request) => app.fetch(request),
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
  ready(`http://${family === "IPv6" ? `[${address}]` : address}:${bound}`);

  if (!signal.aborted) await once(signal, "abort");
  const closed = once(server, "close");
  server.close();
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearTimeout(cut);
}
