/** Opens and closes tabs at random, and drops connections, which then reconnect. */
import { pause } from "../../rig/pace.ts";
import type { Population } from "./population.ts";

const STEP_MS = 120;
/** Probabilities for an open tab. With these, about five in six tabs are open at any time. */
const CLOSES = 0.2;
const DROPS = 0.1;

/** Runs, except while it is calm, until the signal fires; then rejects with its reason. */
export async function churn(
  population: Population,
  isCalm: { readonly now: boolean },
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    await pause(STEP_MS, signal);
    if (isCalm.now) continue;
    const tab = population.tabs[Math.floor(Math.random() * population.tabs.length)]!;
    const dice = Math.random();
    if (!tab.isOpen) {
      if (!tab.isAway) tab.open();
    } else if (dice < CLOSES) tab.close();
    else if (dice < CLOSES + DROPS) tab.drop();
  }
}
