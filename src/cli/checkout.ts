/** Whether this is a checkout of the repository, which has more than the package. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** A file of the checkout; undefined in an installed package, and where there is no such file. */
export function inCheckout(path: string): string | undefined {
  // From src/cli, or from dist.
  for (let folder = dirname(import.meta.dirname), up = 0; up < 2; folder = dirname(folder), up++) {
    const isRoot = existsSync(join(folder, "src/cli.ts")) && existsSync(join(folder, "package.json"));
    const file = join(folder, path);
    if (isRoot) return existsSync(file) ? file : undefined;
  }
  return undefined;
}
