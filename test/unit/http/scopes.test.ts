/**
 * Goal: each route answers about a namespace or a room as about the whole, and says what is wrong: a name that is none, one that nobody
 * counts. What many rooms cost is bounded, and a cursor of one scope brings no changes of another.
 * Method: records with memberships in a real Redis, folded by the real script, over one shard and four; through ioredis and through
 * Upstash's REST API.
 */
import { beforeAll, describe, expect, it } from "vitest";
import * as v from "valibot";
import { PresenceError } from "../../../src/core/errors.ts";
import { SHARED_SCOPES_BYTES_MAX } from "../../../src/core/limits.ts";
import { CoalescedReader } from "../../../src/http/coalesced-reader.ts";
import { resolveAppOptions } from "../../../src/http/options.ts";
import { changesAnswerSchema } from "../../../src/reader/answers/changes.ts";
import {
  countsInAnswerSchema,
  scopeCountsSchema,
  scopesPageSchema,
} from "../../../src/reader/answers/scopes.ts";
import { userAnswerSchema, usersAnswerSchema, usersPageSchema } from "../../../src/reader/answers/users.ts";
import { createReader as createEdgeReader } from "../../../src/edge/create.ts";
import { upstashClient } from "../../../src/edge/upstash.ts";
import { createReader } from "../../../src/reader/create.ts";
import {
  type ChangesAnswer,
  type CountsInAnswer,
  type Reader,
  readerOver,
  type ScopeCounts,
  type ScopesPage,
  type UserAnswer,
  type UsersAnswer,
  type UsersPage,
} from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { startBridge } from "../../../packages/upstash-bridge/src/index.ts";
import { Redis } from "ioredis";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { asOf } from "../../../rig/answers.ts";
import { Rooms } from "./rooms.ts";
import { appOver, newPrefix, problemIn, TOKEN, type TestApp, useRedis } from "./support.ts";

const COUNTS_TOKEN = "a-token-for-the-counts-only";

const test = useRedis();
const idsOf = ({ users }: { readonly users: readonly { readonly id: string }[] }) =>
  users.map(({ id }) => id);
const encoded = encodeURIComponent;

const countsIn = (api: TestApp, body: unknown, headers: Record<string, string> = {}) =>
  api.request("/v1/counts/lookup", {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });

async function start(shards = 1, options: { reader?: Reader; reuse?: number } = {}) {
  const prefix = newPrefix();
  const rooms = await Rooms.open(test.redis, {
    prefix,
    shards,
    tracks: ["/", "/,*", "*/,news", "*/,chat", "/chat", "/chat,*"],
  });
  const reader = options.reader ?? readerOver(ioredisPort(test.redis), { prefix, shards });
  return { prefix, rooms, reader, api: appOver(test.redis, { prefix, shards }, { reader, ...options }) };
}

