/** The clocks, and how long a round trip takes. */
import type { Facts } from "../facts.ts";
import { lasting, note, ok, unknown, type Verdict, warning } from "../verdict.ts";

/** A scheduled function trusts its own clock to within a minute, until it has learnt Redis's. */
const SKEW_MS = 60_000;
const SKEW_NOTED_MS = 1_000;
const MOVED_MS = 500;
const SLOW_MS = 250;

export function clockVerdicts({ clock }: Facts): Verdict[] {
  if (!("known" in clock)) return [unknown("clock", clock.unknown)];
  const { ahead, uncertainty, moved, movedUncertainty } = clock.known;
  // What is certain of it.
  const distance = Math.max(0, Math.abs(ahead) - uncertainty);
  const way = ahead > 0 ? "ahead of" : "behind";
  const found = `Redis is ${lasting(Math.abs(ahead))} ${way} this machine (to within ${lasting(Math.ceil(uncertainty))})`;
  const verdicts: Verdict[] = [];
  if (Math.abs(moved) - movedUncertainty > MOVED_MS)
    verdicts.push(
      warning(
        "clock",
        `a clock jumped by ${lasting(Math.abs(moved))} while doctor ran: leases and graces follow the clock of Redis`,
        "let NTP slew the clock instead of setting it: chronyc tracking, on both machines",
      ),
    );
  if (distance > SKEW_MS)
    verdicts.push(
      warning(
        "clock",
        `${found}: scheduled functions here may project a minute late`,
        "set both by NTP: timedatectl set-ntp true",
      ),
    );
  else if (distance > SKEW_NOTED_MS)
    verdicts.push(note("clock", `${found}; all times in answers are on Redis's clock`));
  return verdicts.length > 0 ? verdicts : [ok("clock", found)];
}

export function latencyVerdicts({ latency }: Facts): Verdict[] {
  const { median, p95, count } = latency;
  const shown = (ms: number) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  const found = `a round trip takes ${shown(median)}, 95 % of ${count} at most ${shown(p95)}`;
  if (p95 < SLOW_MS) return [ok("latency", found)];
  return [
    warning(
      "latency",
      `${found}: changes become visible at least this late`,
      "run the servers close to Redis; if they are already: redis-cli --latency, redis-cli LATENCY DOCTOR",
    ),
  ];
}
