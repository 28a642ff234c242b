/**
 * Goal: the past over HTTP: who was there, when somebody was, and the changes of a time, as JSON and as CSV that no spreadsheet runs.
 * Method: the app over a real Redis, and the client through it.
 */
import { expect, it } from "vitest";
import { createClient } from "../../../src/client/client.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { cellOf } from "../../../src/http/csv.ts";
import { parseTime } from "../../../src/http/time.ts";
import type { ChangesAnswer, Json, SessionsAnswer, UsersAtAnswer } from "../../../src/reader/reader.ts";
import { appOver, newPrefix, problemIn, type TestApp, TOKEN, useRedis } from "./support.ts";

const test = useRedis();

/** Alice was there from 1000 to 3000 and is again from 5000 on; a formula and a comma since 2000. */
async function start(): Promise<{ api: TestApp; key: string; prefix: string }> {
  const prefix = newPrefix();
  const { changes, users, totals } = keysOf(prefix, 0, 1);
  await test.redis
    .multi()
    .xadd(changes, "1000-0", "connect", '["alice"]')
    .xadd(changes, "2000-0", "connect", '["=1+1,\\"x\\""]')
    .xadd(changes, "3000-0", "leave", '["alice"]')
    .xadd(changes, "5000-0", "connect", '["alice"]')
    .hset(users, "alice", "1", '=1+1,"x"', "1")
    .hset(totals, { shards: 1, users: 2, change: "5000-0" })
    .exec();
  return { api: appOver(test.redis, { prefix }), key: changes, prefix };
}

const FORMULA = '=1+1,"x"';
const QUOTED = `"'=1+1,""x"""`;

it("GET /v1/users?at= is who was there, as JSON and as CSV", async () => {
  const { api, key } = await start();
  for (const time of ["2500", "1970-01-01T00:00:02.5Z", "1970-01-01T01:00:02.5%2B01:00"]) {
    expect(await api.get<Json<UsersAtAnswer>>(`/v1/users?at=${time}`)).toMatchObject({
      users: [FORMULA, "alice"],
      at: "1970-01-01T00:00:02.500Z",
      exact: true,
      since: "1970-01-01T00:00:01.000Z",
    });
  }
  const byAccept = await api.request("/v1/users?at=4000", { headers: { accept: "text/html, text/csv" } });
  expect(byAccept.headers.get("content-type")).toBe("text/csv; charset=utf-8; header=present");
  expect(byAccept.headers.get("rollcall-exact")).toBe("true");
  expect(byAccept.headers.get("vary")).toContain("Accept");
  expect(await byAccept.text()).toBe(`user\r\n${QUOTED}\r\n`);
  const asked = { headers: { accept: "text/csv" } };
  expect((await api.request("/v1/users?at=4000&format=json", asked)).headers.get("content-type")).toBe(
    "application/json",
  );
  await test.redis.xtrim(key, "MINID", 3_000);
  expect(await api.get("/v1/users?at=2500")).toMatchObject({ users: null, exact: false });
  const response = await api.request("/v1/users?at=2500&format=csv");
  expect(await response.clone().json()).toMatchObject({ since: "1970-01-01T00:00:03.000Z" });
  expect(await problemIn(response)).toMatchObject({ status: 409, code: "NOT_KEPT" });
});

it("GET /v1/users/:id/sessions is when somebody was there, page by page", async () => {
  const { api } = await start();
  const first = await api.get<Json<SessionsAnswer>>("/v1/users/alice/sessions?limit=1");
  expect(first.sessions).toEqual([
    { start: "1970-01-01T00:00:01.000Z", end: "1970-01-01T00:00:03.000Z", cause: "leave" },
  ]);
  const second = await api.get<Json<SessionsAnswer>>(`/v1/users/alice/sessions?limit=1&cursor=${first.next}`);
  expect(second).toMatchObject({ sessions: [{ end: null, cause: null }], next: null });
  const csv = await api.request("/v1/users/alice/sessions?limit=1&format=csv");
  expect(await csv.text()).toBe(
    "user,start,end,cause\r\nalice,1970-01-01T00:00:01.000Z,1970-01-01T00:00:03.000Z,leave\r\n",
  );
  expect(csv.headers.get("rollcall-next")).toBe(first.next);
  const last = await api.request(`/v1/users/${encodeURIComponent(FORMULA)}/sessions?format=csv`);
  expect(await last.text()).toBe(`user,start,end,cause\r\n${QUOTED},1970-01-01T00:00:02.000Z,,\r\n`);
  expect(last.headers.get("rollcall-next")).toBeNull();
  expect(await problemIn(await api.request("/v1/users/%ff/sessions"))).toMatchObject({
    code: "USER_INVALID",
  });
});

it("GET /v1/changes?from=&to= has the changes of a time", async () => {
  const { api } = await start();
  const first = await api.get<Json<ChangesAnswer>>("/v1/changes?from=2000&to=5000&limit=1");
  expect(first).toMatchObject({ changes: [{ user: FORMULA }], more: true, exact: true });
  const rest = await api.get<Json<ChangesAnswer>>(`/v1/changes?after=${first.next}&to=4000`);
  expect(rest).toMatchObject({ changes: [{ user: "alice", type: "offline" }], more: false, exact: true });
  expect(await api.get("/v1/changes?from=2000&user=alice")).toMatchObject({
    changes: [{ type: "offline" }, { type: "online" }],
  });
  const csv = await api.request("/v1/changes?from=2000&to=2999&format=csv");
  expect(await csv.text()).toBe(
    `at,user,type,cause,id\r\n1970-01-01T00:00:02.000Z,${QUOTED},online,connect,2000-0\r\n`,
  );
  expect(csv.headers.get("rollcall-next")).toBeNull();
  expect(csv.headers.get("content-disposition")).toBe('attachment; filename="changes.csv"');
});

