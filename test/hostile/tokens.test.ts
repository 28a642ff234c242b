/**
 * Goal: INV-8: no text in the place of a browser token opens anything or makes the API fail; and nothing that a holder sends opens a cursor.
 * Method: known attacks on JSON Web Tokens, then random damage to a good one, on the app over a real Redis.
 */
import { beforeAll, expect, it } from "vitest";
import { Random } from "../../rig/random.ts";
import { bearer, browserApp, claimsOf, part, SECRET, signed, tokenFor } from "../unit/http/browsers.ts";
import { newPrefix, populate, problemIn, type TestApp, useRedis } from "../unit/http/support.ts";
import { SEED, TIMES } from "./support.ts";

const test = useRedis();
let api: TestApp;
beforeAll(async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice", "bob"] });
  api = browserApp(test.redis, { prefix });
});

const GRANT = { actions: ["users"], users: "*" };
const ask = (token: string) => api.request("/v1/users", { headers: bearer(token) });
const good = claimsOf(GRANT);
const raw = (claims: string) => signed(claims);
const claimsText = (changes: string) => JSON.stringify(good).replace(/}$/, `,${changes}}`);
const deep = (depth: number) => `{"rollcall":${"[".repeat(depth)}${"]".repeat(depth)}}`;

const ATTACKS: readonly (readonly [string, string, number])[] = [
  ["alg none", `${part({ alg: "none", typ: "at+jwt" })}.${part(good)}.`, 401],
  ["alg none with a signature", signed(good, { alg: "none", typ: "at+jwt" }), 401],
  ["alg nOnE", signed(good, { alg: "nOnE", typ: "at+jwt" }), 401],
  ["no alg", signed(good, { typ: "at+jwt" }), 401],
  ["alg HS512", signed(good, { alg: "HS512", typ: "at+jwt" }), 401],
  ["alg RS256 over a secret", signed(good, { alg: "RS256", typ: "at+jwt" }), 401],
  ["alg as a list", signed(good, { alg: ["HS256"], typ: "at+jwt" }), 401],
  ["typ JWT", signed(good, { alg: "HS256", typ: "JWT" }), 401],
  ["no typ", signed(good, { alg: "HS256" }), 401],
  ["crit", signed(good, { alg: "HS256", typ: "at+jwt", crit: ["exp"] }), 401],
  ["a key of its own", signed(good, { alg: "HS256", typ: "at+jwt", jwk: { kty: "oct", k: "eA" } }, "x".repeat(32)), 401],
  ["an empty secret", signed(good, { alg: "HS256", typ: "at+jwt" }, ""), 401],
  ["a header that is null", signed(good, "null"), 401],
  ["claims that are null", raw("null"), 401],
  ["claims that are a list", raw("[]"), 401],
  ["claims that are no JSON", raw("{"), 401],
  ["exp 1e999", raw(JSON.stringify(good).replace(/"exp":\d+/, '"exp":1e999')), 401],
  ["exp as text", raw(JSON.stringify(good).replace(/"exp":(\d+)/, '"exp":"$1"')), 401],
  ["exp null", raw(JSON.stringify(good).replace(/"exp":\d+/, '"exp":null')), 401],
  ["exp NaN", raw(JSON.stringify(good).replace(/"exp":\d+/, '"exp":NaN')), 401],
  ["exp -1", raw(JSON.stringify(good).replace(/"exp":\d+/, '"exp":-1')), 401],
  ["exp as a list", raw(JSON.stringify(good).replace(/"exp":(\d+)/, '"exp":[$1]')), 401],
  ["iat false", raw(JSON.stringify(good).replace(/"iat":\d+/, '"iat":false')), 401],
  ["aud as an object", raw(JSON.stringify(good).replace('"aud":"presence"', '"aud":{"includes":"presence"}')), 401],
  ["a grant in __proto__", raw(JSON.stringify(claimsOf(undefined)).replace(/}$/, ',"__proto__":{"rollcall":{"actions":["users"],"users":"*"}}}')), 401],
  ["__proto__ in the grant", tokenForText('{"actions":["users"],"__proto__":{"users":"*"}}'), 401],
  ["a second grant without users", raw(claimsText('"rollcall":{"actions":[]}')), 403],
  ["1,001 users", tokenFor({ actions: ["users"], users: Array.from({ length: 1_001 }, (_, i) => i.toString(36)) }), 401],
  ["10,000 letters", "a".repeat(10_000), 401],
  ["10,000 dots", ".".repeat(10_000), 401],
  ["10 kB of header", signed(good, { alg: "HS256", typ: "at+jwt", kid: "k".repeat(7_000) }, "x"), 401],
  ["a token of more than 16,384 characters", tokenFor({ actions: ["users"], users: Array.from({ length: 900 }, (_, i) => `user-${i}-0123456789`) }), 401],
  ["5,000 lists in each other", raw(deep(5_000)), 401],
  ["base64 with padding", `${tokenFor(GRANT)}==`, 401],
  ["base64 of the other alphabet", `${tokenFor(GRANT).slice(0, -1)}+`, 401],
  ["one part more", `${tokenFor(GRANT)}.x`, 401],
  ["a lone surrogate among the users", tokenForText('{"actions":["users"],"users":["\\ud800"]}'), 401],
]; // prettier-ignore

function tokenForText(grant: string): string {
  return signed(JSON.stringify(claimsOf("GRANT")).replace('"GRANT"', grant));
}

it("the token that all of these begin with is good", async () => {
  expect((await ask(signed(good))).status).toBe(200);
});

it.each(ATTACKS)("%s", async (_, token, status) => {
  const response = await ask(token);
  const problem = await problemIn(response);
  expect(problem.status).toBe(status);
  expect(JSON.stringify(problem) + api.logged.join()).not.toContain(SECRET);
});

it("1,000 users with short ids fit, and all of them are looked up", async () => {
  const users = Array.from({ length: 1_000 }, (_, i) => i.toString(36));
  expect((await ask(tokenFor({ actions: ["users"], users }))).status).toBe(200);
});

it("a good token with any part of it changed opens nothing", async () => {
  const random = new Random(String(SEED));
  const token = tokenFor(GRANT);
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";
  for (let i = 0; i < 300 * TIMES; i++) {
    const at = random.int(0, token.length - 2);
    const spoilt = random.chance(0.2)
      ? token.slice(0, at) + token.slice(at + random.int(1, 5))
      : token.slice(0, at) + letters[random.int(0, letters.length - 1)] + token.slice(at + 1);
    if (spoilt === token) continue;
    const { status } = await ask(spoilt);
    if (status !== 401) throw new Error(`${status} for ${spoilt}, seed ${SEED}`);
  }
});

it("no text opens as a sealed cursor", async () => {
  const random = new Random(String(SEED));
  const holder = bearer(tokenFor({ actions: ["changes"], users: ["alice"] }));
  const { next } = (await (await api.request("/v1/changes", { headers: holder })).json()) as { next: string };
  for (let i = 0; i < 200 * TIMES; i++) {
    const at = random.int(0, next.length - 3);
    const spoilt = random.pick([
      next.slice(0, at),
      `${next}AAAA`,
      next.slice(0, at) + random.pick(["A", "z", "0", "-", "_", "%", '"']) + next.slice(at + 1),
      "0-0",
      `e${"A".repeat(random.int(0, 7_000))}`,
    ]);
    if (spoilt === next || spoilt === "") continue;
    const response = await api.request(`/v1/changes?after=${encodeURIComponent(spoilt)}`, {
      headers: holder,
    });
    expect(await problemIn(response)).toMatchObject({ status: 400, code: "CURSOR_INVALID" });
  }
});
