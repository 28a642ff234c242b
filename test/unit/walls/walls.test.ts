/**
 * Goal: imports follow docs/architecture.md: which folder may import which other folder and which package.
 * Method: the imports of every module are compared with the table of that page. The compiler checks the runtimes: src/core has a
 * tsconfig without any, and tsconfig.edge.json is one without Node.
 */
import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, it } from "vitest";
import { importsOf, modulesIn, rulesOf, trespasses, unused } from "./imports.ts";

const root = join(import.meta.dirname, "../../..");
const rules = rulesOf(readFileSync(join(root, "docs/architecture.md"), "utf8"));
const src = modulesIn(root, "src").flatMap(({ file, text }) => importsOf(file, text));

it("every folder of src imports only what docs/architecture.md allows", () => {
  expect(src.length).toBeGreaterThan(200);
  expect(trespasses(src, rules)).toEqual([]);
});

it("docs/architecture.md allows only imports that exist", () => {
  expect(unused(src, rules)).toEqual([]);
});

it("shipped code imports nothing from tests, rig, model, bench and examples", () => {
  const shipped = ["src", "functions", "packages/upstash-bridge/src", "packages/local-redis/src"];
  const imports = shipped
    .flatMap((folder) => modulesIn(root, folder))
    .flatMap(({ file, text }) => importsOf(file, text));
  expect(imports.filter(({ target }) => /^(test|rig|model|bench|examples|scripts)\//.test(target))).toEqual(
    [],
  );
});

it("bench, examples, rig and model import nothing from tests", () => {
  const imports = ["bench", "examples", "rig", "model"]
    .flatMap((folder) => modulesIn(root, folder))
    .flatMap(({ file, text }) => importsOf(file, text));
  expect(imports.filter(({ target }) => target.startsWith("test/"))).toEqual([]);
});

/** The modules that are loaded with these, and the packages; without those of a dynamic import. */
function loadedWith(first: readonly string[]): Set<string> {
  const imported = new Map<string, string[]>();
  for (const { file, text } of modulesIn(root, "src")) {
    const isStatic = ({ target }: { target: string }) =>
      !text.includes(`import("${relativeTo(file, target)}")`);
    imported.set(file, importsOf(file, text).filter((one) => !one.isType && isStatic(one)).map(({ target }) => target)); // prettier-ignore
  }
  const loaded = new Set<string>();
  const load = (file: string) => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const target of imported.get(file) ?? []) load(target);
  };
  for (const file of first) load(file);
  return loaded;
}

function relativeTo(file: string, target: string): string {
  if (!target.startsWith("src/")) return target;
  const path = posix.relative(posix.dirname(file), target);
  return path.startsWith(".") ? path : `./${path}`;
}

it("the commands for a Redis load no hono and no client of Upstash: the package is installed without", () => {
  const commands = ["acl", "bench", "changes", "check", "doctor", "evict", "forget", "history", "scopes", "status", "sweep", "user", "users", "verify", "webhooks"]; // prettier-ignore
  const loaded = loadedWith([
    "src/cli.ts",
    "src/reader/create.ts",
    "src/projector/create.ts",
    "src/client/client.ts",
    "src/doctor/reach.ts",
    "src/doctor/gather.ts",
    ...commands.map((name) => `src/cli/${name}.ts`),
  ]);
  expect(loaded).toContain("ioredis");

  expect([...loaded].filter((name) => /^(hono|@hono|@upstash)/.test(name))).toEqual([]);
});

describe("a wall stops", () => {
  const stopped = (file: string, text: string) => trespasses(importsOf(file, text), rules);

  it.each([
    ["src/core/journal.ts", 'import { hostname } from "node:os";'],
    ["src/core/journal.ts", 'import { projectorOver } from "../projector/projector.ts";'],
    ["src/core/journal.ts", 'import type { Reader } from "../reader/reader.ts";'],
    ["src/http/app.ts", 'import { hostname } from "node:os";'],
    ["src/http/app.ts", 'import {\n  type Redis,\n  Cluster,\n} from "ioredis";'],
    ["src/reader/reader.ts", 'export * from "../projector/projector.ts";'],
    ["src/client/client.ts", 'import { readerOver } from "../reader/reader.ts";'],
    ["src/edge/api.ts", 'const { Redis } = await import("ioredis");'],
    ["src/nowhere/else.ts", 'import "../core/errors.ts";'],
    ["src/index.ts", 'import "ioredis";'],
  ])("%s: %s", (file, text) => {
    expect(stopped(file, text)).toHaveLength(1);
  });

  it("and allows what the table names", () => {
    expect(stopped("src/client/client.ts", 'import type { Reader } from "../reader/reader.ts";')).toEqual([]);
    expect(stopped("src/index.ts", 'export { createPresence } from "./presence/presence.ts";')).toEqual([]);
  });
});
