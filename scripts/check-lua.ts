/**
 * Checks the parts of the script: each says in two lines what it gives to those after it and what it reads or writes of others
 * (`-- gives: …`, `-- reads: …`). Fails when a line is wrong, a name is not given before it is read, a name is no local and
 * no global of Redis, or a local is not used; and when Lua's limits come near. `--write` writes the lines.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as limits from "../src/core/limits.ts";

const folder = join(import.meta.dirname, "../src/lua/project");
/** In the order of assembly; those from `open` to `forget` are inside the function `careful`. */
const INSIDE = ["open", "states", "parse", "steps", "fold", "reap", "expire", "trim", "forget"];
const PARTS = ["head", "mac", "quick", "careful", ...INSIDE, "tail"];
const GLOBALS = new Set(
  "redis cjson struct KEYS ARGV string table math tonumber tostring type unpack pcall error next ipairs pairs".split(" "),
); // prettier-ignore
/** What the build fills in. */
const FILLED = new Set([
  "APPLY",
  "VALID",
  "MAKE_SCOPES",
  "MAKE_SOCKETS",
  "HISTORY",
  "CHECK_OPEN",
  "CAUSES",
  ...Object.keys(limits),
]);
const KEYWORDS = new Set(
  "and break do else elseif end false for function if in local nil not or repeat return then true until while".split(" "),
); // prettier-ignore
/** Lua allows 200 locals of one function, and 60 names of what is around it. */
const LOCALS_MAX = 120;
const UPVALUES_MAX = 60;

const problems: string[] = [];

function tokensOf(text: string): string[] {
  const code = text.replaceAll(/--\[\[[\s\S]*?\]\]/g, "").replaceAll(/--.*$/gm, "");
  return code.match(/'(?:\\.|[^'\\])*'|[A-Za-z_]\w*|\d[\w.]*|\.\.\.?|[=~<>]=|\S/g) ?? [];
}

const isName = (token: string | undefined) =>
  token !== undefined && /^[A-Za-z_]/.test(token) && !KEYWORDS.has(token);

interface Part {
  /** Locals that those after it can use. */
  readonly gives: Set<string>;
  /** Names that are not its own. */
  readonly reads: Set<string>;
  readonly used: Map<string, number>;
}

/** `depth`: up to which depth of blocks a local is given to others. */
function look(name: string, text: string, depth: number): Part {
  const tokens = tokensOf(text);
  const [gives, own, reads] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const used = new Map<string, number>();
  const declared = new Set<number>();
  const declare = (i: number, given: boolean) => {
    declared.add(i);
    own.add(tokens[i]!);
    if (given) gives.add(tokens[i]!);
  };
  let level = 0;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token === "local" && tokens[i + 1] === "function") declare(i + 2, level <= depth);
    else if (token === "local" || token === "for") {
      for (let j = i + 1; isName(tokens[j]); j += 2) {
        declare(j, token === "local" && level <= depth);
        if (tokens[j + 1] !== ",") break;
      }
    } else if (token === "function") {
      let j = tokens.indexOf("(", i) + 1;
      for (; tokens[j] !== ")"; j++) if (isName(tokens[j])) declare(j, false);
    }
    if (token === "if" || token === "do" || token === "function" || token === "repeat") level++;
    if (token === "end" || token === "until") level--;
  }
  for (const [i, token] of tokens.entries()) {
    if (!isName(token) || declared.has(i)) continue;
    if (tokens[i - 1] === "." || tokens[i - 1] === ":") continue;
    // A name in a table: `{ id = … }`.
    if (tokens[i + 1] === "=" && (tokens[i - 1] === "{" || tokens[i - 1] === ",") && isInTable(tokens, i)) continue;
    used.set(token, (used.get(token) ?? 0) + 1);
    if (!own.has(token) && !FILLED.has(token)) reads.add(token);
  } // prettier-ignore
  for (const local of own) {
    if (local !== "_" && !gives.has(local) && !used.has(local))
      problems.push(`${name}: ${local} is not used`);
  }
  return { gives, reads, used };
}

function isInTable(tokens: readonly string[], at: number): boolean {
  let open = 0;
  for (let i = at - 1; i >= 0; i--) {
    if (tokens[i] === "}" || tokens[i] === ")") open++;
    if (tokens[i] === "(" && open-- === 0) return false;
    if (tokens[i] === "{" && open-- === 0) return true;
    if (open === 0 && ["local", "then", "do", "end", "else"].includes(tokens[i]!)) return false;
  }
  return false;
}

function lineOf(word: string, names: ReadonlySet<string>): string {
  return `-- ${word}: ${[...names].sort().join(" ") || "nothing"}`;
}

const file = (name: string) => join(folder, `${name}.lua`);
const given = new Map<string, string>();
const usedAnywhere = new Set<string>();
const parts = new Map<string, Part>();
for (const name of PARTS) {
  const text = readFileSync(file(name), "utf8");
  const part = look(name, text, name === "careful" ? 1 : 0);
  parts.set(name, part);
  for (const word of part.used.keys()) usedAnywhere.add(word);
  for (const word of part.reads) {
    if (GLOBALS.has(word)) part.reads.delete(word);
    else if (!given.has(word)) {
      // `careful` calls what its own parts give.
      const later = name === "careful" && INSIDE.some((inner) => new RegExp(`\\bfunction ${word}\\(`).test(readFileSync(file(inner), "utf8")));
      if (!later) problems.push(`${name}: ${word} is no local of a part before it and no global of Redis`);
    }
  } // prettier-ignore
  for (const word of part.gives) given.set(word, name);
  const lines = [lineOf("gives", part.gives), lineOf("reads", part.reads)];
  if (process.argv.includes("--write")) {
    const bare = text.replaceAll(/^-- (?:gives|reads): .*\n/gm, "");
    const head = /^(?:--\[\[[\s\S]*?\]\]\n|(?:--.*\n)+)/.exec(bare)?.[0] ?? "";
    writeFileSync(file(name), `${head}${lines.join("\n")}\n${bare.slice(head.length)}`);
  } else {
    for (const line of lines)
      if (!text.includes(`\n${line}\n`)) problems.push(`${name}: it should say "${line}"`);
  }
}
for (const name of ["apply", "valid", "scopes", "history"]) {
  for (const word of look(name, readFileSync(file(name), "utf8"), -1).reads)
    if (!GLOBALS.has(word) && given.get(word) !== "head")
      problems.push(`${name}: ${word} is not given by head`);
}
for (const [word, part] of given) {
  if (!usedAnywhere.has(word)) problems.push(`${part}: ${word} is not used`);
}

const top = [...given].filter(
  ([word, part]) => !INSIDE.includes(part) && (part !== "careful" || word === "careful"),
);
const outside = new Set(top.map(([word]) => word));
const inside = ["careful", ...INSIDE].flatMap((name) => [...parts.get(name)!.used.keys()]);
const upvalues = new Set(inside.filter((word) => outside.has(word)));
if (top.length >= LOCALS_MAX) problems.push(`${top.length} locals at the top; ${LOCALS_MAX} is enough`);
if (upvalues.size >= UPVALUES_MAX) problems.push(`careful uses ${upvalues.size} names of what is around it`);

for (const problem of problems) console.error(problem);
console.log(
  `${PARTS.length} parts: ${top.length} locals at the top, careful uses ${upvalues.size} of them, ${problems.length} problems`,
);
process.exit(problems.length === 0 ? 0 : 1);
