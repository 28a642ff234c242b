/** Compiles blocks strictly, all in one run of tsc. */
import { execFile } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Block } from "./markdown.ts";
import { ROOT } from "./markdown.ts";
import { DOORS, doorFile, PRELUDES } from "./preludes.ts";

export const fileOf = ({ page, line, language }: Block): string =>
  `${page.replaceAll("/", "_")}_${line}.${language === "tsx" ? "tsx" : "ts"}`;

/** A folder in which packages resolve as they do in an application. */
export async function prepare(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
  await writeFile(join(directory, "package.json"), JSON.stringify({ type: "module" }));
  const paths = Object.fromEntries(Object.keys(DOORS).map((name) => [name, [doorFile(name)]]));
  await writeFile(
    join(directory, "tsconfig.json"),
    JSON.stringify({
      extends: join(ROOT, "tsconfig.json"),
      // A page may show a name that only the reader will use.
      compilerOptions: { paths, jsx: "react-jsx", noUnusedLocals: false, noUnusedParameters: false },
      include: ["*.ts", "*.tsx"],
    }),
  );
}

/** The block as a module, on the same lines as in its page. Throws for a prelude that there is not. */
export function moduleOf({ marks, code, line }: Block): string {
  const names = (marks.get("with") ?? "").split(",").map((name) => name.trim());
  const preludes = names
    .filter((name) => name !== "")
    .map((name) => {
      const prelude = PRELUDES[name];
      if (prelude === undefined) throw new Error(`there is no prelude "${name}" in preludes.ts`);
      return prelude;
    });
  const before = preludes.flatMap((prelude) => prelude.before).join(" ");
  const after = preludes.flatMap((prelude) => prelude.after ?? []).join(" ");
  return `${before}${"\n".repeat(line - 1)}${code}${after}\nexport {};\n`;
}

/** tsc's complaints, with the pages' own names and lines. */
export async function typecheck(directory: string, blocks: readonly Block[]): Promise<string[]> {
  await Promise.all(blocks.map((block) => writeFile(join(directory, fileOf(block)), moduleOf(block))));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const output = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      [tsc, "-p", directory, "--pretty", "false"],
      { cwd: directory, maxBuffer: 1 << 24 },
      (error, stdout, stderr) => resolve(error === null ? "" : `${stdout}${stderr}` || error.message),
    );
  });
  return output
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) =>
      line.replace(
        /^(\S+?\.md)_\d+\.tsx?\((\d+),\d+\)/,
        (_, page: string, at: string) => `${page.replaceAll("_", "/")}:${at}`,
      ),
    );
}