it.each([
  ["/v1/users?at=", "QUERY_INVALID"],
  ["/v1/users?at=yesterday", "QUERY_INVALID"],
  ["/v1/users?at=2026-02-30T00:00:00Z", "QUERY_INVALID"],
  ["/v1/users?at=2026-11-27T14:03:00", "QUERY_INVALID"],
  ["/v1/users?at=1&at=2", "QUERY_INVALID"],
  ["/v1/users?at=1&limit=10", "QUERY_INVALID"],
  ["/v1/users?at=1&max=0", "QUERY_INVALID"],
  ["/v1/users?at=1&max=100001", "QUERY_INVALID"],
  ["/v1/users?max=10", "QUERY_INVALID"],
  ["/v1/users?format=csv", "QUERY_INVALID"],
  ["/v1/users?at=999999999999999", "TIME_INVALID"],
  ["/v1/changes?to=1", "QUERY_INVALID"],
  ["/v1/changes?from=1&after=1-1", "QUERY_INVALID"],
  ["/v1/changes?from=2&to=1", "TIME_INVALID"],
  ["/v1/changes?after=x&to=1", "CURSOR_INVALID"],
  ["/v1/changes?limit=5", "QUERY_INVALID"],
  ["/v1/users/alice/sessions?from=2&to=1", "TIME_INVALID"],
  ["/v1/users/alice/sessions?cursor=x", "CURSOR_INVALID"],
  ["/v1/users/alice/sessions?room=x", "QUERY_INVALID"],
])("%s is refused: %s", async (path, code) => {
  const { api } = await start();
  expect(await problemIn(await api.request(path))).toMatchObject({ status: 400, code });
});

it("lists of the past need a token, as lists do, and events have no range", async () => {
  const { api } = await start();
  for (const path of ["/v1/users?at=1", "/v1/users/alice/sessions", "/v1/changes?from=1"]) {
    const response = await api.request(path, { headers: { authorization: "" } });
    expect(await problemIn(response)).toMatchObject({ status: 401, code: "TOKEN_MISSING" });
  }
  const events = await api.request("/v1/changes?from=1", { headers: { accept: "text/event-stream" } });
  expect(await problemIn(events)).toMatchObject({ status: 400, code: "QUERY_INVALID" });
});

it("what a spreadsheet could run is not what it gets, and every id can be had back", () => {
  for (const id of [
    "=1",
    "+1",
    "-1",
    "@x",
    "\tx",
    "\rx",
    "\nx",
    "'x",
    "''=1",
    "x",
    "a,b",
    'a"b',
    "a\r\nb",
    "-",
  ]) {
    const cell = cellOf(id);
    expect(cell.replace(/^"/, "")).not.toMatch(/^[=+\-@\t\r\n]/);
    const text = cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
    expect(text.replace(/^'/, "")).toBe(id);
  }
});

it("times are RFC 3339 with an offset, or ms", () => {
  expect(parseTime("1795575068301")).toEqual(new Date(1_795_575_068_301));
  expect(parseTime("2026-11-25T02:51:08.301z")).toEqual(new Date("2026-11-25T02:51:08.301Z"));
  expect(parseTime("2026-11-25t02:51:08-05:30")).toEqual(new Date("2026-11-25T08:21:08Z"));
  for (const text of [
    "",
    " 1",
    "1.5",
    "-1",
    "1e3",
    "2026-11-25",
    "2026-13-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-01-01T25:00:00Z",
    "1969-12-31T23:59:59Z",
    "2026-01-01T00:00:00 01:00",
  ])
    expect(parseTime(text), text).toBeUndefined();
});

it("the client asks for all three", async () => {
  const { api } = await start();
  const client = createClient("http://api.example", {
    token: TOKEN,
    fetch: async (input, init) => api.app.request(new Request(input, init)),
  });
  expect(await client.usersAt(new Date(2_500), { max: 10 })).toMatchObject({ users: [FORMULA, "alice"] });
  const { sessions } = await client.sessions(FORMULA, {
    from: new Date(1_500),
    to: new Date(9_000),
    limit: 5,
  });
  expect(sessions).toEqual([{ start: "1970-01-01T00:00:02.000Z", end: null, cause: null }]);
  const { changes, exact } = await client.changes({ from: new Date(1_500), to: new Date(2_500), limit: 5 });
  expect({ changes: changes.length, exact }).toEqual({ changes: 1, exact: true });
  await expect(client.sessions("..")).rejects.toMatchObject({ code: "USER_INVALID" });
  await expect(client.usersAt(new Date(Number.NaN))).rejects.toMatchObject({ code: "TIME_INVALID" });
  await expect(client.usersAt(new Date(Date.now() + 3_600_000))).rejects.toMatchObject({
    code: "TIME_INVALID",
  });
});
