/**
 * Bundles src/dashboard into one page and writes it to src/dashboard/generated.ts, compressed: a Worker has no files to serve, and
 * the page is sent as it is kept. With it go the hashes of its script and styles for the Content-Security-Policy.
 * `--check` fails when the file is out of date, and when the page has outgrown its budget.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const folder = join(import.meta.dirname, "../src/dashboard");
const target = join(folder, "generated.ts");
/** Most bytes of the page, compressed. */
const GZIPPED_MAX = 60_000;

async function bundled(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(folder, entry)],
    tsconfig: join(folder, "tsconfig.json"),
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: ["es2023", "chrome123", "firefox120", "safari17.5"],
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  // The parser of HTML would see the end of the element.
  return outputFiles[0]!.text.trim().replaceAll("</script", String.raw`<\/script`);
}

const hashOf = (text: string) => `sha256-${createHash("sha256").update(text).digest("base64")}`;

const [script, style] = await Promise.all([bundled("main.tsx"), bundled("style.css")]);

/** Exactly the text that the hashes are of: not a space more. */
function filled(page: string, place: string, text: string): string {
  if (!page.includes(`<${place}></${place}>`)) fail(`page.html has no <${place}></${place}>`);
  return page.replace(`<${place}></${place}>`, () => `<${place}>${text}</${place}>`);
}
const template = readFileSync(join(folder, "page.html"), "utf8");
// src/http/routes/dashboard.ts looks for it.
if (!template.includes('<meta name="rollcall-token" content="">')) fail("page.html has no place for a token");
const html = filled(filled(template, "style", style), "script", script);
const gzipped = gzipSync(html, { level: 9 });
const constants = { SCRIPT_HASH: hashOf(script), STYLE_HASH: hashOf(style) };

const lines = [
  "// Made by `npm run build:dashboard` from the files beside it. Do not edit.",
  "",
  ...Object.entries(constants).map(([name, value]) => `export const ${name} = ${JSON.stringify(value)};`),
  "/** The page, gzip in base64. */",
  `export const GZIPPED = ${JSON.stringify(gzipped.toString("base64"))};`,
  "",
];

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

/** Of the file there is: the page and the constants. Compression differs between machines, so the bytes are not compared. */
function isUpToDate(): boolean {
  const text = readFileSync(target, "utf8");
  const kept = (name: string) => new RegExp(`^export const ${name} = "(.*)";$`, "m").exec(text)?.[1] ?? "";
  const page = gunzipSync(Buffer.from(kept("GZIPPED"), "base64")).toString();
  return page === html && Object.entries(constants).every(([name, value]) => kept(name) === value);
}

if (gzipped.length > GZIPPED_MAX)
  fail(`the dashboard has ${gzipped.length} bytes compressed: at most ${GZIPPED_MAX}`);
if (!process.argv.includes("--check")) {
  writeFileSync(target, lines.join("\n"));
  console.info(`the dashboard has ${gzipped.length} bytes compressed, ${html.length} as text`);
} else if (!isUpToDate()) {
  fail("src/dashboard/generated.ts is out of date: run `npm run build:dashboard` and commit it.");
}
