/** The API on Node, configured by environment variables: functions/node.ts and `rollcall serve`. */
import type { Logger } from "../core/options.ts";
import * as read from "../edge/environment.ts";
import { createApp, createProbes } from "../http/app.ts";
import { createReader } from "../reader/create.ts";
import { serve } from "./server.ts";

export interface From {
  readonly environment: read.Environment;
  /** Ends it; see serve(). */
  readonly signal: AbortSignal;
  /** Called when one part of it has ended, so that the others end too: it must make `signal` fire. */
  readonly fail: () => void;
  readonly logger: Logger;
}

/**
 * Serves until `signal` fires, then for ROLLCALL_DRAIN, and finishes running requests. Rejects with PresenceError OPTIONS_INVALID, also when
 * a port cannot be used.
 */
export async function serveFrom({ environment, signal, fail, logger }: From): Promise<void> {
  const source = read.readSourceFrom(environment);
  const options = read.appOptionsFrom(environment);
  const hasTokens = [...(options.tokens ?? []), ...(options.countsTokens ?? [])].length > 0;
  const hasDashboard = options.dashboard ?? hasTokens;
  const health = read.healthOptionsFrom(environment);
  const drain = read.drainFrom(environment);
  const times = read.timeoutsFrom(environment);
  const redis =
    // Only then is the client of Upstash needed.
    typeof source === "string" ? source : (await import("../edge/upstash.ts")).upstashClient(source);
  const reader = createReader({ redis, ...read.readerOptionsFrom(environment) });
  const common = { reader, signal, logger };
  try {
    const serving = [
      serve(createApp({ ...common, ...options, drain }), {
        ...read.listenOptionsFrom(environment),
        ...times,
        drain,
        signal,
        onListen(url) {
          logger.info(`listening on ${url}`);
          if (hasDashboard) logger.info(`dashboard on ${url}/`);
        },
      }),
    ];
    if (health !== undefined) {
      const onListen = (url: string) => logger.info(`probes on ${url}`);
      serving.push(serve(createProbes(common), { ...health, ...times, drain, signal, onListen }));
    }
    // If one of them cannot listen, the other does not go on alone.
    for (const one of serving) one.catch(fail);
    const results = await Promise.allSettled(serving);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  } finally {
    reader.close();
  }
}
