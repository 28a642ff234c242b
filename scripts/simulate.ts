/**
 * Runs random histories of whole clusters on a real Redis in virtual time, with faults of every kind, and checks the
 * invariants of docs/protocol.md in each (test/simulation). Exits with 1 at the first failure, which it prints as small as it
 * can make it; its seed repeats it.
 *
 *   node scripts/simulate.ts [--histories 1000] [--seed S] [--faults crash,failover] [--subscribed 1]
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { FAULTS, isFault } from "../test/simulation/faults.ts";
import { SUBSCRIBED } from "../test/simulation/plan.ts";
import { counted, report } from "../test/simulation/report.ts";
import { simulate, startSimulator, type Summary } from "../test/simulation/run.ts";
import { shrink } from "../test/simulation/shrink.ts";

const PROGRESS_MS = 5_000;

const { values } = parseArgs({
  options: {
    histories: { type: "string", default: "1000" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    subscribed: { type: "string", default: String(SUBSCRIBED) },
    faults: { type: "string", default: FAULTS.join(",") },
  },
});
const histories = Number(values.histories);
const seed = Number(values.seed);
const subscribed = Number(values.subscribed);
const names = values.faults.split(",").filter((name) => name !== "");
const unknown = names.filter((name) => !isFault(name));
if (unknown.length > 0 || !(histories >= 1) || !Number.isInteger(seed) || !(subscribed >= 0)) {
  console.error(
    `usage: simulate [--histories N] [--seed S] [--faults list] [--subscribed share]; faults: ${FAULTS.join(", ")}`,
  );
  process.exit(1);
}

const began = performance.now();
let told = began;
const line = ({ histories: done, calls, turns, served, handled, gaps }: Summary) => {
  const seconds = (performance.now() - began) / 1000;
  return `${done} histories, ${calls} projector calls checked (${turns} in a turn), ${served} of subscribers (${handled} deliveries, ${gaps} gaps), ${(done / seconds).toFixed(1)} histories/s`;
};

console.log(`seed ${seed}`);
await using simulator = await startSimulator();
const summary = await simulate(simulator, {
  seed,
  histories,
  subscribed,
  faults: new Set(names.filter(isFault)),
  onProgress(so) {
    if (performance.now() - told < PROGRESS_MS) return;
    told = performance.now();
    console.log(line(so));
  },
});
console.log(line(summary));
console.log(`faults: ${counted(summary.injected)}`);
if (summary.failed !== undefined) {
  const smallest = await shrink(summary.failed, (plan) => simulator.run(plan));
  console.log(`\n${report(summary.failed, smallest)}`);
  process.exitCode = 1;
}