describe.each([1, 4])("over %i shard(s)", (shards) => {
  let api: TestApp;
  beforeAll(async () => {
    const { rooms, api: made } = await start(shards);
    api = made;
    await rooms.join("/", ["alice", "bob", "carol"]);
    await rooms.join("*/,news", ["alice", "alice", "bob"]);
    await rooms.join("/,", ["carol"]);
    await rooms.join("/chat", ["bob", "dave"]);
    await rooms.join("/chat,a,b#c &d", ["dave"]);
  });

  it("counts are of the whole, of a namespace, of a room, and of the room without a name", async () => {
    expect(await api.get("/v1/counts")).toMatchObject({ users: 4, sockets: 4, connections: 0 });
    const of = async (query: string) => {
      const answer = await api.get<ScopeCounts>(`/v1/counts?${query}`);
      expect(v.safeParse(scopeCountsSchema, answer).issues).toBeUndefined();
      return [answer.users, answer.sockets];
    };
    expect(await of("namespace=/")).toEqual([3, 3]);
    expect(await of("room=news")).toEqual([2, 3]);
    expect(await of("namespace=%2F&room=news")).toEqual([2, 3]);
    expect(await of("room=")).toEqual([1, 1]);
    expect(await of("namespace=/chat")).toEqual([2, 2]);
    expect(await of(`namespace=/chat&room=${encoded("a,b#c &d")}`)).toEqual([1, 1]);
    // Nobody is there, and it is tracked.
    expect(await of("room=empty")).toEqual([0, 0]);
  });

  it("users, one user and a lookup are those of the scope", async () => {
    const found: string[] = [];
    for (let path = "/v1/users?room=news"; ;) {
      const page = await api.get<UsersPage>(path);
      expect(v.safeParse(usersPageSchema, page).issues).toBeUndefined();
      found.push(...idsOf(page));
      if (page.next === null) break;
      path = `/v1/users?room=news&cursor=${page.next}`;
    }
    expect(found.sort()).toEqual(["alice", "bob"]);
    const user = await api.get<UserAnswer>("/v1/users/alice?room=news");
    expect(v.safeParse(userAnswerSchema, user).issues).toBeUndefined();
    expect(user).toMatchObject({ id: "alice", online: true, sockets: 2 });
    expect(await api.get("/v1/users/carol?room=news")).toMatchObject({ online: false, sockets: 0 });
    expect(await api.get("/v1/users/alice?namespace=/chat")).toMatchObject({ online: false });
    const response = await api.request("/v1/users/lookup?namespace=/chat", {
      method: "POST",
      body: JSON.stringify({ ids: ["alice", "dave"] }),
      headers: { "content-type": "application/json" },
    });
    const lookup = (await response.json()) as UsersAnswer;
    expect(v.safeParse(usersAnswerSchema, lookup).issues).toBeUndefined();
    expect(lookup.users.map(({ id, online }) => [id, online])).toEqual([
      ["alice", false],
      ["dave", true],
    ]);
  });

  it("scopes are listed largest first, by pages, by namespace and by the beginning of a room's name", async () => {
    const all = await api.get<ScopesPage>("/v1/scopes");
    expect(v.safeParse(scopesPageSchema, all).issues).toBeUndefined();
    expect(all.scopes.map(({ namespace, room, users }) => [namespace, room, users])).toEqual([
      ["/", null, 3],
      ["/", "news", 2],
      ["/chat", null, 2],
      expect.any(Array),
      expect.any(Array),
    ]);
    const found: string[] = [];
    for (let path = "/v1/scopes?limit=2&sort=users"; ;) {
      const { scopes, next } = await api.get<ScopesPage>(path);
      found.push(...scopes.map(({ namespace, room }) => `${namespace} ${room}`));
      if (next === null) break;
      path = `/v1/scopes?limit=2&cursor=${next}`;
    }
    expect(found.sort()).toEqual(["/ ", "/ news", "/ null", "/chat a,b#c &d", "/chat null"]);
    const named = async (query: string) =>
      (await api.get<ScopesPage>(`/v1/scopes?${query}`)).scopes.map(({ room }) => room);
    expect(await named("namespace=/chat")).toEqual([null, "a,b#c &d"]);
    expect(await named("prefix=ne")).toEqual(["news"]);
    expect(await named("namespace=/chat&prefix=ne")).toEqual([]);
  });

  it("POST /v1/counts/lookup answers in the order asked, and says what is not tracked", async () => {
    const response = await countsIn(api, {
      scopes: [
        { room: "news" },
        { namespace: "/chat" },
        { namespace: "/chat", room: null },
        { room: "" },
        { room: "empty" },
        { namespace: "/none" },
      ],
    });
    expect(response.status).toBe(200);
    const answer = (await response.json()) as CountsInAnswer;
    expect(v.safeParse(countsInAnswerSchema, answer).issues).toBeUndefined();
    expect(answer.asOf).toEqual(asOf());
    expect(answer.scopes.map(({ users, sockets, tracked }) => [users, sockets, tracked])).toEqual([
      [2, 3, true],
      [2, 2, true],
      [2, 2, true],
      [1, 1, true],
      [0, 0, true],
      [null, null, false],
    ]);
  });

  it("changes of a scope continue from its snapshots, and only from those", async () => {
    const own = await start(shards);
    await own.rooms.join("*/,news", ["alice"]);
    await own.rooms.join("*/,chat", ["alice"]);
    const { asOf: news } = await own.api.get<ScopeCounts>("/v1/counts?room=news");
    await own.rooms.join("*/,chat", ["bob"]);
    await own.rooms.join("*/,news", ["carol", "dave"]);
    await own.rooms.part("*/,news", ["alice"]);
    const answer = await own.api.get<ChangesAnswer>(`/v1/changes?room=news&after=${news.cursor}`);
    expect(v.safeParse(changesAnswerSchema, answer).issues).toBeUndefined();
    expect(answer.changes.map(({ user, type }) => `${type} ${user}`).sort()).toEqual([
      "offline alice",
      "online carol",
      "online dave",
    ]);
    expect(answer.gap).toBe(false);
    const some = await own.api.get<ChangesAnswer>(
      `/v1/changes?room=news&after=${news.cursor}&user=carol&user=bob`,
    );
    expect(some.changes.map(({ user }) => user)).toEqual(["carol"]);
    // Of the whole, of another room, and the other way round: an error, and never other changes.
    const { asOf: whole } = await own.api.get<ScopeCounts>("/v1/counts");
    for (const path of [
      `/v1/changes?room=chat&after=${news.cursor}`,
      `/v1/changes?room=news&after=${whole.cursor}`,
      `/v1/changes?after=${news.cursor}`,
      "/v1/changes?room=news&after=0-0",
    ])
      expect([path, await problemIn(await own.api.request(path))]).toMatchObject([
        path,
        { status: 400, code: "CURSOR_INVALID" },
      ]);
  });

  it("a page's cursor is of use in its own scope only", async () => {
    const own = await start(shards);
    const many = Array.from({ length: 700 }, (_, i) => `u${i}`);
    await own.rooms.join("/,big", many);
    await own.rooms.join("/,other", many);
    const found: string[] = [];
    let path = "/v1/users?room=big&limit=50";
    let cursor: string | null = null;
    for (;;) {
      const page: UsersPage = await own.api.get<UsersPage>(path);
      found.push(...idsOf(page));
      if (page.next === null) break;
      cursor = page.next;
      path = `/v1/users?room=big&limit=50&cursor=${cursor}`;
    }
    expect([...new Set(found)].sort()).toEqual([...many].sort());
    for (const where of ["room=other&", "namespace=/&", ""]) {
      const other = await problemIn(await own.api.request(`/v1/users?${where}cursor=${cursor}`));
      expect([where, other.code]).toEqual([where, "CURSOR_INVALID"]);
    }
  });
});

