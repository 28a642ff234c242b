/**
 * Goal: answers have security headers, shared caches may keep open answers only, and only pages of listed origins can read them
 * in a browser.
 * Method: the headers of every kind of answer.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { appOver, newPrefix, populate, problemIn, TOKEN, useRedis, type TestApp } from "./support.ts";

const test = useRedis();
let prefix: string;
let api: TestApp;
beforeAll(async () => {
  prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  api = appOver(test.redis, { prefix }, { reuse: 2_500 });
});

const ANY: [string, RequestInit][] = [
  ["/health", {}],
  ["/v1/counts", {}],
  ["/v1/users", {}],
  ["/v1/users/alice", { method: "HEAD" }],
  ["/v1/users", { headers: { authorization: "Bearer wrong" } }],
  ["/nothing", {}],
  ["/v1/users", { method: "DELETE" }],
  ["/v1/users?limit=0", {}],
];

it.each(ANY)("%s (%o) cannot be framed, sniffed or run", async (path, init) => {
  const { headers } = await api.request(path, init);
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
  expect(headers.get("x-frame-options")).toBe("DENY");
  expect(headers.get("referrer-policy")).toBe("no-referrer");
  expect(headers.get("strict-transport-security")).toMatch(/^max-age=\d+$/);
  expect(headers.get("x-powered-by")).toBeNull();
  expect(headers.get("set-cookie")).toBeNull();
});

describe("caches", () => {
  const kept = async (api: TestApp, path: string) => (await api.request(path)).headers.get("cache-control");

  it("may keep open counts, and private caches an authorised answer, for as long as answers are reused", async () => {
    expect(await kept(api, "/v1/counts")).toBe("public, max-age=2");
    for (const path of ["/v1/users", "/v1/users/alice", "/v1/processes", "/v1/changes"]) {
      expect([path, await kept(api, path)]).toEqual([path, "private, max-age=2"]);
    }
    const closed = appOver(test.redis, { prefix }, { reuse: 2_500, counts: "closed" });
    expect(await kept(closed, "/v1/counts")).toBe("private, max-age=2");
    const exact = appOver(test.redis, { prefix }, { reuse: 0 });
    expect(await kept(exact, "/v1/counts")).toBe("public, no-cache");
  });

  it("of a browser give a private answer to no other token, and to no page without one", async () => {
    const varies = async (api: TestApp, path: string, init: RequestInit = {}) =>
      (await api.request(path, init)).headers.get("vary");
    const listed = { counts: "closed", origins: ["https://a.example"] } as const;
    for (const closed of [
      appOver(test.redis, { prefix }, { counts: "closed" }),
      appOver(test.redis, { prefix }, listed),
    ])
      for (const path of [
        "/v1/counts",
        "/v1/users",
        "/v1/users/alice",
        "/v1/processes",
        "/v1/changes",
        "/v1/changes?user=alice",
      ])
        for (const init of [{}, { method: "HEAD" }, { headers: { "if-none-match": "*" } }])
          expect([path, await varies(closed, path, init)]).toEqual([
            path,
            expect.stringMatching(/\bAuthorization\b/),
          ]);
    // The same for everybody.
    expect(await varies(api, "/v1/counts")).toBe("Accept");
  });

  it("may keep nothing else", async () => {
    for (const path of ["/health", "/ready", "/metrics", "/v1/counts?x=1", "/nothing"]) {
      expect([path, await kept(api, path)]).toEqual([path, "no-store"]);
    }
    expect((await api.lookup({ ids: ["alice"] })).headers.get("cache-control")).toBe("no-store");
  });

  it("get a strong ETag, and 304 for an unchanged answer", async () => {
    for (const path of ["/v1/counts", "/v1/users", "/v1/users/alice", "/v1/processes", "/openapi.json"]) {
      const first = await api.request(path);
      const tag = first.headers.get("etag")!;
      expect([path, tag]).toEqual([path, expect.stringMatching(/^"[^"]{20,}"$/)]);
      const again = await api.request(path, { headers: { "if-none-match": `"other", ${tag}` } });
      expect([path, again.status, await again.text()]).toEqual([path, 304, ""]);
      expect(again.headers.get("etag")).toBe(tag);
      expect(again.headers.get("cache-control")).toBe(first.headers.get("cache-control"));
    }
  });

  it("get a new ETag for a changed answer, and none for an error or an answer that must not be kept", async () => {
    const fresh = newPrefix();
    const counts = appOver(test.redis, { prefix: fresh });
    const before = (await counts.request("/v1/counts")).headers.get("etag");
    await populate(test.redis, { prefix: fresh, users: ["bob"] });
    const after = await counts.request("/v1/counts", { headers: { "if-none-match": before! } });
    expect([after.status, (await after.json()) as unknown]).toMatchObject([200, { users: 1 }]);
    for (const path of ["/health", "/ready", "/v1/users?limit=0"]) {
      expect((await api.request(path, { headers: { "if-none-match": "*" } })).headers.get("etag")).toBeNull();
    }
  });
});

it("HEAD answers as GET does, without the body", async () => {
  for (const path of [
    "/health",
    "/ready",
    "/v1/counts",
    "/v1/users",
    "/v1/users/alice",
    "/v1/processes",
    "/v1/users?limit=0",
    "/x",
  ]) {
    const [head, get] = [await api.request(path, { method: "HEAD" }), await api.request(path)];
    expect(await head.text()).toBe("");
    expect(head.status).toBe(get.status);
    expect([...head.headers]).toEqual([...get.headers]);
  }
});

describe("CORS", () => {
  const HERE = "https://app.example";
  const preflight = (origin: string): RequestInit => ({
    method: "OPTIONS",
    headers: {
      origin,
      authorization: "",
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type",
    },
  });
  const allowed = (response: Response) => response.headers.get("access-control-allow-origin");

  it("is off unless origins are listed", async () => {
    const response = await api.request("/v1/counts", { headers: { origin: HERE } });
    expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    expect((await api.request("/v1/counts", preflight(HERE))).status).toBe(401);
  });

  it("lets a listed origin call, errors included, without cookies", async () => {
    const open = appOver(test.redis, { prefix }, { origins: [HERE, "http://localhost:5173"] });
    for (const [path, status] of [
      ["/v1/counts", 200],
      ["/v1/users", 200],
      ["/v1/users?limit=0", 400],
      ["/nothing", 404],
    ] as const) {
      const response = await open.request(path, { headers: { origin: HERE } });
      expect(response.status).toBe(status);
      expect(allowed(response)).toBe(HERE);
      expect(response.headers.get("vary")).toContain("Origin");
      expect(response.headers.get("access-control-allow-credentials")).toBeNull();
    }
    const refused = await open.request("/v1/users", { headers: { origin: HERE, authorization: "" } });
    expect(await problemIn(refused)).toMatchObject({ code: "TOKEN_MISSING" });
    expect(allowed(refused)).toBe(HERE);
    expect(refused.headers.get("access-control-expose-headers")).toContain("WWW-Authenticate");
  });

  it("answers a preflight without a token, which a preflight cannot carry", async () => {
    const open = appOver(test.redis, { prefix }, { origins: [HERE] });
    const response = await open.request("/v1/users/lookup", preflight(HERE));
    expect(response.status).toBe(204);
    expect(allowed(response)).toBe(HERE);
    expect(response.headers.get("access-control-allow-methods")).toBe("GET,HEAD,POST");
    expect(response.headers.get("access-control-allow-headers")).toBe(
      "Authorization,Content-Type,If-None-Match,Last-Event-ID",
    );
  });

  it.each([
    "https://app.example.evil.test",
    "http://app.example",
    "https://APP.example",
    "https://app.example:444",
    "null",
  ])("does not let %s call", async (origin) => {
    const open = appOver(test.redis, { prefix }, { origins: [HERE] });
    expect(allowed(await open.request("/v1/counts", { headers: { origin } }))).toBeNull();
    expect(allowed(await open.request("/v1/users/lookup", preflight(origin)))).toBeNull();
  });

  it("`*` lets every page call, still with a token", async () => {
    const open = appOver(test.redis, { prefix }, { origins: ["*"] });
    const response = await open.request("/v1/users", { headers: { origin: "https://any.example" } });
    expect(response.status).toBe(200);
    expect(allowed(response)).toBe("*");
    const anonymous = await open.request("/v1/users", {
      headers: { origin: "https://any.example", authorization: "" },
    });
    expect(anonymous.status).toBe(401);
    expect(await anonymous.text()).not.toContain(TOKEN);
  });
});
