/**
 * Joins src/lua/*.lua with the parts they include and writes them, with their SHA-1, to src/lua/generated.ts:
 * plain strings work in Node, in workerd and in every bundler. `--check` fails when the file is out of date.
 *
 * A name in capitals that src/core/limits.ts exports stands for its value: a literal, where a local would be one of the 200
 * that Lua allows, and one of the 60 that a function may use of what is around it. APPLY, VALID, MAKE_SCOPES, MAKE_SOCKETS, HISTORY and CHECK_OPEN stand for functions that
 * are written where they are first needed, since a call pays for each closure it makes.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OFFLINE_CAUSES } from "../src/core/change.ts";
import * as limits from "../src/core/limits.ts";

const folder = join(import.meta.dirname, "../src/lua");
const target = join(folder, "generated.ts");

function literal(value: unknown): string {
  if (Array.isArray(value)) return `{ ${value.map(literal).join(", ")} }`;
  return typeof value === "number" ? String(value) : `'${String(value)}'`;
}

const values: Record<string, string> = {
  APPLY: readFileSync(join(folder, "project/apply.lua"), "utf8").trim(),
  VALID: readFileSync(join(folder, "project/valid.lua"), "utf8").trim(),
  MAKE_SCOPES: readFileSync(join(folder, "project/scopes.lua"), "utf8").trim(),
  MAKE_SOCKETS: readFileSync(join(folder, "project/sockets.lua"), "utf8").trim(),
  HISTORY: readFileSync(join(folder, "project/history.lua"), "utf8").trim(),
  CHECK_OPEN: readFileSync(join(folder, "project/opened.lua"), "utf8").trim(),
  CAUSES: literal(OFFLINE_CAUSES),
};
for (const [name, value] of Object.entries(limits)) {
  if (/^[A-Z_]+$/.test(name)) values[name] = literal(value);
}

function assemble(file: string): string {
  const text = readFileSync(join(folder, file), "utf8");
  return text.replaceAll(/^ *-- include (\S+)$/gm, (_, part: string) =>
    assemble(join(file, "..", part)).trimEnd(),
  );
}

/** Removes comments and indentation, which the server does not need. */
function strip(lua: string): string {
  const code = lua
    .replaceAll(/--\[\[[\s\S]*?\]\]/g, "")
    .split("\n")
    .map((line) => line.replace(/(^|\s+)--( .*)?$/, "").trim())
    .filter((line) => line !== "");
  return `${code.join("\n")}\n`;
}

function fill(lua: string): string {
  const names = new RegExp(`(?<!')\\b(${Object.keys(values).join("|")})\\b(?!')`, "g");
  // Twice: what stands for a function names limits itself.
  return lua.replaceAll(names, (name) => values[name]!).replaceAll(names, (name) => values[name]!);
}

const scripts = readdirSync(folder)
  .filter((file) => file.endsWith(".lua"))
  .sort();

const lines = ["// Made by `npm run build:lua` from the .lua files beside it. Do not edit.", ""];
for (const file of scripts) {
  const text = strip(fill(assemble(file)));
  const sha1 = createHash("sha1").update(text).digest("hex");
  lines.push(
    `export const ${file.replace(".lua", "")} = {`,
    `  sha1: "${sha1}",`,
    `  text: ${JSON.stringify(text)},`,
    "} as const;",
    "",
  );
}
const generated = lines.join("\n");

if (!process.argv.includes("--check")) {
  writeFileSync(target, generated);
} else if (readFileSync(target, "utf8") !== generated) {
  console.error("src/lua/generated.ts is out of date: run `npm run build:lua` and commit it.");
  process.exit(1);
}
