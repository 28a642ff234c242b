/**
 * Goal: INV-8: the holder of a browser token gets what the token grants and nothing else, and learns nothing about other users.
 * Method: tokens signed here, on the app over a real Redis.
 */
import { Redis } from "ioredis";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { signToken } from "../../../src/tokens/sign.ts";
import {
  ALL_ACTIONS,
  bearer,
  BROWSER,
  browserApp,
  claimsOf,
  now,
  SECRET,
  signed,
  tokenFor,
} from "./browsers.ts";
import { Rooms } from "./rooms.ts";
import { append, newPrefix, populate, problemIn, project, type TestApp, useRedis } from "./support.ts";

const test = useRedis();
let prefix: string;
let api: TestApp;

beforeAll(async () => {
  prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice", "bob", "carol", "bob"] });
  api = browserApp(test.redis, { prefix });
});

const get = (path: string, token: string, on = api) => on.request(path, { headers: bearer(token) });
const codeOf = async (response: Response) => (await problemIn(response)).code;
const FRIENDS = { actions: ALL_ACTIONS, users: ["alice", "bob", "zoe"] };

describe("which tokens are accepted", () => {
  it("one that signToken() makes", async () => {
    const token = await signToken({
      secret: SECRET,
      issuer: BROWSER.issuer,
      audience: BROWSER.audience,
      subject: "alice",
      grants: { actions: ["user"], users: ["bob"] },
    });
    const response = await get("/v1/users/bob", token);
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toMatchObject({ id: "bob", online: true, sockets: 2 });
  });

  const seconds = Math.floor(now());
  it.each<[string, object, string, string?]>([
    ["no exp", { exp: undefined }, "TOKEN_INVALID", "time"],
    ["exp as text", { exp: String(seconds + 60) }, "TOKEN_INVALID", "time"],
    ["exp in the past", { exp: seconds - 1 }, "TOKEN_EXPIRED"],
    ["iat in the future", { iat: seconds + 60, exp: seconds + 120 }, "TOKEN_INVALID", "time"],
    ["nbf in the future", { nbf: seconds + 60 }, "TOKEN_INVALID", "time"],
    ["a life of more than maxAge", { exp: seconds + 3_700 }, "TOKEN_INVALID", "age"],
    ["a long life without iat", { iat: undefined, exp: seconds + 3_700 }, "TOKEN_INVALID", "age"],
    ["another issuer", { iss: "https://evil.example" }, "TOKEN_INVALID", "issuer"],
    ["no issuer", { iss: undefined }, "TOKEN_INVALID", "issuer"],
    ["another audience", { aud: "billing" }, "TOKEN_INVALID", "audience"],
    ["no audience", { aud: undefined }, "TOKEN_INVALID", "audience"],
    ["audiences without ours", { aud: ["billing", "presence2"] }, "TOKEN_INVALID", "audience"],
    ["no subject", { sub: undefined }, "TOKEN_INVALID", "subject"],
    ["a subject of 257 bytes", { sub: "x".repeat(257) }, "TOKEN_INVALID", "subject"],
  ])("not one with %s", async (_, claims, code, reason) => {
    const response = await get("/v1/users/bob", tokenFor(FRIENDS, claims as Record<string, unknown>));
    expect(response.headers.get("www-authenticate")).toBe('Bearer realm="rollcall", error="invalid_token"');
    const problem = await problemIn(response);
    expect(problem).toMatchObject({ status: 401, code, ...(reason !== undefined && { reason }) });
  });

  it.each<[string, unknown]>([
    ["no grant", undefined],
    ["null", null],
    ["a list", [{ actions: ["users"] }]],
    ["no actions", { users: "*" }],
    ["actions as text", { actions: "users" }],
    ["an action that is a number", { actions: [1] }],
    ["65 actions", { actions: Array.from({ length: 65 }, () => "users") }],
    ["users as text", { actions: ["users"], users: "alice" }],
    ["a user that is a number", { actions: ["users"], users: [1] }],
    ["an empty user", { actions: ["users"], users: [""] }],
    ["1,001 users", { actions: ["users"], users: Array.from({ length: 1_001 }, (_, i) => `${i}`) }],
    ["a user of 257 bytes", { actions: ["users"], users: ["x".repeat(257)] }],
    ["a pattern without a slash", { actions: ["users"], users: "*", scopes: ["*"] }],
    ["a pattern of 513 bytes", { actions: ["users"], users: "*", scopes: [`/${"x".repeat(512)}`] }],
    ["65 patterns", { actions: ["users"], users: "*", scopes: Array.from({ length: 65 }, () => "/") }],
    ["an unknown member", { actions: ["users"], users: "*", admin: true }],
  ])("not one with %s as its grant", async (_, grant) => {
    expect(await codeOf(await get("/v1/users", tokenFor(grant)))).toBe("GRANT_INVALID");
  });

  it("one signed with any of the secrets, and with leeway one that has just expired", async () => {
    const rotated = browserApp(test.redis, { prefix }, { secrets: ["n".repeat(32), SECRET], leeway: 60_000 });
    const token = tokenFor(FRIENDS, { exp: Math.floor(now()) - 30 });
    expect((await get("/v1/users", token, rotated)).status).toBe(200);
  });

  it("an action that does not exist grants nothing, and one that is missing neither", async () => {
    const token = tokenFor({ actions: ["everything", "lookup"], users: "*" });
    const response = await get("/v1/users", token);
    expect(response.headers.get("www-authenticate")).toBe(
      'Bearer realm="rollcall", error="insufficient_scope"',
    );
    expect(await problemIn(response)).toMatchObject({
      status: 403,
      code: "ACTION_NOT_GRANTED",
      action: "users",
    });
  });

  it.each(["/metrics", "/ready", "/v1/users", "/v1/users/alice", "/v1/users/alice/sessions", "/v1/scopes", "/v1/processes", "/v1/subscribers", "/v1/changes", "/v1/history?namespace=/chat", "/v1/counts?namespace=/chat"])(
    "GET %s takes more than a token without actions",
    async (path) => {
      const token = tokenFor({ actions: [], users: "*", scopes: ["", "/*"] });
      expect(await codeOf(await get(path, token))).toBe("ACTION_NOT_GRANTED");
    },
  ); // prettier-ignore

  it("the token is never in a log line or an answer", async () => {
    const token = tokenFor(FRIENDS, { aud: "other" });
    expect(await (await get("/v1/users", token)).text()).not.toContain(token.slice(0, 40));
    expect(api.logged.join()).not.toContain(token.slice(0, 40));
  });

  it("a token in the address is refused", async () => {
    const token = tokenFor(FRIENDS);
    expect((await api.request(`/v1/users?token=${token}`, { headers: { authorization: "" } })).status).toBe(
      401,
    );
    expect(await codeOf(await get(`/v1/users?access_token=${token}`, token))).toBe("QUERY_INVALID");
  });
});

