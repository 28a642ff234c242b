/**
 * Fails when an invariant of docs/protocol.md names no test, names a missing test, is not mentioned in the test it names, or
 * has no mutant; and when the code or the tests of a mutant are gone, which its own run would only show after an hour.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MUTANTS } from "./mutants/list.ts";

const root = join(import.meta.dirname, "..");
const protocol = readFileSync(join(root, "docs/protocol.md"), "utf8");
const tests = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.ts"))
  .map((file) => ({ file: `test/${file}`, text: readFileSync(join(root, "test", file), "utf8") }));

const problems: string[] = [];
const invariants = [...protocol.matchAll(/^- \*\*(INV-\d+)\*\*(.*(?:\n {2}.*)*)/gm)];
if (invariants.length < 14)
  problems.push(`docs/protocol.md numbers ${invariants.length} invariants; it had 14`);

for (const [, name = "", body = ""] of invariants) {
  const named = [...body.matchAll(/`(test\/[^`]+\.test\.ts)`/g)].map((match) => match[1]!);
  if (named.length === 0) problems.push(`${name} names no test`);
  if (!MUTANTS.some(({ breaks }) => breaks === name)) problems.push(`${name} has no mutant`);
  for (const file of named) {
    const test = tests.find((candidate) => candidate.file === file);
    if (test === undefined) problems.push(`${name} names ${file}, which does not exist`);
    else if (!new RegExp(`${name}\\b`).test(test.text))
      problems.push(`${name} names ${file}, which does not mention it`);
  }
}

for (const { name, edits, tests: files } of MUTANTS) {
  for (const { file, find } of edits) {
    const times = readFileSync(join(root, file), "utf8").split(find).length - 1;
    if (times !== 1) problems.push(`mutant ${name}: ${file} holds its text ${times} times`);
  }
  for (const file of files)
    if (!existsSync(join(root, file))) problems.push(`mutant ${name}: ${file} does not exist`);
}

for (const problem of problems) console.error(problem);
console.log(`${invariants.length} invariants, ${MUTANTS.length} mutants, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
