/** The scripts as files, for those who call them from another language: `project.lua` and `project.sha1`, and those of subscribers. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { project, subscriber } from "../src/lua/generated.ts";

/** The bytes of a `.lua` are the ones whose SHA-1 is in the `.sha1`: EVALSHA takes it. */
export function writeScript(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, { text, sha1 }] of Object.entries({ project, subscriber })) {
    writeFileSync(join(folder, `${name}.lua`), text);
    writeFileSync(join(folder, `${name}.sha1`), `${sha1}\n`);
  }
}
