/**
 * `npm run vectors`: writes model/vectors/*.json, for whoever writes a recorder, a projector, a reader or a subscriber in another language.
 * `--check` fails when one is out of date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codecVectors } from "./vectors/codec.ts";
import { foldVectors } from "./vectors/fold.ts";
import { recorderVectors } from "./vectors/recorder.ts";
import { subscriberVectors } from "./vectors/subscriber.ts";

const folder = join(import.meta.dirname, "../model/vectors");
const files: Record<string, unknown> = {
  "fold.json": foldVectors(),
  "codec.json": codecVectors(),
  "recorder.json": recorderVectors(),
  "subscriber.json": subscriberVectors(),
};

/** One line an element of the outer list or table, so that a difference names the vector. */
function lines(value: unknown): string {
  if (Array.isArray(value)) return `[\n${value.map((one) => JSON.stringify(one)).join(",\n")}\n]\n`;
  const tables = Object.entries(value as object).map(
    ([name, one]) => `${JSON.stringify(name)}: ${JSON.stringify(one)}`,
  );
  return `{\n${tables.join(",\n")}\n}\n`;
}

let stale = 0;
for (const [file, value] of Object.entries(files)) {
  const path = join(folder, file);
  if (!process.argv.includes("--check")) writeFileSync(path, lines(value));
  else if (read(path) !== lines(value)) {
    console.error(`model/vectors/${file} is out of date: run \`npm run vectors\` and commit it.`);
    stale++;
  }
}
process.exitCode = stale === 0 ? 0 : 1;

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
