/** Fails when an invariant of docs/protocol.md names no test, names a missing test, or is not mentioned in the test it names. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const protocol = readFileSync(join(root, "docs/protocol.md"), "utf8");
const tests = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => ({ file: `test/${file}`, text: readFileSync(join(root, "test", file), "utf8") }));

const problems: string[] = [];
const invariants = [...protocol.matchAll(/^- \*\*(INV-\d+)\*\*(.*(?:\n {2}.*)*)/gm)];
if (invariants.length < 9)
  problems.push(`docs/protocol.md numbers ${invariants.length} invariants; the design has 9`);

for (const [, name = "", body = ""] of invariants) {
  const named = [...body.matchAll(/`(test\/[^`]+\.test\.ts)`/g)].map((match) => match[1]!);
  if (named.length === 0) problems.push(`${name} names no test`);
  for (const file of named) {
    const test = tests.find((candidate) => candidate.file === file);
    if (test === undefined) problems.push(`${name} names ${file}, which does not exist`);
    else if (!new RegExp(`${name}\\b`).test(test.text))
      problems.push(`${name} names ${file}, which does not mention it`);
  }
}

for (const problem of problems) console.error(problem);
console.log(`${invariants.length} invariants, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
