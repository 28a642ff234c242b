/**
 * Joins src/lua/*.lua with the parts they include and writes them, with their SHA-1, to src/lua/generated.ts:
 * plain strings work in Node, in workerd and in every bundler. `--check` fails when the file is out of date.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dirname, "../src/lua");
const target = join(folder, "generated.ts");

function assemble(file: string): string {
  const text = readFileSync(join(folder, file), "utf8");
  return text.replaceAll(/^-- include (\S+)$/gm, (_, part: string) => assemble(part).trimEnd());
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

const scripts = readdirSync(folder)
  .filter((file) => file.endsWith(".lua"))
  .sort();

const lines = ["// Made by `npm run build:lua` from the .lua files beside it. Do not edit.", ""];
for (const file of scripts) {
  const text = strip(assemble(file));
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