describe("what is refused", () => {
  let api: TestApp;
  beforeAll(async () => {
    const own = await start();
    await own.rooms.join("*/,news", ["alice"]);
    api = own.api;
  });
  const GETS = ["/v1/counts", "/v1/users", "/v1/users/alice", "/v1/changes"];

  it.each(GETS)("%s: names that make no scope, twice the same, and what is not tracked", async (path) => {
    for (const events of [false, true]) {
      if (events && !/counts|changes/.test(path)) continue;
      const headers: Record<string, string> = events ? { accept: "text/event-stream" } : {};
      for (const [query, status, code] of [
        ["namespace=", 400, "SCOPE_INVALID"],
        ["namespace=chat", 400, "SCOPE_INVALID"],
        ["namespace=/a,b", 400, "SCOPE_INVALID"],
        ["namespace=/a,b&room=c", 400, "SCOPE_INVALID"],
        [`room=${"x".repeat(511)}`, 400, "SCOPE_INVALID"],
        ["room=a&room=b", 400, "QUERY_INVALID"],
        ["namespace=/&namespace=/", 400, "QUERY_INVALID"],
        ["room=%ff", 400, "QUERY_INVALID"],
        ["room=%", 400, "QUERY_INVALID"],
        ["rooms=a", 400, "QUERY_INVALID"],
        ["namespace=/none", 404, "SCOPE_UNTRACKED"],
        ["namespace=/none&room=a", 404, "SCOPE_UNTRACKED"],
      ] as const) {
        const problem = await problemIn(await api.request(`${path}?${query}`, { headers }));
        expect([query, problem.status, problem.code]).toEqual([query, status, code]);
      }
    }
  });

  it("a lookup in a scope is refused like the others", async () => {
    const lookup = (query: string) =>
      api.request(`/v1/users/lookup?${query}`, {
        method: "POST",
        body: '{"ids":["alice"]}',
        headers: { "content-type": "application/json" },
      });
    expect(await problemIn(await lookup("namespace=x"))).toMatchObject({
      code: "SCOPE_INVALID",
      status: 400,
    });
    expect(await problemIn(await lookup("room=a&room=a"))).toMatchObject({ code: "QUERY_INVALID" });
    expect(await problemIn(await lookup("namespace=/none"))).toMatchObject({
      code: "SCOPE_UNTRACKED",
      status: 404,
    });
  });

  it("changes of a room that is counted but not told are not answered with none", async () => {
    expect((await api.request("/v1/counts?room=quiet")).status).toBe(200);
    expect(await problemIn(await api.request("/v1/changes?room=quiet"))).toMatchObject({
      status: 404,
      code: "SCOPE_UNTRACKED",
    });
  });

  it.each([
    ["cursor=x", "CURSOR_INVALID"],
    ["cursor=p0.0.0-0", "CURSOR_INVALID"],
    ["cursor=", "CURSOR_INVALID"],
    ["sort=name", "QUERY_INVALID"],
    ["limit=0", "QUERY_INVALID"],
    ["limit=1001", "QUERY_INVALID"],
    ["prefix=a&prefix=b", "QUERY_INVALID"],
    ["room=a", "QUERY_INVALID"],
    ["namespace=chat", "SCOPE_INVALID"],
  ])("GET /v1/scopes?%s", async (query, code) => {
    expect(await problemIn(await api.request(`/v1/scopes?${query}`))).toMatchObject({ status: 400, code });
  });

  it.each([
    ["[]", "BODY_INVALID"],
    ["{}", "BODY_INVALID"],
    ['{"scopes":{}}', "BODY_INVALID"],
    ['{"scopes":[],"x":1}', "BODY_INVALID"],
    [JSON.stringify({ scopes: Array.from({ length: 1_001 }, () => ({ room: "a" })) }), "BODY_INVALID"],
    ['{"scopes":[{"room":"a"},"b"]}', "SCOPE_INVALID"],
    ['{"scopes":[{"room":"a"},{"room":1}]}', "SCOPE_INVALID"],
    ['{"scopes":[{"room":"a"},{"room":"b","x":1}]}', "SCOPE_INVALID"],
    ['{"scopes":[{"room":"a"},{"namespace":"b"}]}', "SCOPE_INVALID"],
    ['{"scopes":[{"room":"a"},{"room":"\\ud800"}]}', "SCOPE_INVALID"],
  ])("POST /v1/counts/lookup of %.50s", async (body, code) => {
    const problem = await problemIn(await countsIn(api, body));
    expect(problem).toMatchObject({ status: 400, code });
    if (code === "SCOPE_INVALID") expect(problem.detail).toMatch(/^scopes\[1\]: /);
  });

  it("the longest list of the longest names fits, and a longer body does not", async () => {
    // Control characters are six bytes each in JSON.
    const scopes = Array.from({ length: 1_000 }, () => ({ namespace: "/", room: "\u0001".repeat(510) }));
    const response = await countsIn(api, { scopes });
    expect(response.status).toBe(200);
    const long = await problemIn(await countsIn(api, `{"scopes":[${" ".repeat(3_200_000)}]}`));
    expect(long).toMatchObject({ status: 413, code: "BODY_TOO_LARGE" });
    const text = { "content-type": "text/plain" };
    expect(await problemIn(await countsIn(api, "{}", text))).toMatchObject({ status: 415 });
  });
});