describe("whom a holder sees", () => {
  it("the users of its grant who are present, on one page", async () => {
    const page = (await (await get("/v1/users?limit=1", tokenFor(FRIENDS))).json()) as {
      users: { id: string }[];
    };
    expect(page).toMatchObject({ next: null });
    expect(page.users.map(({ id }) => id)).toEqual(["alice", "bob"]);
    expect(await codeOf(await get("/v1/users?cursor=p0.0.0-0", tokenFor(FRIENDS)))).toBe("CURSOR_INVALID");
  });

  it.each(["carol", "nobody", "zo%65y"])("not %s, whether online or not", async (id) => {
    for (const path of [`/v1/users/${id}`, `/v1/users/${id}/sessions`, `/v1/changes?user=${id}`]) {
      const response = await get(path, tokenFor(FRIENDS));
      const { detail, ...problem } = await problemIn(response);
      expect(problem).toMatchObject({ status: 403, code: "USER_NOT_GRANTED" });
      expect(detail).toBe("this token does not cover this user");
    }
  });

  it("a lookup with one id too many is refused, and says which", async () => {
    const ask = (ids: string[]) => api.lookup({ ids }, bearer(tokenFor(FRIENDS)));
    expect(await (await ask(["zoe", "bob"])).json()).toMatchObject({
      users: [{ id: "zoe", online: false }, { id: "bob", online: true }],
    }); // prettier-ignore
    const problem = await problemIn(await ask(["zoe", "carol"]));
    expect(problem).toMatchObject({ code: "USER_NOT_GRANTED", detail: "this token does not cover ids[1]" });
  });

  it("nobody without users, everybody with *", async () => {
    const none = await (await get("/v1/users", tokenFor({ actions: ["users"] }))).json();
    expect(none).toMatchObject({ users: [], next: null });
    const all = (await (await get("/v1/users", tokenFor({ actions: ["users"], users: "*" }))).json()) as {
      users: object[];
    };
    expect(all.users).toHaveLength(3);
  });

  it("lists of the past are for tokens of everybody", async () => {
    for (const path of [`/v1/users?at=${Date.now() - 5_000}`, `/v1/changes?from=${Date.now() - 5_000}`]) {
      expect(await codeOf(await get(path, tokenFor(FRIENDS)))).toBe("USER_NOT_GRANTED");
      expect((await get(path, tokenFor({ ...FRIENDS, users: "*" }))).status).toBe(200);
    }
  });

  it("sessions of a granted user, with a cursor that is of use to nobody else", async () => {
    const own = newPrefix();
    for (let i = 1; i <= 3; i++)
      await populate(test.redis, { prefix: own, process: `web-${i}`, users: ["bob"] });
    const on = browserApp(test.redis, { prefix: own });
    const sessions = await (await get("/v1/users/bob/sessions", tokenFor(FRIENDS), on)).json();
    expect(sessions).toMatchObject({ user: "bob", sessions: [{ end: null }], asOf: { record: "" } });
    const wrong = await get("/v1/users/bob/sessions?cursor=x", tokenFor(FRIENDS), on);
    expect(await codeOf(wrong)).toBe("CURSOR_INVALID");
  });
});

