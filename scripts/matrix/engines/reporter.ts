/** Vitest's reporter for the matrix: what passed, failed and was skipped, and why, as JSON in the file that ENGINE_REPORT names. */
import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

export interface EngineReport {
  readonly passed: number;
  /** Title and first line of the reason. Files that could not run are among them. */
  readonly failed: readonly string[];
  /** How many, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
}

const firstLine = (errors: readonly { readonly message: string }[]) =>
  errors[0]?.message.split("\n", 1)[0] ?? "no reason";

export default class EngineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    let passed = 0;
    const failed: string[] = [];
    const skipped: Record<string, number> = {};
    for (const module of modules) {
      const errors = module.errors();
      if (errors.length > 0) failed.push(`${module.relativeModuleId}: ${firstLine(errors)}`);
      for (const suite of module.children.allSuites()) {
        for (const error of suite.errors())
          failed.push(`${module.relativeModuleId} > ${suite.fullName}: ${firstLine([error])}`);
      }
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "passed") passed++;
        else if (result.state === "failed")
          failed.push(`${module.relativeModuleId} > ${test.fullName}: ${firstLine(result.errors)}`);
        else {
          const why = (result.state === "skipped" ? result.note : undefined) ?? "not run";
          skipped[why] = (skipped[why] ?? 0) + 1;
        }
      }
    }
    writeFileSync(
      process.env["ENGINE_REPORT"]!,
      JSON.stringify({ passed, failed, skipped } satisfies EngineReport),
    );
  }
}
