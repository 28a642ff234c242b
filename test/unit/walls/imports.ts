/** What the modules of a folder import, and what docs/architecture.md says they may. */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

export interface Import {
  /** The file that imports, from the root of the repository. */
  readonly file: string;
  /** A file of the repository, or a package: `hono`, `node:os`. */
  readonly target: string;
  /** `import type` only: gone when it runs. */
  readonly isType: boolean;
}

/** Statements and dynamic imports. What a string or a comment happens to say at the start of a line counts as well. */
const STATEMENT =
  /^\s*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/gm;

export function importsOf(file: string, text: string): Import[] {
  return [...text.matchAll(STATEMENT)].map(([, type, named, dynamic]) => {
    const specifier = named ?? dynamic!;
    const target = specifier.startsWith(".")
      ? posix.join(posix.dirname(file), specifier)
      : packageOf(specifier);
    return { file, target, isType: type !== undefined };
  });
}

function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** All modules below a folder, from the root of the repository. */
export function modulesIn(root: string, folder: string): { file: string; text: string }[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !name.includes("node_modules") && !/\bdist\b/.test(name))
    .map((name) => posix.join(folder, name.replaceAll("\\", "/")))
    .map((file) => ({ file, text: readFileSync(join(root, file), "utf8") }));
}

export interface Rule {
  /** Names of folders of src and of packages. */
  readonly may: ReadonlySet<string>;
  /** The same, with `import type` only. */
  readonly mayType: ReadonlySet<string>;
}

/** The table "What may import what": folder → rule. */
export function rulesOf(page: string): Map<string, Rule> {
  const [, table = ""] = /## What may import what\n([\s\S]*?)(?=\n## |$)/.exec(page) ?? [];
  const rows = [...table.matchAll(/^\| `([^`]+)` \|(.*)\|$/gm)];
  return new Map(
    rows.map(([, folder, cell]) => {
      const names = [...cell!.matchAll(/`([^`]+)`(?: \((types)\))?/g)];
      const named = (types: boolean) =>
        new Set(names.filter((name) => (name[2] !== undefined) === types).map((name) => name[1]!));
      return [folder!, { may: named(false), mayType: named(true) }];
    }),
  );
}

/** What is imported although the table does not say so. A module directly in src is an entry point and may import any folder. */
export function trespasses(imports: readonly Import[], rules: ReadonlyMap<string, Rule>): string[] {
  return imports.flatMap(({ file, target, isType }) => {
    const [, folder, inner] = file.split("/");
    const name = target.startsWith("src/") ? target.split("/")[1]! : target;
    if (inner === undefined)
      return target.startsWith("src/") ? [] : [`${file} is an entry point and imports ${target}`];
    const rule = rules.get(folder!);
    if (rule === undefined) return [`${file} is in a folder that the table does not name`];
    if (name === folder || rule.may.has(name) || (isType && rule.mayType.has(name))) return [];
    return [`${file} imports ${isType ? "the types of " : ""}${target}`];
  });
}

/** What the table allows and nobody does: a wall with a hole in it that nobody needs. */
export function unused(imports: readonly Import[], rules: ReadonlyMap<string, Rule>): string[] {
  const seen = new Set(
    imports.map(
      ({ file, target }) =>
        `${file.split("/")[1]} ${target.startsWith("src/") ? target.split("/")[1] : target}`,
    ),
  );
  return [...rules].flatMap(([folder, { may, mayType }]) =>
    [...may, ...mayType]
      .filter((name) => !seen.has(`${folder} ${name}`))
      .map((name) => `${folder} does not need ${name}`),
  );
}