describe("sessions, of which the changes of all users decide how far back they go", () => {
  const HOUR = 3_600_000;
  /** Carol, whom the holder may not see, came at the time of the oldest change that is kept; bob half an hour later. */
  const begun = Math.floor(Date.now() / HOUR) * HOUR - 2 * HOUR + 1_234_567;
  let on: TestApp;
  beforeAll(async () => {
    const own = newPrefix();
    const { changes } = keysOf(own, 0, 1);
    await populate(test.redis, { prefix: own, users: ["bob"] });
    await test.redis.del(changes);
    const entry = (user: string, at: number) =>
      test.redis.xadd(changes, `${at}-0`, "connect", JSON.stringify([user]));
    await entry("carol", begun);
    await entry("bob", begun + HOUR / 2);
    on = browserApp(test.redis, { prefix: own });
  });
  const ask = async (query: string, users: unknown = ["bob"]) =>
    (await (
      await get(`/v1/users/bob/sessions${query}`, tokenFor({ actions: ["sessions"], users }), on)
    ).json()) as { since: string; from: string; exact: boolean; sessions: { start: string }[] };

  it("a holder of `*` is told since when to the millisecond", async () => {
    expect(await ask("", "*")).toMatchObject({ since: new Date(begun + 1).toISOString(), exact: true });
  });

  it("a holder who may see some is told the hour after, whatever is asked", async () => {
    const since = Math.ceil(begun / HOUR) * HOUR;
    const told = await ask("");
    expect(told.sessions).toHaveLength(1);
    expect(told).toMatchObject({ since: new Date(since).toISOString(), from: new Date(since).toISOString() });
    // What `exact` says moves at the hour too: else it could be searched for.
    for (const [from, exact] of [
      [begun, false],
      [begun + 1, false],
      [begun + 2, false],
      [since - 1, false],
      [since, true],
    ] as const)
      // prettier-ignore
      expect([from, (await ask(`?from=${from}`)).exact]).toEqual([from, exact]);
    const csv = await get("/v1/users/bob/sessions?format=csv", tokenFor({ actions: ["sessions"], users: ["bob"] }), on); // prettier-ignore
    expect(csv.headers.get("rollcall-since")).toBe(new Date(since).toISOString());
  });

  it("within the first hour it is now, as where nothing is kept", async () => {
    const own = newPrefix();
    await populate(test.redis, { prefix: own, users: ["carol", "bob"] });
    const young = browserApp(test.redis, { prefix: own });
    const sessions = async () =>
      (await (await get("/v1/users/bob/sessions", tokenFor(FRIENDS), young)).json()) as {
        since: string;
        asOf: { now: string };
      };
    const { since, asOf } = await sessions();
    expect(since <= asOf.now).toBe(true);
    expect([asOf.now, new Date(Math.floor(Date.parse(asOf.now) / HOUR) * HOUR).toISOString()]).toContain(since); // prettier-ignore
  });
});

