/** The API for platforms that bring requests, over Upstash's REST with the token that cannot write. */
import type { Hono } from "hono";
import { createApp } from "../http/app.ts";
import { misconfigured } from "../http/problem.ts";
import { readerOver } from "../reader/reader.ts";
import { upstashReadPort } from "../redis/upstash.ts";
import * as read from "./environment.ts";
import { upstashClient } from "./upstash.ts";

export type EnvironmentFetch = (request: Request, environment: read.Environment) => Promise<Response>;

/**
 * A fetch handler that takes everything it needs from the environment: `export default { fetch: createFetch() }`.
 * The app is made with the first request that brings an environment, and kept as long as it is the same. What is missing or wrong in
 * it is a 500 that names the variable.
 */
export function createFetch(): EnvironmentFetch {
  let served: { readonly environment: read.Environment; readonly app: Hono } | undefined;

  function compose(environment: read.Environment): Hono {
    const port = upstashReadPort(upstashClient(read.readCredentialsFrom(environment)));
    const reader = readerOver(port, read.readerOptionsFrom(environment));
    return createApp({ reader, ...read.appOptionsFrom(environment), logger: console });
  }

  return async function serve(request, environment) {
    try {
      if (served?.environment !== environment) served = { environment, app: compose(environment) };
    } catch (error) {
      return misconfigured(error, console);
    }
    return served.app.fetch(request);
  };
}
