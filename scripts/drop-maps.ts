/**
 * Removes the source maps of what nobody steps through from an application: the command, and the dashboard's page, which is one line of
 * base64. They were a tenth of what is installed.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const UNREAD =
  /(?:^|\/)(?:src\/(?:cli|doctor)(?:\/|\.ts$)|src\/dashboard\/generated\.ts$|node_modules\/commander\/)/;

export function dropMaps(folder: string): void {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".js.map"))) {
    const { sources } = JSON.parse(readFileSync(join(folder, name), "utf8")) as { sources: string[] };
    if (!sources.every((source) => UNREAD.test(source))) continue;
    rmSync(join(folder, name));
    const code = join(folder, name.slice(0, -".map".length));
    const text = readFileSync(code, "utf8");
    writeFileSync(code, text.replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n"));
  }
}
