/** Users at their tabs, at random: some are opened, some are closed, some lose their connection and come back. */
import { pause } from "../../rig/pace.ts";
import type { Population } from "./population.ts";

const STEP_MS = 120;
/** Of the tabs that happen to be open. With these, about five in six are open at any time. */
const CLOSES = 0.2;
const DROPS = 0.1;

/** Goes on while it is not calm, until the signal fires, and then rejects with its reason. */
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
