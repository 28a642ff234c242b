/**
 * Goal: without one of the tokens that are set nobody reads anything but the health and, where they are open, the
 * counts; and no answer tells anything of a token.
 * Method: every route with every kind of Authorization, over a real Redis.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { appOver, newPrefix, populate, problemIn, TOKEN, useRedis, type TestApp } from "./support.ts";

const test = useRedis();
const OTHER = "another-token-0123456789";
const COUNTS_TOKEN = "a-token-for-the-numbers-alone";
const NUMBERS = ["/ready", "/metrics"];
const PEOPLE = ["/v1/users", "/v1/users/alice", "/v1/users/lookup", "/v1/processes", "/v1/changes"];
const PROTECTED = [...NUMBERS, ...PEOPLE];

let prefix: string;
beforeAll(async () => {
  prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
});

function appWith(options: Parameters<typeof appOver>[2]): TestApp {
  return appOver(test.redis, { prefix }, options);
}

const get = (api: TestApp, path: string, authorization: string) =>
  api.request(path, { headers: { authorization } });

describe("with tokens set", () => {
  it.each(PROTECTED)("GET %s opens with any of them, and with nothing else", async (path) => {
    const api = appWith({ tokens: [TOKEN, OTHER] });
    for (const token of [TOKEN, OTHER]) expect((await get(api, path, `Bearer ${token}`)).status).toBe(200);
    for (const header of ["", "Bearer", `Bearer ${TOKEN}x`])
      expect((await get(api, path, header)).status).toBe(401);
  });

  it("asks for a token when none comes", async () => {
    const response = await get(appWith({}), "/v1/users", "");
    expect(await problemIn(response)).toMatchObject({ status: 401, code: "TOKEN_MISSING" });
    expect(response.headers.get("www-authenticate")).toBe('Bearer realm="rollcall"');
  });

  it.each([
    ["another scheme", `Basic ${btoa(`user:${TOKEN}`)}`],
    ["no scheme", TOKEN],
    ["two tokens", `Bearer ${TOKEN} ${TOKEN}`],
    ["a scheme that only begins alike", `Bearerx ${TOKEN}`],
    ["a list", `Bearer ${OTHER}, Bearer ${TOKEN}`],
    ["quotes", 'Bearer "'.concat(TOKEN, ' "')],
  ])("takes %s for no token", async (_, header) => {
    const response = await get(appWith({}), "/v1/users", header);
    expect(await problemIn(response)).toMatchObject({ status: 401, code: "TOKEN_MISSING" });
  });

  it.each([
    ["the beginning of one", TOKEN.slice(0, -1)],
    ["one and more", `${TOKEN}0`],
    ["another first letter", `b${TOKEN.slice(1)}`],
    ["another last letter", `${TOKEN.slice(0, -1)}j`],
    ["another case", TOKEN.toUpperCase()],
    ["two joined by a comma", `${TOKEN},${OTHER}`],
    ["one letter", "a"],
    ["100,000 letters", "a".repeat(100_000)],
  ])("refuses %s", async (_, token) => {
    const response = await get(appWith({ tokens: [TOKEN, OTHER] }), "/v1/users", `Bearer ${token}`);
    expect(await problemIn(response)).toMatchObject({ status: 401, code: "TOKEN_INVALID" });
    expect(response.headers.get("www-authenticate")).toBe('Bearer realm="rollcall", error="invalid_token"');
  });

  it.each([`bearer ${TOKEN}`, `BEARER ${TOKEN}`, `Bearer   ${TOKEN}`])(
    "takes %j: the scheme has no case",
    async (header) => {
      expect((await get(appWith({}), "/v1/users", header)).status).toBe(200);
    },
  );

  it("does not take a token from the address", async () => {
    const response = await get(appWith({}), `/v1/users?token=${TOKEN}&access_token=${TOKEN}`, "");
    expect(response.status).toBe(401);
    expect(await response.text()).not.toContain(TOKEN);
  });

  it("asks for it before it says whether a path or a method exists, or a query is right", async () => {
    const api = appWith({});
    for (const [method, path] of [
      ["GET", "/"],
      ["GET", "/v2/nothing"],
      ["DELETE", "/v1/users"],
      ["POST", "/v1/users/lookup"],
      ["GET", "/v1/users?limit=0"],
      ["OPTIONS", "/v1/users"],
    ]) {
      const response = await api.request(path!, { method: method!, headers: { authorization: "" } });
      expect(await problemIn(response)).toMatchObject({ status: 401, code: "TOKEN_MISSING" });
    }
  });

  it("HEAD needs one as well", async () => {
    const api = appWith({});
    expect((await api.request("/v1/users", { method: "HEAD", headers: { authorization: "" } })).status).toBe(
      401,
    );
    expect((await api.request("/v1/users", { method: "HEAD" })).status).toBe(200);
  });

  it("answers many requests at once while the first is still hashing", async () => {
    const api = appWith({ tokens: [TOKEN, OTHER] });
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        get(api, "/v1/users/alice", `Bearer ${i % 2 === 0 ? OTHER : "no-such-token"}`),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(
      Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? 200 : 401)),
    );
  });
});

describe("scopes", () => {
  it("`counts` opens the numbers, closed counts among them, and nothing about users", async () => {
    const api = appWith({ counts: "closed", countsTokens: [COUNTS_TOKEN] });
    for (const path of [...NUMBERS, "/v1/counts"])
      expect([path, (await get(api, path, `Bearer ${COUNTS_TOKEN}`)).status]).toEqual([path, 200]);
    for (const path of [...PEOPLE, "/nothing", "/v1"]) {
      const response = await get(api, path, `Bearer ${COUNTS_TOKEN}`);
      expect(await problemIn(response)).toMatchObject({ status: 403, code: "SCOPE_MISSING" });
      expect(response.headers.get("www-authenticate")).toBe(
        'Bearer realm="rollcall", error="insufficient_scope", scope="users"',
      );
    }
    const post = { method: "POST", headers: { authorization: `Bearer ${COUNTS_TOKEN}` } };
    expect((await api.request("/v1/users/lookup", post)).status).toBe(403);
  });

  it("`users` covers both", async () => {
    const api = appWith({ counts: "closed", countsTokens: [COUNTS_TOKEN] });
    for (const path of [...PROTECTED, "/v1/counts"])
      expect([path, (await get(api, path, `Bearer ${TOKEN}`)).status]).toEqual([path, 200]);
  });

  it("a wrong token is as wrong with them", async () => {
    const api = appWith({ countsTokens: [COUNTS_TOKEN] });
    for (const path of ["/ready", "/v1/users"])
      expect((await get(api, path, `Bearer ${COUNTS_TOKEN}x`)).status).toBe(401);
  });

  it("tokens for the numbers alone leave users closed to everybody", async () => {
    const api = appWith({ tokens: [], countsTokens: [COUNTS_TOKEN] });
    expect((await get(api, "/ready", `Bearer ${COUNTS_TOKEN}`)).status).toBe(200);
    expect(await problemIn(await get(api, "/v1/users", `Bearer ${COUNTS_TOKEN}`))).toMatchObject({
      status: 403,
      code: "TOKENS_NOT_SET",
    });
  });
});

describe("with no token set", () => {
  it.each(PROTECTED)("GET %s is closed to everybody, and says what has to be set", async (path) => {
    const api = appWith({ tokens: [] });
    for (const header of ["", "Bearer", "Bearer undefined", "Bearer ", `Bearer ${TOKEN}`]) {
      const problem = await problemIn(await get(api, path, header));
      expect(problem).toMatchObject({ status: 403, code: "TOKENS_NOT_SET" });
      expect(problem.detail).toContain("ROLLCALL_TOKENS");
    }
  });

  it("is the default", async () => {
    expect((await get(appWith({ tokens: undefined }), "/v1/users", `Bearer ${TOKEN}`)).status).toBe(403);
  });
});

describe("what is open", () => {
  it.each([[[TOKEN]], [[]]])(
    "health and counts answer anybody with the tokens %j, whatever they send",
    async (tokens) => {
      const api = appWith({ tokens });
      for (const path of ["/health", "/openapi.json", "/v1/counts"]) {
        for (const header of ["", "Bearer wrong", `Bearer ${TOKEN}`])
          expect((await get(api, path, header)).status).toBe(200);
      }
    },
  );

  it("counts can be closed, and then open with a token only", async () => {
    const api = appWith({ counts: "closed" });
    expect((await get(api, "/health", "")).status).toBe(200);
    expect(await problemIn(await get(api, "/v1/counts", ""))).toMatchObject({ status: 401 });
    expect((await get(api, "/v1/counts", `Bearer ${TOKEN}`)).status).toBe(200);
    expect((await get(appWith({ counts: "closed", tokens: [] }), "/v1/counts", "")).status).toBe(403);
  });

  it("only reading is: another method on an open path needs a token to be told that it does not exist", async () => {
    const post = { method: "POST", headers: { authorization: "" } };
    expect((await appWith({}).request("/v1/counts", post)).status).toBe(401);
  });
});
