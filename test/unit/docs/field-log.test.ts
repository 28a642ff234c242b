/**
 * Goal: every row of docs/field-log.md is held by tests that exist, and no row is lost.
 * Method: the tables are read from the page; each named file must have a test, or a group of tests, whose title begins as the row says.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPage, ROOT } from "./markdown.ts";

/** How many rows each kind has at least. */
const KINDS = { A: 8, B: 9, C: 8, D: 13, P: 19 };

const rows = readPage("docs/field-log.md")
  .split("\n")
  .filter((line) => /^\| [A-Z]\d/.test(line))
  .map((line) => line.split("|").slice(1, -1));
const NAMED = /`((?:test|packages)\/[^`]+\.test\.ts)`: "([^"]+)"/g;
const tests = rows.flatMap(([row = "", , , cell = ""]) =>
  [...cell.matchAll(NAMED)].map(([, file = "", title = ""]) => ({ row: row.trim(), file, title })),
);

/** Whether a title in the file begins so: the first argument of `it(`, of `describe(`, or of what their `each(…)` returns. */
function hasTitle(file: string, title: string): boolean {
  const path = join(ROOT, file);
  if (!existsSync(path)) return false;
  const before = readFileSync(path, "utf8").split(title).slice(0, -1);
  return before.some((text) => /(?:\b(?:it|describe)|\))\(\s*["'`]$/.test(text.slice(-200)));
}

it("every kind has its rows, each with what was tried, what is right and a test", () => {
  for (const [kind, least] of Object.entries(KINDS)) {
    const ids = rows.flatMap(([id = ""]) => new RegExp(`^ (${kind}\\d+) (?!to )`).exec(id)?.[1] ?? []);
    expect(ids).toEqual(Array.from({ length: Math.max(least, ids.length) }, (_, i) => `${kind}${i + 1}`));
  }
  for (const row of rows) {
    expect(row.length, row[0]).toBe(4);
    for (const cell of row) expect(cell.trim(), row[0]).not.toBe("");
    expect([...row[3]!.matchAll(NAMED)].length, row[0]).toBeGreaterThan(0);
    // Nothing but tests, so that no row is held by a promise.
    expect(row[3]!.replaceAll(NAMED, "").replaceAll(";", "").trim(), row[0]).toBe("");
  }
});

it.each(tests)("$row: $file has the test $title", ({ file, title }) => {
  expect(hasTitle(file, title)).toBe(true);
});

describe("a title", () => {
  const own = "test/unit/docs/field-log.test.ts";
  it("is found at the beginning only, and not in a comment or an assertion", () => {
    expect(hasTitle(own, "every kind has its rows")).toBe(true);
    expect(hasTitle(own, "$row: $file has")).toBe(true);
    expect(hasTitle(own, "kind has its rows")).toBe(false);
    expect(hasTitle(own, "Goal: every row")).toBe(false);
    expect(hasTitle("test/unit/docs/no-such-file.test.ts", "every")).toBe(false);
  });
});