describe("where", () => {
  let rooms: TestApp;
  beforeAll(async () => {
    const own = newPrefix();
    const made = await Rooms.open(test.redis, { prefix: own, tracks: ["*/chat", "*/chat,*", "*/,*"] });
    await made.join("/chat,news", ["alice", "carol"]);
    await made.join("/,lobby", ["carol"]);
    rooms = browserApp(test.redis, { prefix: own });
  });

  it("only the whole unless patterns say otherwise, and then not the whole", async () => {
    const whole = tokenFor({ actions: ["users"], users: "*" });
    const chat = tokenFor({ actions: ["users"], users: "*", scopes: ["/chat,*"] });
    const room = "/v1/users?namespace=/chat&room=news";
    expect((await get("/v1/users", whole, rooms)).status).toBe(200);
    expect(await codeOf(await get(room, whole, rooms))).toBe("SCOPE_NOT_GRANTED");
    expect((await get(room, chat, rooms)).status).toBe(200);
    for (const path of ["/v1/users", "/v1/users?namespace=/chat", "/v1/users?room=lobby"])
      expect(await codeOf(await get(path, chat, rooms))).toBe("SCOPE_NOT_GRANTED");
    const both = tokenFor({ actions: ["users"], users: "*", scopes: ["", "/chat,*"] });
    expect((await get("/v1/users", both, rooms)).status).toBe(200);
  });

  it("in a room a holder sees its users only", async () => {
    const token = tokenFor({ actions: ["users"], users: ["alice", "bob"], scopes: ["/chat,news"] });
    const page = await (await get("/v1/users?namespace=/chat&room=news", token, rooms)).json();
    expect(page).toMatchObject({ users: [{ id: "alice" }] });
  });

  it("counts of the whole are as open as to anybody, those of a room take the action and the pattern", async () => {
    const none = tokenFor({ actions: [], scopes: ["/chat,news"] });
    const counting = tokenFor({ actions: ["counts"], scopes: ["/chat,news"] });
    const room = "/v1/counts?namespace=/chat&room=news";
    expect((await get("/v1/counts", none, rooms)).status).toBe(200);
    expect(await codeOf(await get(room, none, rooms))).toBe("ACTION_NOT_GRANTED");
    expect(await (await get(room, counting, rooms)).json()).toMatchObject({ users: 2 });
    expect(await codeOf(await get("/v1/counts?room=lobby", counting, rooms))).toBe("SCOPE_NOT_GRANTED");
    const closed = browserApp(test.redis, { prefix }, {}, { counts: "closed" });
    expect(await codeOf(await get("/v1/counts", none, closed))).toBe("ACTION_NOT_GRANTED");
    expect((await get("/v1/counts", tokenFor({ actions: ["counts"] }), closed)).status).toBe(200);
  });

  it("a lookup of counts is checked name by name, and a list of all rooms takes all patterns", async () => {
    const token = tokenFor({ actions: ["counts", "scopes"], scopes: ["/chat,*"] });
    const ask = (scopes: object[]) =>
      rooms.request("/v1/counts/lookup", {
        method: "POST",
        body: JSON.stringify({ scopes }),
        headers: { ...bearer(token), "content-type": "application/json" },
      });
    expect((await ask([{ namespace: "/chat", room: "news" }])).status).toBe(200);
    const wrong = await ask([{ namespace: "/chat", room: "news" }, { room: "lobby" }]);
    expect(await codeOf(wrong)).toBe("SCOPE_NOT_GRANTED");
    expect(await codeOf(await get("/v1/scopes", token, rooms))).toBe("SCOPE_NOT_GRANTED");
    expect((await get("/v1/scopes", tokenFor({ actions: ["scopes"], scopes: ["/*"] }), rooms)).status).toBe(
      200,
    );
  });
});

