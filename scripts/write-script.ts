/** The projector's script as files, for those who call it from another language: `project.lua`, `project.sha1`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { project } from "../src/lua/generated.ts";

/** The bytes of the first file are the ones whose SHA-1 is in the second: EVALSHA takes it. */
export function writeScript(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "project.lua"), project.text);
  writeFileSync(join(folder, "project.sha1"), `${project.sha1}\n`);
}
