/**
 * Writes the generated parts of docs/cli.md: the help of each command, and the table of variables. `--check` changes nothing
 * and exits with 1 if the page differs. The order of the sections and everything between them stays as it is.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TABLE } from "../src/cli/table.ts";
import { variablesTable } from "../test/unit/docs/cli-variables.ts";

const ROOT = join(import.meta.dirname, "..");
const PAGE = join(ROOT, "docs/cli.md");

/** As the test runs it: without the variables and colours of this terminal. */
function helpOf(name: string): string {
  return execFileSync(process.execPath, ["src/cli.ts", name, "--help"], {
    cwd: ROOT,
    encoding: "utf8",
    env: { PATH: process.env["PATH"] ?? "" },
  });
}

/** `page` with `text` in place of what `pattern` matches. Throws if it matches nothing. */
function replaced(page: string, pattern: RegExp, text: string, what: string): string {
  if (!pattern.test(page)) throw new Error(`docs/cli.md has no ${what}: add it, with an empty block`);
  return page.replace(pattern, () => text);
}

const before = readFileSync(PAGE, "utf8");
let page = replaced(
  before,
  /^\| variable \| flag \| of \|\n(?:\|.*\n?)+/m,
  `${variablesTable()}\n`,
  "table of variables",
);
for (const { name } of TABLE) {
  const section = new RegExp(`^(## rollcall ${name}\n\n<!-- output -->\n\`\`\`\\w*\n)[^]*?^\`\`\`$`, "m");
  const head = section.exec(page)?.[1] ?? "";
  page = replaced(page, section, `${head}${helpOf(name)}\`\`\``, `section of \`rollcall ${name}\``);
}

if (process.argv.includes("--check")) {
  if (page !== before) {
    console.error("docs/cli.md is not what the command prints: npm run docs:cli");
    process.exitCode = 1;
  }
} else writeFileSync(PAGE, page);
