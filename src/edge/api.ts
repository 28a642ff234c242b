/** The API for platforms that call a fetch handler, over Upstash's REST API with the read-only token. */
import type { Hono } from "hono";
import { createApp } from "../http/app.ts";
import { misconfigured } from "../http/problem.ts";
import { readerOver } from "../reader/reader.ts";
import { upstashReadPort } from "../redis/upstash.ts";
import * as read from "./environment.ts";
import { upstashClient } from "./upstash.ts";

/** `address`: the client's, where the platform tells it apart from the request, for the cap of event streams by client. */
export type EnvironmentFetch = (
  request: Request,
  environment: read.Environment,
  address?: string | object,
) => Promise<Response>;

/**
 * A fetch handler configured by environment variables: `export default { fetch: createFetch() }`. The app is created with the
 * first request and reused while the environment is the same object. A missing or invalid variable is answered with a 500 that
 * names it.
 */
export function createFetch(): EnvironmentFetch {
  let served: { readonly environment: read.Environment; readonly app: Hono } | undefined;

  function compose(environment: read.Environment): Hono {
    const port = upstashReadPort(upstashClient(read.readCredentialsFrom(environment)));
    const reader = readerOver(port, read.edgeReaderOptionsFrom(environment));
    return createApp({ reader, ...read.appOptionsFrom(environment), logger: console });
  }

  return async function serve(request, environment, address) {
    try {
      if (served?.environment !== environment) served = { environment, app: compose(environment) };
    } catch (error) {
      return misconfigured(error, console);
    }
    // A Worker is given its context here.
    if (typeof address !== "string") return served.app.fetch(request);
    // In the form of @hono/node-server.
    return served.app.fetch(request, { incoming: { socket: { remoteAddress: address } } });
  };
}
