/** Goal: docs/cli.md shows what the command prints about itself: the help of each command, its variables, its exit codes. */
import { expect, it } from "vitest";
import { EXIT } from "../../../src/cli/command.ts";
import { TABLE } from "../../../src/cli/table.ts";
import { rollcall } from "../cli/support.ts";
import { variablesTable } from "./cli-variables.ts";
import { blocksOf, readPage, sectionOf } from "./markdown.ts";

const page = readPage("docs/cli.md");

it.each(TABLE.map(({ name }) => name))("the page has the help of `rollcall %s`", async (name) => {
  const [block] = blocksOf("docs/cli.md", sectionOf(page, `rollcall ${name}`));
  expect(block!.code).toBe((await rollcall([name, "--help"])).stdout);
});

it("the page has a section for each command, in the order of the help, and for no other", () => {
  const sections = [...page.matchAll(/^## rollcall (\S+)$/gm)].map(([, name]) => name);
  expect(sections).toEqual(TABLE.map(({ name }) => name));
});

it("the page has every variable and every exit code", () => {
  expect(sectionOf(page, "Variables")).toContain(variablesTable());
  const codes = [...sectionOf(page, "Exit codes").matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  expect(codes).toEqual(Object.values(EXIT));
});
