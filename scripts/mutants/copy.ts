/** A copy of the checkout in a temporary directory, in which mutants are applied. The real files are never edited. */
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Mutant } from "./mutant.ts";

const COPIED = [
  "src",
  "test",
  "rig",
  "model",
  "packages",
  "scripts",
  "functions",
  "package.json",
  "tsconfig.json",
  "vitest.config.ts",
];
/** The time limit for the tests of one mutant, so that a mutant that hangs is detected too, ms. */
export const TIMEOUT_MS = 120_000;

export interface TestRun {
  readonly passed: boolean;
  /** The name of the first failed test; undefined when vitest failed but no test did. */
  readonly failed: string | undefined;
  readonly ms: number;
}

interface Report {
  testResults: { assertionResults: { status: string; fullName: string }[] }[];
}

export class Checkout {
  readonly folder = mkdtempSync(join(tmpdir(), "rollcall-mutants-"));
  #running: ChildProcess | undefined;

  constructor(root: string) {
    for (const name of COPIED) cpSync(join(root, name), join(this.folder, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(this.folder, "node_modules"));
  }

  /** Applies the mutant. Returns a function that reverts it, or the edit that no longer matches. */
  async apply({ edits }: Mutant): Promise<(() => Promise<void>) | string> {
    const before = new Map<string, string>();
    const take = () => before.forEach((text, file) => writeFileSync(join(this.folder, file), text));
    for (const { file, find, replace } of edits) {
      const text = readFileSync(join(this.folder, file), "utf8");
      const found = text.split(find).length - 1;
      if (found !== 1) {
        take();
        return `${file} holds its text ${found} times`;
      }
      if (!before.has(file)) before.set(file, text);
      // A function, so that "$" in the replacement is literal.
      writeFileSync(
        join(this.folder, file),
        text.replace(find, () => replace),
      );
    }
    await this.#build();
    return async () => {
      take();
      await this.#build();
    };
  }

  async #build(): Promise<void> {
    const { code, output } = await this.#run(["scripts/build-lua.ts"], TIMEOUT_MS);
    if (code !== 0) throw new Error(`scripts/build-lua.ts failed: ${output}`);
  }

  /** Runs test files until the first failure, `limit` ms at most. */
  async test(files: readonly string[], limit = TIMEOUT_MS): Promise<TestRun> {
    const report = join(this.folder, "report.json");
    rmSync(report, { force: true });
    const began = performance.now();
    const vitest = join(this.folder, "node_modules/vitest/vitest.mjs");
    const reporter = ["--reporter=json", `--outputFile=${report}`];
    // One file at a time: with several, --bail can end the run before the failure is in the report.
    const options = ["--bail=1", "--no-file-parallelism"];
    const { code } = await this.#run([vitest, "run", ...options, ...reporter, ...files], limit);
    const ms = performance.now() - began;
    return { passed: code === 0, failed: code === 0 ? undefined : firstFailure(report), ms };
  }

  async #run(args: readonly string[], timeout: number): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, args, {
      cwd: this.folder,
      stdio: ["ignore", "pipe", "pipe"],
      // A failure is enough; do not search for the smallest history. A rare one needs more histories than `npm test` takes.
      env: { FOLLOW_RUNS: "2000", ...process.env, MODEL_SHRINK: "0" },
      timeout,
    });
    this.#running = child;
    let output = "";
    child.stdout.on("data", (text: Buffer) => (output += text.toString()));
    child.stderr.on("data", (text: Buffer) => (output += text.toString()));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    this.#running = undefined;
    return { code, output };
  }

  remove(): void {
    this.#running?.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function firstFailure(report: string): string | undefined {
  if (!existsSync(report)) return "a run that never ended";
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  return all.find(({ status }) => status === "failed")?.fullName;
}