describe("access", () => {
  const routes = (counts: "open" | "whole" | "closed" | undefined) => {
    const prefix = newPrefix();
    return { prefix, api: appOver(test.redis, { prefix }, { counts, countsTokens: [COUNTS_TOKEN] }) };
  };

  it.each(["open", "whole", "closed", undefined] as const)("with counts %s", async (counts) => {
    const { api, prefix } = routes(counts);
    const rooms = await Rooms.open(test.redis, { prefix, tracks: ["*/,news"] });
    await rooms.join("*/,news", ["alice"]);
    const statuses = async (authorization: string) => {
      const get = async (path: string) => (await api.request(path, { headers: { authorization } })).status;
      const lookup = { scopes: [{ room: "news" }] };
      return {
        whole: await get("/v1/counts"),
        counts: await get("/v1/counts?room=news"),
        lookup: (await countsIn(api, lookup, { authorization })).status,
        lists: [
          await get("/v1/users?room=news"),
          await get("/v1/users/alice?room=news"),
          await get("/v1/changes?room=news"),
          await get("/v1/scopes"),
        ],
      };
    };
    expect(await statuses("")).toEqual({
      whole: counts === "closed" ? 401 : 200,
      counts: counts === "open" ? 200 : 401,
      lookup: 401,
      lists: [401, 401, 401, 401],
    });
    expect(await statuses(`Bearer ${COUNTS_TOKEN}`)).toEqual({
      whole: 200,
      counts: 200,
      lookup: 200,
      lists: [403, 403, 403, 403],
    });
    expect(await statuses(`Bearer ${TOKEN}`)).toEqual({
      whole: 200,
      counts: 200,
      lookup: 200,
      lists: [200, 200, 200, 200],
    });
  });
});

