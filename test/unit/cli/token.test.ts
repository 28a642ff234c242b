/** Goal: `rollcall token` signs what the API takes, says what a token grants and why it is refused, and never prints a secret. */
import { expect, it } from "vitest";
import { rollcall } from "./support.ts";

const SECRET = "a-secret-of-this-test-with-32-bytes";
const env = {
  ROLLCALL_BROWSER_SECRETS: SECRET,
  ROLLCALL_BROWSER_ISSUER: "app.example",
  ROLLCALL_BROWSER_AUDIENCE: "presence",
};
const SIGN = ["token", "--subject", "ann", "--action", "lookup", "--action", "changes", "--user", "bob"];

it("a token that it signed is valid, and says whose it is and what it grants", async () => {
  const signed = await rollcall([...SIGN, "--scope", "/chat,*"], { env });
  expect(signed.code).toBe(0);
  const { code, stdout } = await rollcall(["token", signed.stdout.trim(), "--json"], { env });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    valid: true,
    why: null,
    claims: { sub: "ann", rollcall: { actions: ["lookup", "changes"], users: ["bob"], scopes: ["/chat,*"] } },
  });
});

it("a token of another secret is refused, with the reason and without either secret", async () => {
  const signed = await rollcall(SIGN, { env });
  const other = { ...env, ROLLCALL_BROWSER_SECRETS: SECRET.toUpperCase() };
  const { code, stdout, stderr } = await rollcall(["token", signed.stdout.trim()], { env: other });
  expect(code).toBe(1);
  expect(stdout).toMatch(/^refused: its signature is wrong/);
  expect((stdout + stderr).toLowerCase()).not.toContain(SECRET);
});

it.each([
  [["token", "--action", "lookup"], env, /--subject/],
  [["token", "--subject", "ann"], env, /--action/],
  [[...SIGN, "--action", "everything"], env, /--action must be one of counts, /],
  [SIGN, {}, /ROLLCALL_BROWSER_SECRETS/],
  [SIGN, { ...env, ROLLCALL_BROWSER_SECRETS: "short" }, /32 to 256 bytes/],
  [["token", "x.y.z", "--user", "bob"], env, /--user is for signing/],
])("%j is wrong use", async (args, given, said) => {
  const { code, stdout, stderr } = await rollcall(args, { env: given });
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(said);
});
