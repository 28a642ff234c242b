/**
 * Writes `.dev.vars.example` from the table of variables: `node scripts/dev-vars.ts`. test/unit/edge/variables.test.ts
 * fails when the file is out of date.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Variable, VARIABLES } from "../src/edge/variables.ts";

const HEAD = `# Every variable that Rollcall reads. For \`wrangler dev\`, copy this file to .dev.vars and fill it in; .dev.vars is not
# committed. Set the same secrets for the deployed Worker: npx wrangler secret put <name>. The other variables are in wrangler.toml
# and can be overridden here for this machine. functions/node.ts and the others read the same names from their environment.
`;

export function devVarsExample(): string {
  const all: [string, Variable<unknown>][] = Object.entries(VARIABLES);
  const parts = all.map(([name, { doc, fallback, isSecret = false }]) => {
    const setting = isSecret ? `${name}=` : `# ${name}=${fallback ?? ""}`;
    return [...doc.map((line) => `# ${line}`), setting].join("\n");
  });
  return `${[HEAD, ...parts].join("\n\n").replace("\n\n\n", "\n\n")}\n`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "../.dev.vars.example"), devVarsExample());