describe("counts of a namespace or room without a token", () => {
  it.each([
    "room=news",
    "room=",
    "namespace=/",
    "namespace=/chat&room=news",
    "r%6fom=news",
    "room=made-up",
    "namespace=%2Fnone",
  ])("?%s are refused before Redis is asked, once and as events", async (query) => {
    const { reader, asked } = counting(newPrefix());
    const api = appOver(test.redis, { prefix: newPrefix() }, { reader, countsTokens: [COUNTS_TOKEN] });
    for (const method of ["GET", "HEAD"])
      for (const accept of ["application/json", "text/event-stream"])
        for (const [authorization, code] of [
          ["", "TOKEN_MISSING"],
          ["Bearer none-of-our-tokens", "TOKEN_INVALID"],
        ] as const) {
          const headers = { authorization, accept };
          const response = await api.request(`/v1/counts?${query}`, { method, headers });
          expect([response.status, response.headers.get("cache-control")]).toEqual([401, "no-store"]);
          expect(response.headers.get("www-authenticate")).toMatch(/^Bearer realm="rollcall"/);
          if (method === "GET") expect(await problemIn(response)).toMatchObject({ status: 401, code });
        }
    expect(asked.requests).toBe(0);
  });

  it("are answered with one, and no cache gives that to anybody else", async () => {
    const prefix = newPrefix();
    const rooms = await Rooms.open(test.redis, { prefix, tracks: ["/,*"] });
    await rooms.join("/,news", ["alice"]);
    const api = appOver(test.redis, { prefix }, { countsTokens: [COUNTS_TOKEN], reuse: 1_000 });
    const headers = { authorization: `Bearer ${COUNTS_TOKEN}` };
    const answer = await api.request("/v1/counts?room=news", { headers });
    expect([answer.status, await answer.json()]).toMatchObject([200, { users: 1, sockets: 1 }]);
    expect(answer.headers.get("cache-control")).toMatch(/^private/);
    expect(answer.headers.get("vary")).toMatch(/\bAuthorization\b/);
    const events = await api.request("/v1/counts?room=news", {
      headers: { ...headers, accept: "text/event-stream" },
    });
    expect(events.status).toBe(200);
    await events.body!.cancel();
    const whole = await api.request("/v1/counts", { headers: { authorization: "" } });
    expect([whole.status, whole.headers.get("cache-control")]).toEqual([200, "public, max-age=1"]);
  });

  it("are closed where no token is set, and say so", async () => {
    const api = appOver(test.redis, { prefix: newPrefix() }, { tokens: [] });
    const problem = await problemIn(await api.request("/v1/counts?room=news"));
    expect(problem).toMatchObject({ status: 403, code: "TOKENS_NOT_SET" });
  });
});

