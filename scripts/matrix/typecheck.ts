/** A user's `tsc --strict` for a program, with both module resolutions in current use. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

export type Resolution = "nodenext" | "bundler";

/**
 * Type-checks files in a folder that has their dependencies installed. Rejects for errors in the files or in Rollcall's types;
 * errors between the dependencies' own types are ignored.
 */
export async function typecheck(
  folder: string,
  files: readonly string[],
  resolution: Resolution,
  tsc: string,
): Promise<void> {
  const config = join(folder, `tsconfig.${resolution}.json`);
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noEmit: true,
    skipLibCheck: false,
    target: "es2023",
    lib: ["es2024", "esnext.disposable", "dom"],
    types: ["node"],
    module: resolution === "nodenext" ? "nodenext" : "esnext",
    moduleResolution: resolution,
  };
  await writeFile(config, JSON.stringify({ compilerOptions, files }, undefined, 2));
  try {
    await run(process.execPath, [tsc, "-p", config, "--pretty", "false"], { cwd: folder, timeout: 60_000 });
  } catch (error) {
    const printed = (error as Error).message;
    const lines = printed.split("\n").filter((line) => /error TS\d+/.test(line));
    const ours = lines.filter((line) => !/node_modules\/(?!rollcall\/)/.test(line));
    if (lines.length === 0 || ours.length > 0) throw error;
  }
}
