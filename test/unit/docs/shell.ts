/** What is checked of a shell block: that the scripts, files, tools, variables and routes it names exist. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./markdown.ts";

interface Package {
  readonly scripts: Readonly<Record<string, string>>;
}
const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Package;
/** Nothing else reads an environment. */
const edge = globSync("src/edge/*.ts", { cwd: ROOT })
  .map((file) => readFileSync(join(ROOT, file), "utf8"))
  .join("\n");

/** What npm does by itself. */
const NPM = new Set(["ci", "i", "install", "init", "pack"]);
/** Of other people: all that can be checked of them is their names. */
const TOOLS = new Set([
  "ACL",
  "bun",
  "cp",
  "curl",
  "deno",
  "docker",
  "git",
  "kill",
  "kubectl",
  "node",
  "npm",
  "npx",
  "echo",
  "openssl",
  "redis-cli",
]);
/** wrangler's own, not a route of the app. */
const CRON = "/cdn-cgi/handler/scheduled";

/** The commands of a script, as lists of words; quotes are gone, and a word in quotes stays one. */
export function commandsOf(script: string): string[][] {
  const commands: string[][] = [[]];
  // A quoted piece, a plain piece, a comment, an operator, white space: whatever comes next.
  const pieces = /'([^']*)'|"([^"]*)"|(#[^\n]*)|(&&|\|\||[|;\n])|(\\\n|[ \t]+)|([^\s'"|;&]+|&)/g;
  let open = false;
  for (const [, single, double, comment, operator, space, plain] of script.matchAll(pieces)) {
    const command = commands.at(-1)!;
    // In the middle of a word, `#` is a letter.
    const text = single ?? double ?? plain ?? (open ? comment : undefined);
    if (text !== undefined) {
      if (open) command.push(`${command.pop()}${text}`);
      else command.push(text);
      open = true;
    } else if (operator !== undefined) {
      commands.push([]);
      open = false;
    } else if (space !== undefined || comment !== undefined) open = false;
  }
  return commands.filter((command) => command.length > 0);
}

/** What is wrong with a command; undefined: nothing that can be seen from here. `routes` are those of /openapi.json. */
export function problemWith(words: readonly string[], routes: readonly string[]): string | undefined {
  const [assignments, rest] = splitAssignments(words);
  for (const name of assignments) {
    if (/^(ROLLCALL|SWEEP|UPSTASH)_/.test(name) && !new RegExp(`\\b${name}\\b`).test(edge))
      return `no code reads the variable ${name}`;
  }
  const [tool, ...args] = rest;
  if (tool === undefined) return undefined;
  if (!TOOLS.has(tool))
    return `${tool} is no tool this test knows: add it to TOOLS, or mark the block as output`;
  if (tool === "npm") return npmProblem(args);
  if (tool === "npx") return npxProblem(args);
  if (tool === "curl") return curlProblem(args, routes);
  if (tool === "cp") return missing(args.slice(0, -1));
  if (["node", "bun", "deno"].includes(tool) && !args.includes("-e")) return missing(args.filter(isFile));
  return undefined;
}

/** Names of the variables set for a command, and the command. */
function splitAssignments(words: readonly string[]): [string[], string[]] {
  const first = words.findIndex((word) => !/^[A-Z_]+=/.test(word));
  const count = first === -1 ? words.length : first;
  return [words.slice(0, count).map((word) => word.split("=", 1)[0]!), words.slice(count)];
}

const isFile = (word: string) => !word.startsWith("-") && /\.(ts|js|toml)$/.test(word);

function missing(files: readonly string[]): string | undefined {
  const lost = files.find((file) => !existsSync(join(ROOT, file)));
  return lost === undefined ? undefined : `there is no ${lost}`;
}

function npmProblem([verb = "", ...args]: readonly string[]): string | undefined {
  if (NPM.has(verb)) return undefined;
  const name = verb === "run" ? (args[0] ?? "") : verb;
  return name in scripts ? undefined : `package.json has no script "${name}"`;
}

function npxProblem([tool = "", ...args]: readonly string[]): string | undefined {
  if (tool === "node") return missing(args.filter(isFile));
  if (!existsSync(join(ROOT, "node_modules/.bin", tool)) && !ownCommands().includes(tool))
    return `no package here has a command ${tool}`;
  if (tool === "vitest") {
    const paths = args.slice(1).filter((word) => !word.startsWith("-"));
    // vitest takes any part of a path.
    const lost = paths.find((path) => globSync([`${path}*`, `${path}/**`], { cwd: ROOT }).length === 0);
    if (lost !== undefined) return `no test is at ${lost}`;
  }
  return missing(args.filter(isFile));
}

/** Commands of the packages in this repository, which may not have been built. */
function ownCommands(): string[] {
  return globSync(["package.json", "packages/*/package.json"], { cwd: ROOT }).flatMap((file) => {
    const { bin = {} } = JSON.parse(readFileSync(join(ROOT, file), "utf8")) as {
      bin?: Record<string, string>;
    };
    return Object.keys(bin);
  });
}

function curlProblem(args: readonly string[], routes: readonly string[]): string | undefined {
  const address = args.find((word) => /^https?:/.test(word));
  if (address === undefined) return "curl without an address";
  const path = new URL(address.replaceAll(/[<>$]/g, "")).pathname;
  if (path === CRON || routes.some((route) => matches(route, path))) return undefined;
  return `${path} is no route of the API`;
}

function matches(route: string, path: string): boolean {
  const pattern = route.replaceAll(/\{[^}]*\}/g, "[^/]+");
  return new RegExp(`^${pattern}$`).test(path);
}