/** A reader that counts what it sends. */
function counting(prefix: string) {
  const own = ioredisPort(test.redis);
  const asked = { requests: 0 };
  const reader = readerOver({ read: (commands) => (asked.requests++, own.read(commands)) }, { prefix });
  return { reader, asked };
}

describe("what it costs", () => {
  it("callers who ask about the same scope share one read, also if it is not tracked", async () => {
    const prefix = newPrefix();
    const rooms = await Rooms.open(test.redis, { prefix, tracks: ["*/,*"] });
    await rooms.join("*/,a", ["alice"]);
    await rooms.join("*/,b", ["alice", "bob"]);
    const { reader, asked } = counting(prefix);
    const api = appOver(test.redis, { prefix }, { reader, reuse: 60_000 });
    // The first read checks the number of shards, and measures the clock.
    await api.get("/v1/counts");
    const cost = async (path: string) => {
      const before = asked.requests;
      const answers = await Promise.all(Array.from({ length: 50 }, () => api.request(path)));
      expect(new Set(answers.map(({ headers }) => headers.get("etag"))).size).toBe(1);
      return [answers[0]!.status, asked.requests - before];
    };
    expect(await cost("/v1/counts?room=a")).toEqual([200, 1]);
    expect(await cost("/v1/counts?namespace=/&room=a")).toEqual([200, 0]);
    expect(await cost("/v1/counts?room=b")).toEqual([200, 1]);
    expect(await cost("/v1/users?room=a")).toEqual([200, 1]);
    expect(await cost("/v1/users/alice?room=a")).toEqual([200, 1]);
    expect(await cost("/v1/users/alice")).toEqual([200, 1]);
    expect(await cost("/v1/scopes")).toEqual([200, 2]);
    expect(await cost("/v1/counts?namespace=/none")).toEqual([404, 1]);
    expect(await cost("/v1/counts?namespace=/none")).toEqual([404, 0]);
    for (const [room, users] of [
      ["a", 1],
      ["b", 2],
    ] as const)
      // prettier-ignore
      expect(await api.get(`/v1/counts?room=${room}`)).toMatchObject({ users });
  });

  it("any number of different rooms costs no more memory than the cap, and pushes out nothing of the whole", async () => {
    const prefix = newPrefix();
    const rooms = await Rooms.open(test.redis, { prefix, tracks: ["/,*"] });
    await rooms.join("/,a", ["alice"]);
    const real = readerOver(ioredisPort(test.redis), { prefix });
    const answer = await real.in("a").counts();
    const whole = await real.user("alice");
    let users = 0;
    let isTracked = true;
    const scope = {
      ...real.in("a"),
      async counts() {
        if (!isTracked) throw new PresenceError("SCOPE_UNTRACKED", "this namespace or room is not tracked");
        return { ...answer };
      },
    };
    // So many reads of Redis would take minutes: the answers are those of one.
    const reader: Reader = {
      ...real,
      user: () => (users++, Promise.resolve(whole)),
      of: () => ({ ...scope, in: () => scope }),
    };
    const shared = new CoalescedReader(resolveAppOptions({ reader, reuse: 60_000 }));
    await shared.user("alice");
    const before = shared.kept.bytes - shared.kept.ofScopes;
    for (const [count, tracked] of [
      [10_000, true],
      [20_000, false],
    ] as const) {
      isTracked = tracked;
      let most = 0;
      for (let i = 0; i < count; i += 1_000) {
        const asked = Array.from({ length: 1_000 }, (_, j) => shared.countsAnswer(`/,${tracked}-${i + j}`));
        await Promise.allSettled(asked);
        most = Math.max(most, shared.kept.ofScopes);
      }
      expect(most).toBeGreaterThan(SHARED_SCOPES_BYTES_MAX / 2);
      expect(most).toBeLessThanOrEqual(SHARED_SCOPES_BYTES_MAX);
    }
    expect(shared.kept.bytes - shared.kept.ofScopes).toBe(before);
    // Still there: nobody asks Redis again.
    await shared.user("alice");
    expect(users).toBe(1);
  });

  it("polling the changes of many rooms keeps a bounded number of feeds", async () => {
    const prefix = newPrefix();
    await Rooms.open(test.redis, { prefix, tracks: ["*/,*"] });
    const shared = new CoalescedReader(
      resolveAppOptions({ reader: readerOver(ioredisPort(test.redis), { prefix }) }),
    );
    for (let i = 0; i < 200; i++) await shared.changes(undefined, `/,room-${i}`);
    expect(shared.feeds.size).toBeLessThanOrEqual(101);
    expect(shared.feeds.size).toBeGreaterThan(90);
  });
});

