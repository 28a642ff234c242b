/**
 * Goal: INV-14 in whole clusters: durable subscribers get each change at least once, in order and from one process at a time, or a gap and
 * the difference, whatever fails.
 * Method: the deterministic simulation (simulation.test.ts), in each history of which one or two subscribers are served by nodes and by
 * processes of their own, with the code of src/subscriber; every call of their script is checked (told.ts), and what they were told at
 * the end. A failure prints its history, made small, and the command that repeats it.
 */
import { expect, it } from "vitest";
import { FAULTS } from "./faults.ts";
import { planOf } from "./plan.ts";
import { report } from "./report.ts";
import { simulate, startSimulator } from "./run.ts";
import { SEED } from "./seed.ts";
import { shrink } from "./shrink.ts";

const SLICE_MS = Number(process.env["SUBSCRIBED_MS"] ?? 5_000);
/** Whether to look for the smallest history that fails. */
const SHRINK = process.env["MODEL_SHRINK"] !== "0";

it("INV-14 holds in a few seconds of random histories", { timeout: SLICE_MS + 60_000 }, async () => {
  await using simulator = await startSimulator();
  const { failed, histories, served, handled, gaps } = await simulate(simulator, {
    seed: SEED,
    histories: Infinity,
    subscribed: 1,
    faults: new Set(FAULTS),
    within: SLICE_MS,
  });
  process.stdout.write(
    `simulation: seed ${SEED}, ${histories} histories, ${served} calls checked, ${handled} deliveries, ${gaps} gaps\n`,
  );
  if (failed !== undefined) {
    const smallest = SHRINK ? await shrink(failed, (plan) => simulator.run(plan)) : failed;
    throw new Error(report(failed, smallest));
  }
  expect(handled).toBeGreaterThan(0);
});

it.each([
  // INV-3: Redis evicted the processes after both servers had crashed, nothing was due any more, and the users stayed.
  768_873_393,
])("history %i, which once failed, holds", async (seed) => {
  await using simulator = await startSimulator();
  const { failed } = await simulate(simulator, {
    seed,
    histories: 1,
    subscribed: 1,
    faults: new Set(FAULTS),
  });
  expect(failed).toBeUndefined();
});

it("a seed repeats its history", async () => {
  const plan = planOf(9, new Set(FAULTS), 1);
  const found: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    await using simulator = await startSimulator();
    const { events, calls, served, handled, gaps } = await simulator.run(plan);
    found.push({ events, calls, served, handled, gaps });
  }
  expect(found[0]).toEqual(found[1]);
  expect(found[0]).not.toMatchObject({ handled: 0 });
});
