/**
 * The Cloudflare Worker: `fetch` serves the API with credentials that cannot write; `scheduled`, on a cron, projects
 * with those that can. wrangler.toml and .dev.vars.example name the variables.
 */
import type { Hono } from "hono";
import { createApp } from "../src/http/app.ts";
import { misconfigured } from "../src/http/problem.ts";
import { projectorOver } from "../src/projector.ts";
import { readerOver } from "../src/reader.ts";
import { upstashReadPort, upstashWritePort } from "../src/redis/upstash.ts";
import * as read from "./environment.ts";
import { type Sweeping, sweepMinute } from "./sweep.ts";
import { upstashClient } from "./upstash.ts";

let served: { readonly environment: read.Environment; readonly app: Hono } | undefined;
/** Kept, so that what it has found out (ROLLCALL_READ=auto, the clock of Redis) serves later invocations. */
let sweeping: (Sweeping & { readonly environment: read.Environment }) | undefined;

function compose(environment: read.Environment): Hono {
  const port = upstashReadPort(upstashClient(read.readCredentialsFrom(environment)));
  const reader = readerOver(port, read.readerOptionsFrom(environment));
  return createApp({ reader, ...read.appOptionsFrom(environment), logger: console });
}

function prepare(environment: read.Environment): Sweeping {
  if (sweeping?.environment === environment) return sweeping;
  let repeats = 0;
  const client = upstashClient(read.writeCredentialsFrom(environment), () => repeats++);
  const projector = projectorOver(upstashWritePort(client), {
    ...read.projectorOptionsFrom(environment),
    repeated: () => repeats,
  });
  sweeping = { environment, projector, ...read.sweepSettingsFrom(environment) };
  return sweeping;
}

export default {
  async fetch(request: Request, environment: read.Environment): Promise<Response> {
    try {
      if (served?.environment !== environment) served = { environment, app: compose(environment) };
    } catch (error) {
      return misconfigured(error, console);
    }
    return served.app.fetch(request);
  },

  scheduled: (_event: unknown, environment: read.Environment): Promise<void> =>
    sweepMinute(() => prepare(environment), console),
};
