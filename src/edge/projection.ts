/** The projector for platforms with scheduled functions, over Upstash's REST API with the token that can write. */
import { BUDGET_MAX } from "../core/limits.ts";
import { projectorOver } from "../projector/projector.ts";
import { upstashWritePort } from "../redis/upstash.ts";
import type { OverFetch } from "../webhooks/over-fetch.ts";
import { deliverOver } from "./deliveries.ts";
import * as read from "./environment.ts";
import { type Sweeping, sweepMinute } from "./minute.ts";
import { upstashClient } from "./upstash.ts";

/** A handler that a platform calls once a minute. Only the environment is used. */
export type EnvironmentScheduled = (event: unknown, environment: read.Environment) => Promise<void>;

/** How createScheduled() sends webhooks; default: by fetch. On Node nodeSend() checks the addresses. */
export type ScheduledOptions = Pick<OverFetch, "send">;

/**
 * A scheduled handler that sweeps for one invocation (minute.ts), and delivers a webhook after each sweep if ROLLCALL_WEBHOOK_URL is set:
 * `export default { scheduled: createScheduled() }`. Rejects when a variable is missing or invalid, or a sweep fails.
 */
export function createScheduled({ send }: ScheduledOptions = {}): EnvironmentScheduled {
  /** Kept between invocations, with what the projector has found out (ROLLCALL_READ=auto, Redis's clock). */
  let sweeping: (Sweeping & { readonly environment: read.Environment }) | undefined;

  function prepare(environment: read.Environment): Sweeping {
    if (sweeping?.environment === environment) return sweeping;
    let repeats = 0;
    const credentials = read.writeCredentialsFrom(environment);
    const client = upstashClient(credentials, () => repeats++);
    const options = read.projectorOptionsFrom(environment);
    // Each call costs a function some CPU, of which it has 10 ms on Cloudflare's free plan: so as few of them as can be.
    const own = { budget: BUDGET_MAX, ...options };
    const projector = projectorOver(upstashWritePort(client), own, { repeated: () => repeats });
    const webhook = read.webhookOptionsFrom(environment);
    const deliver = webhook === undefined ? undefined : deliverOver(credentials, webhook, send);
    sweeping = { environment, projector, deliver, ...read.sweepSettingsFrom(environment) };
    return sweeping;
  }

  return (_event, environment) => sweepMinute(() => prepare(environment), console);
}
