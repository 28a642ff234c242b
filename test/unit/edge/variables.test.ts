/**
 * Goal: .dev.vars.example explains every variable with its default, and every variable in a wrangler file is one that the code
 * reads. Method: the files themselves.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { devVarsExample } from "../../../scripts/dev-vars.ts";
import * as read from "../../../src/edge/environment.ts";
import { type Variable, VARIABLES } from "../../../src/edge/variables.ts";

const root = join(import.meta.dirname, "../../..");
const fileOf = (name: string) => readFileSync(join(root, name), "utf8");
const all = Object.entries(VARIABLES) as [string, Variable<unknown>][];

it(".dev.vars.example is up to date with the table", () => {
  expect(fileOf(".dev.vars.example")).toBe(devVarsExample());
});

it(".dev.vars.example names and explains every variable", () => {
  const text = fileOf(".dev.vars.example");
  for (const [name, { doc }] of all) {
    expect(text).toMatch(new RegExp(`^(# )?${name}=`, "m"));
    expect(doc.join(" ").length).toBeGreaterThan(20);
  }
});

it("every default passes the variable's own check", () => {
  for (const [, { fallback, take }] of all)
    if (fallback !== undefined) expect(take(String(fallback))).toBe(fallback);
});

it.each(["wrangler.toml", "functions/edge.toml", "functions/sweep.toml"])(
  "%s sets only variables that exist, to values they take",
  (file) => {
    const [, section = ""] = fileOf(file).split("[vars]");
    const vars = Object.fromEntries(
      [...section.matchAll(/^([A-Z_]+) = "(.*)"$/gm)].map(([, name, value]) => [name, value]),
    ) as Record<string, string>;
    expect(Object.keys(vars)).toContain("ROLLCALL_PREFIX");
    for (const name of Object.keys(vars)) expect(Object.keys(VARIABLES)).toContain(name);
    read.readerOptionsFrom(vars);
    read.appOptionsFrom(vars);
    read.projectorOptionsFrom(vars);
    read.sweepSettingsFrom(vars);
  },
);

it.each([
  ["ROLLCALL_TOKEN", "ROLLCALL_TOKENS"],
  ["ROLLCALL_STREAM_LIVE", "ROLLCALL_STREAM_LIFE"],
  ["SWEEP_INTERVALL", "SWEEP_INTERVAL"],
])("%s is refused by name, with the nearest known one", (slip, meant) => {
  for (const from of [read.readerOptionsFrom, read.appOptionsFrom, read.projectorOptionsFrom]) {
    expect(() => from({ [slip]: "s3cr3t" })).toThrow(
      expect.objectContaining({
        code: "OPTIONS_INVALID",
        message: `${slip} is unknown: did you mean ${meant}?`,
      }),
    );
  }
});

it("other variables, and empty ones of ours, are ignored", () => {
  expect(() => read.readerOptionsFrom({ PATH: "/bin", ROLL: "x", ROLLCALL_TOKEN: " " })).not.toThrow();
});