describe("a cookie", () => {
  const on = () =>
    browserApp(test.redis, { prefix }, { cookie: "__Host-rollcall" }, { origins: ["https://page.example"] });
  const ask = (headers: Record<string, string>, init: RequestInit = {}) =>
    on().request("/v1/users", {
      ...init,
      headers: { authorization: "", cookie: `a=b; __Host-rollcall=${tokenFor(FRIENDS)}`, ...headers },
    });

  it.each<[string, Record<string, string>, number]>([
    ["of a page of this origin", { "sec-fetch-site": "same-origin" }, 200],
    ["without a page", {}, 200],
    ["of a page whose origin is named", { "sec-fetch-site": "same-site", origin: "https://page.example" }, 200],
    ["of another page of the site", { "sec-fetch-site": "same-site", origin: "https://evil.example" }, 401],
    ["of another site, even if its origin is named", { "sec-fetch-site": "cross-site", origin: "https://page.example" }, 401],
    ["of a sandboxed page", { origin: "null" }, 401],
  ])("%s", async (_, headers, status) => {
    expect((await ask(headers)).status).toBe(status);
  }); // prettier-ignore

  it("only a named origin may read with it, and only where cookies are accepted", async () => {
    const ours = await ask({ origin: "https://page.example", "sec-fetch-site": "same-site" });
    expect(ours.headers.get("access-control-allow-credentials")).toBe("true");
    const other = await ask({ origin: "https://evil.example" });
    expect(other.headers.get("access-control-allow-credentials")).toBeNull();
    const any = browserApp(test.redis, { prefix }, { cookie: "c" }, { origins: ["*"] });
    const star = await any.request("/v1/users", {
      headers: { ...bearer(tokenFor(FRIENDS)), origin: "https://x.example" },
    });
    expect(star.headers.get("access-control-allow-credentials")).toBeNull();
  });

  it("twice is none, and without the option it is nothing", async () => {
    const cookie = `__Host-rollcall=${tokenFor(FRIENDS)}; __Host-rollcall=x`;
    expect(await problemIn(await ask({ cookie }))).toMatchObject({ code: "TOKEN_INVALID", reason: "format" });
    const off = await api.request("/v1/users", {
      headers: { authorization: "", cookie: `__Host-rollcall=${tokenFor(FRIENDS)}` },
    });
    expect(await codeOf(off)).toBe("TOKEN_MISSING");
  });
});

