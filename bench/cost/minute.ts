/** One invocation of the scheduled function, its minute passed in no time. */
import { mock } from "node:test";
import { sweepMinute } from "../../src/edge/minute.ts";
import { sweepSettingsFrom } from "../../src/edge/environment.ts";
import type { Projector } from "../../src/projector/projector.ts";

const MINUTE_MS = 60_000;
const TICK_MS = 500;

/** Resolves with the sweeps it made. */
export async function minuteOf(projector: Projector): Promise<number> {
  let sweeps = 0;
  const logger = { info: () => void sweeps++, warn() {}, error() {} };
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.now() });
  try {
    const minute = sweepMinute(() => ({ projector, ...sweepSettingsFrom({}) }), logger);
    for (let ms = 0; ms < MINUTE_MS; ms += TICK_MS) {
      // A sweep over a local Redis is done in a few turns of the loop.
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      mock.timers.tick(TICK_MS);
    }
    await minute;
  } finally {
    mock.timers.reset();
  }
  return sweeps;
}
