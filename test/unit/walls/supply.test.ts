/**
 * Goal: what `npm ci` installs is what was tested: every package by the hash of its bytes, and only packages that are named may run
 * something when they are installed.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
}

const root = join(import.meta.dirname, "../../..");
const read = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8")) as unknown;
const lock = read("package-lock.json") as { lockfileVersion: number; packages: Record<string, Locked> };
const manifest = read("package.json") as {
  devDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
};
/** Without this repository's own packages. */
const installed = Object.entries(lock.packages).filter(
  ([path, { link }]) => path.includes("node_modules/") && link !== true,
);

it("every package of the lock file has an integrity, and comes from the registry", () => {
  expect(installed.length).toBeGreaterThan(100);
  for (const [path, { version, resolved = "", integrity }] of installed) {
    expect(integrity, path).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
    expect(version, path).toMatch(/^\d+\.\d+\.\d+/);
    // A git or file URL has no registry behind it. Without `resolved` npm asks the registry it is configured with.
    expect(resolved, path).toMatch(/^$|^https:\/\//);
  }
});

it("what we depend on is pinned to one version", () => {
  for (const [name, version] of Object.entries(manifest.devDependencies))
    expect(version, name).toMatch(/^(?:npm:(?:@[\w-]+\/)?[\w-]+@)?\d+\.\d+\.\d+$/);
});

it("what runs at installation is named in `allowScripts`, and in docs/privacy.md", () => {
  const run = installed
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([path]) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length));
  const page = readFileSync(join(root, "docs/privacy.md"), "utf8");
  expect(run).not.toEqual([]);
  for (const name of run) {
    expect(manifest.allowScripts, name).toHaveProperty([name], true);
    expect(page, name).toContain(`\`${name}\``);
  }
});