it("without Redis the last answer about a scope is sent, marked stale, and another scope's never is", async () => {
  const server = await startRedis();
  const prefix = newPrefix();
  const reader = createReader({ redis: server.url, prefix });
  const redis = new Redis(server.url);
  const rooms = await Rooms.open(redis, { prefix, tracks: ["/,*"] });
  await rooms.join("/,news", ["alice"]);
  const api = appOver(test.redis, { prefix }, { reader, timeout: 2_000 });
  const counts = await api.get<ScopeCounts>("/v1/counts?room=news");
  redis.disconnect();
  await server.stop();
  const body = (await (await api.request("/v1/counts?room=news")).json()) as { last: ScopeCounts };
  expect(body).toMatchObject({ code: "REDIS_UNAVAILABLE", status: 503 });
  expect(body.last).toEqual({ ...counts, asOf: { ...counts.asOf, stale: true } });
  for (const path of ["/v1/counts?room=other", "/v1/counts"])
    expect(await (await api.request(path)).json()).not.toHaveProperty("last");
  reader.close();
});

describe("over Upstash's REST API", () => {
  it("every route answers, with a token that can only read", async () => {
    const token = "the-credentials-that-may-write";
    await using bridge = await startBridge({
      redis: test.server.url,
      token,
      readOnlyToken: `${token}-reads`,
    });
    const prefix = newPrefix();
    const rooms = await Rooms.open(test.redis, { prefix, tracks: ["*/,news"] });
    await rooms.join("*/,news", ["alice", "bob"]);
    const redis = upstashClient({ url: bridge.url, token: `${token}-reads` });
    const api = appOver(test.redis, { prefix }, { reader: createEdgeReader({ redis, prefix }) });
    const counts = await api.get<ScopeCounts>("/v1/counts?room=news");
    expect(counts).toMatchObject({ users: 2, sockets: 2 });
    expect(idsOf(await api.get<UsersPage>("/v1/users?room=news")).sort()).toEqual(["alice", "bob"]);
    expect(await api.get("/v1/users/bob?room=news")).toMatchObject({ online: true });
    expect((await api.get<ScopesPage>("/v1/scopes")).scopes).toHaveLength(1);
    expect(await (await countsIn(api, { scopes: [{ room: "news" }] })).json()).toMatchObject({
      scopes: [{ users: 2, tracked: true }],
    });
    await rooms.part("*/,news", ["bob"]);
    expect(
      (await api.get<ChangesAnswer>(`/v1/changes?room=news&after=${counts.asOf.cursor}`)).changes,
    ).toMatchObject([{ user: "bob", type: "offline", cause: "leave" }]);
    expect(await problemIn(await api.request("/v1/counts?room=x"))).toMatchObject({
      code: "SCOPE_UNTRACKED",
    });
  });
});
