/**
 * Goal: signToken() signs nothing that the API would refuse, and explainToken() says why a token is refused without a secret in it.
 * Method: each option wrong once; tokens of every kind explained.
 */
import { expect, it } from "vitest";
import type { GrantAction } from "../../../src/core/grant.ts";
import { explainToken } from "../../../src/http/explain.ts";
import { resolveBrowserTokens } from "../../../src/http/browser-options.ts";
import { Seal } from "../../../src/http/seal.ts";
import { Subjects } from "../../../src/http/subjects.ts";
import { signToken } from "../../../src/tokens/sign.ts";
import { BROWSER, claimsOf, SECRET, signed } from "../http/browsers.ts";

const OPTIONS = {
  secret: SECRET,
  issuer: "https://app.example",
  audience: "presence",
  subject: "alice",
  grants: { actions: ["lookup" as GrantAction], users: ["bob"] },
};

it.each<[string, object, RegExp]>([
  ["a short secret", { secret: "short" }, /^secret must have 32 to 256 bytes and it has 5/],
  ["no secret", { secret: undefined }, /^secret must have .* it is no text/],
  ["no issuer", { issuer: "" }, /^issuer must be text/],
  ["a long audience", { audience: "x".repeat(257) }, /^audience must be text/],
  ["no subject", { subject: "" }, /^subject: a user id must not be empty/],
  ["seconds instead of ms", { expiresIn: 900 }, /^expiresIn must be a whole number from 1000/],
  ["two days", { expiresIn: 172_800_000 }, /^expiresIn must be .* to 86400000/],
  ["a typo", { grants: { actions: ["lokup"] } }, /^grants.actions\[0\] is no action: did you mean lookup\?/],
  ["no actions", { grants: {} }, /^grants.actions must be a list/],
  ["1,001 users", { grants: { actions: [], users: Array.from({ length: 1_001 }, (_, i) => `${i}`) } }, /^grants.users must be/],
  ["users too long for a header", { grants: { actions: [], users: Array.from({ length: 1_000 }, (_, i) => `${i}-0123456789`) } }, /^grants make a token of \d+ characters/],
  ["an unknown option", { expires: 1 }, /unknown option expires of signToken/],
])("refuses %s", async (_, wrong, message) => {
  await expect(signToken({ ...OPTIONS, ...wrong })).rejects.toMatchObject({
    code: "OPTIONS_INVALID",
    message: expect.stringMatching(message) as string,
  });
}); // prettier-ignore

it("explains a good token", async () => {
  const token = await signToken({ ...OPTIONS, expiresIn: 60_000 });
  const told = await explainToken(token, BROWSER);
  expect(told).toMatchObject({
    valid: true,
    why: null,
    header: { alg: "HS256", typ: "at+jwt" },
    claims: { sub: "alice" },
  });
  expect(told.endsAt!.getTime()).toBeLessThanOrEqual(Date.now() + 60_000);
  expect(JSON.stringify(told)).not.toContain(SECRET);
});

it.each<[string, string, string | RegExp]>([
  ["text", "hello", /^it is not a token/],
  ["another secret", signed(claimsOf({ actions: [] }), undefined, "y".repeat(32)), /^its signature is wrong/],
  ["an expired one", signed(claimsOf({ actions: [] }, { exp: 1, iat: 0 })), "it has expired"],
  [
    "a bad grant",
    signed(claimsOf({ actions: [], admin: 1 })),
    /^its claim rollcall may have only the members/,
  ],
  ["another type", signed(claimsOf({ actions: [] }), { alg: "HS256", typ: "JWT" }), /^its header/],
])("explains %s", async (_, token, why) => {
  const told = await explainToken(token, BROWSER);
  expect(told.valid).toBe(false);
  expect(told.why).toMatch(why);
});

it("names actions that this version does not know", async () => {
  const told = await explainToken(signed(claimsOf({ actions: ["lookup", "fly"] })), BROWSER);
  expect(told).toMatchObject({ valid: true, unknownActions: ["fly"] });
});

it.each<[object, RegExp]>([
  [{ jwks: "https://keys.example" }, /set exactly one of them/],
  [{ secrets: undefined }, /set exactly one of them/],
  [{ secrets: [] }, /browserTokens.secrets must be a secret or a list/],
  [{ secrets: [SECRET, "short"] }, /browserTokens.secrets\[1\] must have 32/],
  [{ maxAge: 1 }, /browserTokens.maxAge must be/],
  [{ cookie: "a b" }, /browserTokens.cookie must be the name/],
  [{ cursorKey: "short" }, /browserTokens.cursorKey must have 32/],
  [
    { secret: SECRET },
    /unknown option browserTokens.secret of createApp: did you mean browserTokens.secrets/,
  ],
])("createApp refuses %o", (wrong, message) => {
  expect(() => resolveBrowserTokens({ ...BROWSER, ...wrong })).toThrow(message);
});

it("a cursor of the old secret opens while both are set, and of another key never", async () => {
  const [old, renewed] = ["o".repeat(32), "n".repeat(32)];
  const cursor = await new Seal([old], 1).seal("1-2", "changes", "alice");
  expect(await new Seal([renewed, old], 1).open(cursor, "changes", "alice")).toBe("1-2");
  for (const seal of [new Seal([renewed], 1), new Seal([], 1)])
    await expect(seal.open(cursor, "changes", "alice")).rejects.toMatchObject({ code: "CURSOR_INVALID" });
});

it("subjects are limited by the second and bounded in number", () => {
  let now = 0;
  const subjects = new Subjects(2, () => now, 3);
  const taken = () => Array.from({ length: 5 }, () => subjects.take("a")).filter(Boolean).length;
  expect(taken()).toBe(4);
  now += 500;
  expect(taken()).toBe(1);
  for (const other of ["b", "c", "d"]) subjects.take(other);
  expect(subjects.size).toBe(3);
});
