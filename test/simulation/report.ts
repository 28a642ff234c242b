/** What is printed of a history that did not hold. */
import { FAULTS } from "./faults.ts";
import type { Outcome } from "./history.ts";
import { SUBSCRIBED } from "./plan.ts";

export function report(found: Outcome, smallest: Outcome = found): string {
  const { seed, faults, subscribed } = found.plan;
  const { plan, violation, at, trace } = smallest;
  const settings = {
    ttl: plan.ttl,
    grace: plan.grace,
    nodes: plan.nodes.length,
    loops: plan.loops,
    sweepEvery: plan.sweepEvery,
  };
  return [
    `seed ${seed} breaks ${found.violation?.message}`,
    `  drawn faults: ${[...faults].join(", ") || "none"}`,
    ...(smallest === found
      ? []
      : [
          `  smallest: ${plan.events.length} of ${found.plan.events.length} events, with the faults ${[...plan.faults].join(", ") || "(none)"}:`,
          `  ${violation?.message}`,
        ]),
    `  ${JSON.stringify(settings)}; faults end at ${plan.end} ms, found at ${at} ms. What happened last:`,
    ...trace.map((line) => `  ${line}`),
    `repeat it: npm run simulate -- --histories 1 --seed ${seed}${subscribed === SUBSCRIBED ? "" : ` --subscribed ${subscribed}`}`,
  ].join("\n");
}

export function counted(injected: Outcome["injected"]): string {
  return FAULTS.map((fault) => `${fault} ${injected.get(fault) ?? 0}`).join(", ");
}