describe("changes", () => {
  interface Answer {
    readonly changes: readonly { user: string; id: string }[];
    readonly next: string;
    readonly gap: boolean;
    readonly more: boolean;
  }
  const ask = async (token: string, after: string | undefined, on: TestApp) => {
    const response = await get(`/v1/changes${after === undefined ? "" : `?after=${after}`}`, token, on);
    if (response.status !== 200) throw new Error(await response.text());
    return (await response.json()) as Answer;
  };

  it("two holders with different friends learn nothing of each other's", async () => {
    const own = newPrefix();
    await project(test.redis, { prefix: own });
    const on = browserApp(test.redis, { prefix: own });
    const ann = tokenFor({ actions: ["changes"], users: ["a1", "a2"] }, { sub: "ann" });
    const ben = tokenFor({ actions: ["changes"], users: ["b1", "b2"] }, { sub: "ben" });
    const [a, b] = [await ask(ann, undefined, on), await ask(ben, undefined, on)];
    await populate(test.redis, { prefix: own, users: ["a1"] });
    await populate(test.redis, { prefix: own, process: "web-2", users: Array.from({ length: 2_500 }, (_, i) => `x${i}`) }); // prettier-ignore
    const [a2, b2] = [await ask(ann, a.next, on), await ask(ben, b.next, on)];
    expect(a2.changes.map(({ user }) => user)).toEqual(["a1"]);
    // As if nothing had happened, although there is more than one answer's worth.
    expect(b2).toEqual({ changes: [], next: expect.any(String) as string, gap: false, more: false });
    expect(b2.next).not.toBe(b.next);
    expect(b2.next).toHaveLength(b.next.length);
    const bytes = Buffer.from(b2.next.slice(1), "base64url").toString("latin1");
    expect(bytes).not.toMatch(/\d{10,}-\d/);
    expect(a2.changes[0]!.id).toMatch(/^[\w-]{22}$/);
    // The same change has the same id each time.
    expect((await ask(ann, a.next, on)).changes).toEqual(a2.changes);
    // A cursor of another, one that is not sealed, or one that was changed. Not in its last character, some of whose bits mean nothing.
    for (const after of [
      a.next,
      "0-0",
      `${b.next.slice(0, -2)}${b.next.at(-2) === "A" ? "B" : "A"}${b.next.at(-1)!}`,
    ])
      expect(await codeOf(await get(`/v1/changes?after=${after}`, ben, on))).toBe("CURSOR_INVALID");
    const everybody = tokenFor({ actions: ["changes"], users: "*" }, { sub: "eve" });
    expect((await ask(everybody, "0-0", on)).changes.length).toBeGreaterThan(900);
  });

  it("the snapshot of a holder has a cursor for the changes, and says nothing of what else happened", async () => {
    const own = newPrefix();
    await populate(test.redis, { prefix: own, users: ["bob"] });
    const on = browserApp(test.redis, { prefix: own });
    const { asOf } = (await (await get("/v1/users", tokenFor(FRIENDS), on)).json()) as {
      asOf: { cursor: string; now: string; projectedAt: string };
    };
    expect(asOf).toMatchObject({ record: "", lag: { records: 0, ms: 0 }, stale: false });
    expect(asOf.projectedAt).toBe(asOf.now);
    await append(test.redis, { prefix: own, process: "web-2", users: ["alice", "carol"] });
    await project(test.redis, { prefix: own });
    expect((await ask(tokenFor(FRIENDS), asOf.cursor, on)).changes).toMatchObject([{ user: "alice" }]);
  });
});

describe("limits", () => {
  it("so many requests a second of one subject, and of another as many", async () => {
    const on = browserApp(test.redis, { prefix }, { requests: 1 });
    const ask = async (sub: string) => (await get("/v1/users", tokenFor(FRIENDS, { sub }), on)).status;
    expect([await ask("a"), await ask("a"), await ask("a"), await ask("b")]).toEqual([200, 200, 429, 200]);
  });

  it("a signature of somebody else says nothing about the claims", async () => {
    const token = signed(claimsOf(FRIENDS, { iss: "x" }), undefined, "z".repeat(40));
    expect(await problemIn(await get("/v1/users", token))).toMatchObject({ reason: "signature" });
  });
});

it("only /ready and /metrics take a server's token", async () => {
  const { paths } = await api.get<{ paths: Record<string, Record<string, { security?: object[] }>> }>(
    "/openapi.json",
  );
  const guarded = Object.entries(paths).flatMap(([path, methods]) =>
    Object.values(methods).map(({ security = [] }) => ({ path, text: JSON.stringify(security) })),
  );
  const forServers = guarded.filter(({ text }) => text.includes("bearer") && !text.includes("browser"));
  expect(forServers.map(({ path }) => path)).toEqual(["/ready", "/metrics"]);
});

it("in an outage the previous answer says no more than the last one did", async () => {
  const server = await startRedis();
  const redis = new Redis(server.url);
  onTestFinished(async () => {
    process.kill(server.pid, "SIGCONT");
    redis.disconnect();
    await server.stop();
  });
  const own = newPrefix();
  await populate(redis, { prefix: own, users: ["bob", "carol"] });
  const on = browserApp(redis, { prefix: own }, {}, { timeout: 300 });
  expect((await get("/v1/users", tokenFor(FRIENDS), on)).status).toBe(200);
  process.kill(server.pid, "SIGSTOP");
  const response = await get("/v1/users", tokenFor(FRIENDS), on);
  const { last, ...problem } = (await response.json()) as { last: { asOf: { cursor: string } } };
  expect(problem).toMatchObject({ status: 503, code: "REDIS_UNAVAILABLE" });
  expect(last).toMatchObject({
    users: [{ id: "bob" }],
    asOf: { record: "", lag: { records: 0, ms: 0 }, stale: true },
  });
  expect(last.asOf.cursor).toMatch(/^e[\w-]{60,}$/);
});
