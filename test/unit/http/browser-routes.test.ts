/**
 * Goal: INV-8: every route there is answers a browser token that grants its action and no other, wherever the app is mounted, and a route
 * that no action covers answers none.
 * Method: all routes of /openapi.json, each with a token that grants nothing and with one for each single action; a real Redis.
 */
import { Hono } from "hono";
import { beforeAll, describe, expect, it } from "vitest";
import { GRANT_ACTIONS } from "../../../src/core/grant.ts";
import { ALL_ACTIONS, bearer, browserApp, tokenFor } from "./browsers.ts";
import { newPrefix, populate, problemIn, type TestApp, useRedis } from "./support.ts";

const test = useRedis();
let api: TestApp;
beforeAll(async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice", "bob"] });
  // Nothing is open that can be closed.
  api = browserApp(test.redis, { prefix }, {}, { counts: "closed" });
});

/** What each route takes: an action, "servers", a server's token, or "open". A route that is not here fails the test. */
const ROUTES: Readonly<Record<string, string>> = {
  "GET /": "open",
  "GET /health": "open",
  "GET /serving": "open",
  "GET /ready": "servers",
  "GET /metrics": "servers",
  "GET /v1/counts": "counts",
  "POST /v1/counts/lookup": "counts",
  "GET /v1/history": "history",
  "GET /v1/scopes": "scopes",
  "GET /v1/users": "users",
  "GET /v1/users/{id}": "user",
  "GET /v1/users/{id}/sessions": "sessions",
  "POST /v1/users/lookup": "lookup",
  "GET /v1/processes": "processes",
  "GET /v1/subscribers": "subscribers",
  "GET /v1/changes": "changes",
};
const BODIES: Readonly<Record<string, object>> = {
  "POST /v1/counts/lookup": { scopes: [{ namespace: "/chat" }] },
  "POST /v1/users/lookup": { ids: ["alice"] },
};

async function asked(app: { request: TestApp["app"]["request"] }, route: string, token: string, base = "") {
  const [method = "", path = ""] = route.split(" ");
  const body = BODIES[route];
  const response = await app.request(`http://api.example${base}${path.replace("{id}", "alice")}`, {
    method,
    headers: { ...bearer(token), ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (response.status !== 401 && response.status !== 403) return "answered";
  return (await problemIn(response)).code;
}

const grantOf = (actions: readonly string[]) => tokenFor({ actions, users: ["alice"], scopes: ["", "/*"] });

describe("every route", () => {
  it("is in the table above, and each action has one", async () => {
    const { paths } = (await (await api.request("/openapi.json")).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.toSorted()).toEqual(Object.keys(ROUTES).toSorted());
    const known = Object.values(ROUTES).filter((takes) => takes !== "open" && takes !== "servers");
    expect(new Set(known)).toEqual(new Set(GRANT_ACTIONS));
  });

  // `route()` of Hono, under which the paths of requests are not those of the routes.
  it.each([[""], ["/presence"]])("answers a holder as its grant says, below %j", async (base) => {
    const parent = new Hono();
    parent.route(base === "" ? "/" : base, api.app);
    const found: Record<string, readonly string[]> = {};
    const wanted: Record<string, readonly string[]> = {};
    for (const [route, takes] of Object.entries(ROUTES)) {
      const answered: string[] = [];
      for (const actions of [[], ...ALL_ACTIONS.map((action) => [action])]) {
        const code = await asked(parent, route, grantOf(actions), base);
        if (code === "answered") answered.push(actions.join() || "nothing");
        else expect([route, code]).toEqual([route, "ACTION_NOT_GRANTED"]);
      }
      found[route] = answered;
      wanted[route] = takes === "open" ? ["nothing", ...ALL_ACTIONS] : ALL_ACTIONS.filter((one) => one === takes); // prettier-ignore
    }
    expect(found).toEqual(wanted);
  });

  it("is as closed to HEAD", async () => {
    for (const [route, takes] of Object.entries(ROUTES)) {
      const [method, path = ""] = route.split(" ");
      if (method !== "GET" || takes === "open") continue;
      const headers = bearer(grantOf([]));
      const { status } = await api.request(path.replace("{id}", "alice"), { method: "HEAD", headers });
      expect([route, status]).toEqual([route, 403]);
    }
  });
});
