/**
 * Breaks the code on purpose, one small break at a time, and expects the tests to notice: `node scripts/mutants.ts`
 * [--only <part of a name>] [--list]. Works on a copy. Fails when a mutant survives, when the code it changes is not found, or
 * when the tests fail without any mutant.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Checkout, TIMEOUT_MS, type TestRun } from "./mutants/copy.ts";
import { MUTANTS } from "./mutants/list.ts";
import type { Mutant } from "./mutants/mutant.ts";

const { values } = parseArgs({ options: { only: { type: "string" }, list: { type: "boolean" } } });
const chosen = MUTANTS.filter(({ name }) => name.includes(values.only ?? ""));

function line(mutant: Mutant, verdict: string, ms: number): void {
  const seconds = (ms / 1000).toFixed(1).padStart(5);
  console.log(`${mutant.name.padEnd(38)} ${mutant.breaks}  ${seconds} s  ${verdict}`);
}

function verdict({ passed, failed }: TestRun): string {
  if (passed) return "SURVIVED";
  return failed === undefined ? "UNCLEAR: vitest failed, but none of the tests" : `killed by "${failed}"`;
}

/** Returns whether a test noticed. */
async function kill(checkout: Checkout, mutant: Mutant): Promise<boolean> {
  const takeBack = await checkout.apply(mutant);
  if (typeof takeBack === "string") {
    line(mutant, `NOT FOUND: ${takeBack}`, 0);
    return false;
  }
  const run: TestRun = await checkout.test(mutant.tests);
  await takeBack();
  line(mutant, verdict(run), run.ms);
  return run.failed !== undefined;
}

async function main(): Promise<boolean> {
  const checkout = new Checkout(join(import.meta.dirname, ".."));
  process.once("SIGINT", () => {
    checkout.remove();
    process.exit(130);
  });
  try {
    const files = [...new Set(chosen.flatMap(({ tests }) => tests))];
    const sound = await checkout.test(files, TIMEOUT_MS * files.length);
    if (!sound.passed) {
      console.log(`without any mutant "${sound.failed}" fails: fix that first`);
      return false;
    }
    console.log(`without any mutant all tests pass (${(sound.ms / 1000).toFixed(1)} s)`);
    let alive = 0;
    for (const mutant of chosen) if (!(await kill(checkout, mutant))) alive++;
    console.log(`${chosen.length} mutants, ${chosen.length - alive} killed`);
    return alive === 0;
  } finally {
    checkout.remove();
  }
}

if (values.list === true) {
  for (const { name, breaks, tests } of chosen)
    console.log(`${name.padEnd(38)} ${breaks}  ${tests.join(" ")}`);
} else {
  process.exitCode = chosen.length > 0 && (await main()) ? 0 : 1;
}
