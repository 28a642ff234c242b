/** Empty folders, and what npm installs into them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

const INSTALL_MS = 180_000;

/** Creates the folder with a package.json of type "module". */
export async function emptyFolder(parent: string, name: string): Promise<string> {
  const folder = join(parent, name);
  await mkdir(folder);
  // Runtimes are downloaded by install scripts.
  const allowScripts = { node: true, bun: true, deno: true };
  const manifest = { name, version: "1.0.0", private: true, type: "module", allowScripts };
  await writeFile(join(folder, "package.json"), JSON.stringify(manifest, undefined, 2));
  return folder;
}

/** `npm install` of exactly these. */
export async function install(folder: string, packages: readonly string[]): Promise<void> {
  const quiet = ["--no-audit", "--no-fund", "--save-exact", "--prefer-offline", "--loglevel", "error"];
  await run("npm", ["install", ...quiet, ...packages], { cwd: folder, timeout: INSTALL_MS });
}

/** The size of the folder's node_modules, bytes on disk. */
export async function installedBytes(folder: string): Promise<number> {
  const printed = await run("du", ["-sk", join(folder, "node_modules")], { cwd: folder, timeout: 20_000 });
  return Number(printed.split(/\s/, 1)[0]) * 1024;
}

/** Builds and packs a package of this repository. Returns the path of the tarball. */
export async function pack(source: string, into: string): Promise<string> {
  const printed = await run("npm", ["pack", "--json", "--loglevel", "error", "--pack-destination", into], {
    cwd: source,
    timeout: 120_000,
  });
  // The build's output comes first; npm prints a list, or an object by name.
  const name = /"filename":\s*"([^"]+)"/.exec(printed)?.[1];
  if (name === undefined) throw new Error(`npm pack named no file:\n${printed}`);
  return join(into, name);
}
