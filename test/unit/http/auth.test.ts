/**
 * Goal: without a valid token, only /health and, if they are open, the counts can be read; and no answer reveals anything about
 * a token.
 * Method: every route with every kind of Authorization header, over a real Redis.
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
  it.each(PROTECTED)("GET %s requires one of them", async (path) => {
    const api = appWith({ tokens: [TOKEN, OTHER] });
    for (const token of [TOKEN, OTHER]) expect((await get(api, path, `Bearer ${token}`)).status).toBe(200);
    for (const header of ["", "Bearer", `Bearer ${TOKEN}x`])
      expect((await get(api, path, header)).status).toBe(401);
  });

  it("a request without a token is asked for one", async () => {
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
  ])("%s counts as no token", async (_, header) => {
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

  it("a token in the URL is not accepted", async () => {
    const response = await get(appWith({}), `/v1/users?token=${TOKEN}&access_token=${TOKEN}`, "");
    expect(response.status).toBe(401);
    expect(await response.text()).not.toContain(TOKEN);
  });

  it("the token is checked before the path, the method and the query", async () => {
    const api = appWith({ dashboard: false });
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

  it("HEAD requires a token too", async () => {
    const api = appWith({});
    expect((await api.request("/v1/users", { method: "HEAD", headers: { authorization: "" } })).status).toBe(
      401,
    );
    expect((await api.request("/v1/users", { method: "HEAD" })).status).toBe(200);
  });

  it("simultaneous requests are answered while the first is still hashing", async () => {
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
  it("`counts` opens the numbers, including closed counts, and nothing about users", async () => {
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

  it("`users` opens everything", async () => {
    const api = appWith({ counts: "closed", countsTokens: [COUNTS_TOKEN] });
    for (const path of [...PROTECTED, "/v1/counts"])
      expect([path, (await get(api, path, `Bearer ${TOKEN}`)).status]).toEqual([path, 200]);
  });

  it("an invalid token is refused with scopes too", async () => {
    const api = appWith({ countsTokens: [COUNTS_TOKEN] });
    for (const path of ["/ready", "/v1/users"])
      expect((await get(api, path, `Bearer ${COUNTS_TOKEN}x`)).status).toBe(401);
  });

  it("with tokens for the counts only, routes about users are closed", async () => {
    const api = appWith({ tokens: [], countsTokens: [COUNTS_TOKEN] });
    expect((await get(api, "/ready", `Bearer ${COUNTS_TOKEN}`)).status).toBe(200);
    expect(await problemIn(await get(api, "/v1/users", `Bearer ${COUNTS_TOKEN}`))).toMatchObject({
      status: 403,
      code: "TOKENS_NOT_SET",
    });
  });
});

describe("with no token set", () => {
  it.each(PROTECTED)("GET %s is closed, and says what to set", async (path) => {
    const api = appWith({ tokens: [] });
    for (const header of ["", "Bearer", "Bearer undefined", "Bearer ", `Bearer ${TOKEN}`]) {
      const problem = await problemIn(await get(api, path, header));
      expect(problem).toMatchObject({ status: 403, code: "TOKENS_NOT_SET" });
      expect(problem.detail).toContain("ROLLCALL_TOKENS");
    }
  });

  it("an app without the option has no token", async () => {
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

  it("closed counts require a token", async () => {
    const api = appWith({ counts: "closed" });
    expect((await get(api, "/health", "")).status).toBe(200);
    expect(await problemIn(await get(api, "/v1/counts", ""))).toMatchObject({ status: 401 });
    expect((await get(api, "/v1/counts", `Bearer ${TOKEN}`)).status).toBe(200);
    expect((await get(appWith({ counts: "closed", tokens: [] }), "/v1/counts", "")).status).toBe(403);
  });

  it("open paths are open for reading only: another method requires a token before it gets 405", async () => {
    const post = { method: "POST", headers: { authorization: "" } };
    expect((await appWith({}).request("/v1/counts", post)).status).toBe(401);
  });
});
