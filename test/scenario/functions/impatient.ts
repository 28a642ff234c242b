/** The Worker's `fetch` with less patience than the Redis client has. For tests; functions/worker.ts is the real one. */
import type { Hono } from "hono";
import { readCredentialsFrom, readerOptionsFrom, type Environment } from "../../../src/edge/environment.ts";
import { upstashClient } from "../../../src/edge/upstash.ts";
import { createApp } from "../../../src/http/app.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { upstashReadPort } from "../../../src/redis/upstash.ts";

const TIMEOUT_MS = 200;

let app: Hono | undefined;

export default {
  fetch(request: Request, environment: Environment): Response | Promise<Response> {
    const port = upstashReadPort(upstashClient(readCredentialsFrom(environment)));
    app ??= createApp({ reader: readerOver(port, readerOptionsFrom(environment)), timeout: TIMEOUT_MS });
    return app.fetch(request);
  },
};
