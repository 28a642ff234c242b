/** The projector for platforms that run functions on a schedule, over Upstash's REST with the token that can write. */
import { projectorOver } from "../projector/projector.ts";
import { upstashWritePort } from "../redis/upstash.ts";
import * as read from "./environment.ts";
import { type Sweeping, sweepMinute } from "./minute.ts";
import { upstashClient } from "./upstash.ts";

/** What a platform calls on a schedule, once a minute. It looks at the environment alone. */
export type EnvironmentScheduled = (event: unknown, environment: read.Environment) => Promise<void>;

/**
 * A scheduled handler that sweeps for one invocation (minute.ts): `export default { scheduled: createScheduled() }`.
 * Rejects when there is nothing to sweep with, or a sweep fails.
 */
export function createScheduled(): EnvironmentScheduled {
  /** Kept, so that what it has found out (ROLLCALL_READ=auto, the clock of Redis) serves later invocations. */
  let sweeping: (Sweeping & { readonly environment: read.Environment }) | undefined;

  function prepare(environment: read.Environment): Sweeping {
    if (sweeping?.environment === environment) return sweeping;
    let repeats = 0;
    const client = upstashClient(read.writeCredentialsFrom(environment), () => repeats++);
    const options = read.projectorOptionsFrom(environment);
    const projector = projectorOver(upstashWritePort(client), options, { repeated: () => repeats });
    sweeping = { environment, projector, ...read.sweepSettingsFrom(environment) };
    return sweeping;
  }

  return (_event, environment) => sweepMinute(() => prepare(environment), console);
}
