/**
 * Serves Upstash's REST protocol over a plain Redis, so that edge code with the official client can run and be tested on a
 * laptop. Loopback only; every route requires one of two tokens.
 *
 * It keeps no state. If it stops during a request, the client does not know whether its commands ran, as with any Redis.
 */
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { createApp } from "./app.ts";
import { createAuthenticate } from "./auth.ts";
import { createRefuse } from "./commands.ts";
import { connect } from "./connection.ts";
import { BridgeError } from "./errors.ts";
import { createEvents } from "./events.ts";
import { checkOptions, type BridgeOptions } from "./options.ts";

export { BODY_BYTES_MAX } from "./limits.ts";
export { BridgeError, type BridgeOptions };

/**
 * How long an idle connection stays open, ms: longer than clients keep theirs. Node's default of 5 s is also the time fetch()
 * assumes, and on a slow machine fetch() then sends a request into a connection that is being closed.
 */
const KEEP_ALIVE_MS = 65_000;
const HOST = "127.0.0.1";
/** How long close() waits for requests in flight, and then for clients to read their error answers. */
const DRAIN_MS = 2_000;
const FAIL_MS = 500;

export interface Bridge extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`, the value for UPSTASH_REDIS_REST_URL. */
  readonly url: string;
  /**
   * Accepts no more requests, ends event streams, waits up to 2 s for requests in flight, answers the rest with an error, and
   * closes the connections to Redis. Idempotent.
   */
  close(): Promise<void>;
}

/**
 * Starts a bridge and resolves once it accepts requests.
 * Rejects with BridgeError when an option is invalid, Redis cannot be reached, or the port is taken.
 */
export async function startBridge(options: BridgeOptions): Promise<Bridge> {
  const checked = checkOptions(options);
  const connection = await connect(checked);
  try {
    const events = createEvents(connection);
    let closing: Promise<void> | undefined;
    const app = createApp({
      authenticate: createAuthenticate(checked.token, checked.readOnlyToken),
      refuse: createRefuse(await connection.commandTable()),
      connection,
      events,
      logger: checked.logger,
      maxRequestBytes: checked.maxRequestBytes,
      isClosing: () => closing !== undefined,
    });
    const server = createAdaptorServer({ fetch: app.fetch }) as Server;
    server.keepAliveTimeout = KEEP_ALIVE_MS;
    server.on("request", (_request, response) => {
      // server.close() closes connections that are idle now; one that becomes idle later is closed here.
      response.once("close", () => {
        if (closing !== undefined) setImmediate(() => server.closeIdleConnections());
      });
    });
    await listen(server, checked.port);

    const close = () => (closing ??= end());
    async function end(): Promise<void> {
      const closed = once(server, "close");
      server.close();
      events.close();
      // Closing the Redis connection makes pending requests fail; clients that do not read the answer are disconnected.
      const fail = setTimeout(() => connection.close(), DRAIN_MS);
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS + FAIL_MS);
      await closed;
      clearTimeout(fail);
      clearTimeout(cut);
      connection.close();
    }
    const { port } = server.address() as AddressInfo;
    return { url: `http://${HOST}:${port}`, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    connection.close();
    throw error;
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, HOST);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new BridgeError(
      `port ${port} of ${HOST} cannot be used (${(error as NodeJS.ErrnoException).code ?? "unknown"}); choose another, or 0 for a free one`,
      { cause: error },
    );
  }
}
