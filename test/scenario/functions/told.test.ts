/**
 * Goal: what is started with a wrong address or an argument it does not take says why on stderr and ends with a code that is not 0.
 * Method: the example and the functions as processes of their own.
 */
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

/** Nothing listens on the port that is reserved for nothing. */
const NOWHERE = "redis://127.0.0.1:1";

function run(file: string, args: readonly string[], env: Readonly<Record<string, string>>) {
  const { status, stderr } = spawnSync(process.execPath, [file, ...args], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], ...env },
    timeout: 25_000,
  });
  return { status, stderr };
}

it("the example, where Redis cannot be reached", () => {
  const { status, stderr } = run("examples/server.ts", [], { REDIS_URL: NOWHERE });
  expect(status).toBe(1);
  expect(stderr).toMatch(/REDIS_URL is set but does not answer/);
});

it.each(["functions/node.ts", "functions/projector.ts"])("%s, with a flag", (file) => {
  const { status, stderr } = run(file, ["--port=a-secret"], { REDIS_URL: NOWHERE });
  expect(status).toBe(1);
  expect(stderr).toBe(
    "OPTIONS_INVALID: no arguments are taken, got --port: set environment variables instead (.dev.vars.example lists them)\n",
  );
});

it.each([
  ["functions/node.ts", "ROLLCALL_TOKEN", "ROLLCALL_TOKENS"],
  ["functions/projector.ts", "ROLLCALL_PREFX", "ROLLCALL_PREFIX"],
])("%s, with a variable that does not exist", (file, wrong, right) => {
  const { status, stderr } = run(file, [], { REDIS_URL: NOWHERE, [wrong]: "a-secret" });
  expect(status).toBe(1);
  expect(stderr).toBe(`OPTIONS_INVALID: ${wrong} is unknown: did you mean ${right}?\n`);
});
