/**
 * Makes a failing history smaller while it still breaks the same invariant: removes whole kinds of faults, then everything
 * after the violation, then shorter and shorter runs of events. Removing something does not change what the rest draws.
 */
import type { Outcome } from "./history.ts";
import type { Plan } from "./plan.ts";

/** Most histories run to shrink one. */
const TRIES_MAX = 200;

export async function shrink(failed: Outcome, run: (plan: Plan) => Promise<Outcome>): Promise<Outcome> {
  let best = failed;
  let tries = 0;
  async function fails(plan: Plan): Promise<boolean> {
    if (tries++ >= TRIES_MAX) return false;
    const outcome = await run(plan);
    if (outcome.violation?.invariant !== failed.violation?.invariant) return false;
    best = outcome;
    return true;
  }

  for (const fault of failed.plan.faults) {
    const faults = new Set([...best.plan.faults].filter((other) => other !== fault));
    const events = best.plan.events.filter(({ kind }) => kind !== fault);
    await fails({ ...best.plan, faults, events });
  }
  await fails({ ...best.plan, events: best.plan.events.filter(({ at }) => at <= best.at) });
  for (let size = best.plan.events.length >> 1; size >= 1; size >>= 1) {
    for (let first = 0; first < best.plan.events.length;) {
      const { events } = best.plan;
      const shorter = events.filter((_, i) => i < first || i >= first + size);
      if (!(await fails({ ...best.plan, events: shorter }))) first += size;
    }
  }
  return best;
}
