/** One invocation of the scheduled function, with a clock that skips the waiting. */
import { mock } from "node:test";
import { sweepMinute } from "../../src/edge/minute.ts";
import { sweepSettingsFrom } from "../../src/edge/environment.ts";
import type { Projector } from "../../src/projector/projector.ts";

const MINUTE_MS = 60_000;
const TICK_MS = 500;

/** Resolves with its number of sweeps. */
export async function minuteOf(projector: Projector): Promise<number> {
  let sweeps = 0;
  const logger = { info: () => void sweeps++, warn() {}, error() {} };
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.now() });
  try {
    const minute = sweepMinute(() => ({ projector, ...sweepSettingsFrom({}) }), logger);
    for (let ms = 0; ms < MINUTE_MS; ms += TICK_MS) {
      // A sweep over a local Redis takes a few turns of the event loop.
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      mock.timers.tick(TICK_MS);
    }
    await minute;
  } finally {
    mock.timers.reset();
  }
  return sweeps;
}
