/** The variables of the command as a table for docs/cli.md, from the table of commands. */
import { TABLE } from "../../../src/cli/table.ts";

export function variablesTable(): string {
  const uses = new Map<string, Map<string, string[]>>();
  for (const { name, flags } of TABLE) {
    for (const { name: flag, env } of flags) {
      if (env === null) continue;
      const ofFlag = uses.get(env) ?? new Map<string, string[]>();
      uses.set(env, ofFlag.set(flag, [...(ofFlag.get(flag) ?? []), name]));
    }
  }
  const rows = [...uses]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([env, flags]) => {
      const names = [...flags.keys()].map((flag) => `\`--${flag}\``).join(", ");
      const commands = [...flags.values()].flat().map((name) => `\`${name}\``);
      return `| \`${env}\` | ${names} | ${commands.join(", ")} |`;
    });
  return ["| variable | flag | of |", "| --- | --- | --- |", ...rows].join("\n");
}
