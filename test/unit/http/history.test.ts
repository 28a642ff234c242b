/**
 * Goal: GET /v1/history answers as the reader does, of the whole or of a namespace or room, to whom the same counts are open, and refuses what it
 * cannot do; /metrics counts changes.
 * Method: records folded by the real script, with a history and without, through the app and the typed client.
 */
import { expect, it } from "vitest";
import * as v from "valibot";
import { createClient } from "../../../src/client/client.ts";
import { historyAnswerSchema } from "../../../src/reader/answers/history.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { Rooms } from "./rooms.ts";
import { append, appOver, newPrefix, populate, problemIn, TOKEN, useRedis } from "./support.ts";

const test = useRedis();
const MINUTE_MS = 60_000;

/** alice and bob are here, and a history is kept. */
async function start(shards = 1): Promise<string> {
  const prefix = newPrefix();
  await append(test.redis, { prefix, shards, users: ["alice", "bob", "bob"] });
  await projectorOver(ioredisPort(test.redis), { prefix, shards, history: true }).sweep();
  return prefix;
}

it("answers with the schema of the document, without a token where the counts are open", async () => {
  const api = appOver(test.redis, { prefix: await start() });
  const response = await api.request("/v1/history?step=5m", { headers: { authorization: "" } });
  expect(response.status).toBe(200);
  const answer = v.parse(historyAnswerSchema, await response.json());
  expect(answer).toMatchObject({ step: 5 * MINUTE_MS, bounds: false });
  expect(answer.points).toHaveLength(60);
  expect(answer.points.at(-1)).toMatchObject({
    users: { last: 2, min: 2, max: 2 },
    sockets: { last: 3, min: 3, max: 3 },
    distinct: null,
  });
  expect(answer.points[0]).toMatchObject({ users: null, sockets: null });
  const days = await api.get<{ points: { distinct: number | null }[] }>(
    "/v1/history?from=2024-01-01&step=30d",
  );
  expect(days.points.at(-1)!.distinct).toBe(2);
});

it("needs a token where the counts are closed", async () => {
  const api = appOver(test.redis, { prefix: await start() }, { counts: "closed" });
  expect((await api.request("/v1/history", { headers: { authorization: "" } })).status).toBe(401);
  expect((await api.request("/v1/history")).status).toBe(200);
});

it.each([
  ["step=second", "QUERY_INVALID"],
  ["step=5m&step=6m", "QUERY_INVALID"],
  ["from=yesterday", "QUERY_INVALID"],
  ["from=2024-13-45", "QUERY_INVALID"],
  ["to=1709114400000", "QUERY_INVALID"],
  ["from=2024-01-01", "QUERY_INVALID"],
  ["from=2024-01-01&to=2024-02-01&step=minute", "QUERY_INVALID"],
  ["day=2024-01-01", "QUERY_INVALID"],
])("?%s is refused", async (query, code) => {
  const api = appOver(test.redis, { prefix: await start() });
  expect(await problemIn(await api.request(`/v1/history?${query}`))).toMatchObject({ status: 400, code });
});

it("where none is kept it is 404, not a list of gaps", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  const api = appOver(test.redis, { prefix });
  const problem = await problemIn(await api.request("/v1/history"));
  expect(problem).toMatchObject({ status: 404, code: "HISTORY_UNTRACKED" });
  expect(await (await api.request("/metrics")).text()).not.toContain("rollcall_changes_total");
});

it("several shards add up, and the typed client asks for the same", async () => {
  const api = appOver(test.redis, { prefix: await start(3), shards: 3 });
  const client = createClient("http://api.example", {
    token: TOKEN,
    fetch: async (input, init) => api.app.fetch(new Request(input, init)),
  });
  const { points, bounds } = await client.history({ from: Date.now() - 10 * MINUTE_MS, step: "1m" });
  expect(bounds).toBe(true);
  expect(points.at(-1)).toMatchObject({ users: { last: 2 }, sockets: { last: 3 } });
  await expect(client.history({ from: -1 })).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
  await expect(client.history({ since: 1 } as object)).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
});

/** alice is in two rooms, and a history of one of them and of an empty one is kept. */
async function startRooms(shards = 1): Promise<string> {
  const prefix = newPrefix();
  const rooms = await Rooms.open(test.redis, { prefix, shards, tracks: ["/chat", "/chat,*"] });
  await rooms.join("/chat,news", ["alice", "bob", "bob"]);
  await rooms.join("/chat,late", ["alice", "carol"]);
  const history = { scopes: ["/chat,news", "/chat,empty"] };
  const projector = projectorOver(ioredisPort(test.redis), { prefix, shards, history });
  for (let shard = 0; shard < shards; shard++) await projector.step(shard);
  return prefix;
}

const COUNTS_TOKEN = "a-token-for-the-counts-only";
const NEWS = "/v1/history?namespace=/chat&room=news&step=5m";

it.each(["open", "whole", "closed", undefined] as const)(
  "of a room it is as open as the room's counts, with counts %s",
  async (counts) => {
    const prefix = await startRooms();
    const api = appOver(test.redis, { prefix }, { counts, countsTokens: [COUNTS_TOKEN] });
    const as = (authorization: string) => api.request(NEWS, { headers: { authorization } });
    const open = await as("");
    expect(open.status).toBe(counts === "open" ? 200 : 401);
    const response = await as(`Bearer ${COUNTS_TOKEN}`);
    const answer = v.parse(historyAnswerSchema, await response.json());
    expect(answer.points.at(-1)).toMatchObject({ users: { last: 2, min: 2, max: 2 }, sockets: { last: 3 } });
    expect(response.headers.get("cache-control")).toContain(counts === "open" ? "public" : "private");
    // Of the whole nothing else has changed.
    const whole = await api.request("/v1/history", { headers: { authorization: "" } });
    expect(whole.status).toBe(counts === "closed" ? 401 : 200);
  },
);

it.each([
  ["room=none", 404, "SCOPE_UNTRACKED"],
  ["namespace=/other", 404, "SCOPE_UNTRACKED"],
  ["namespace=/chat&room=late", 404, "HISTORY_UNTRACKED"],
  ["namespace=chat", 400, "SCOPE_INVALID"],
  ["namespace=/chat&room=news&room=late", 400, "QUERY_INVALID"],
  ["namespace=/chat&room=news&step=1s", 400, "QUERY_INVALID"],
])("?%s is refused", async (query, status, code) => {
  const api = appOver(test.redis, { prefix: await startRooms() });
  expect(await problemIn(await api.request(`/v1/history?${query}`))).toMatchObject({ status, code });
});

it("the typed client asks for rooms and namespaces, and answers of one are not given for another", async () => {
  const prefix = await startRooms(3);
  const api = appOver(test.redis, { prefix, shards: 3 }, { reuse: 60_000 });
  const client = createClient("http://api.example", {
    token: TOKEN,
    fetch: async (input, init) => api.app.fetch(new Request(input, init)),
  });
  const [news, empty, whole] = await Promise.all([
    client.of("/chat").in("news").history({ step: "hour" }),
    client.of("/chat").in("empty").history({ step: "hour" }),
    client.history({ step: "hour" }),
  ]);
  expect(news.bounds).toBe(true);
  const last = [news, empty, whole].map(({ points }) => points.at(-1)!.sockets!.last);
  expect(last).toEqual([3, 0, 4]);
  await expect(client.of("/chat").history()).rejects.toMatchObject({ code: "HISTORY_UNTRACKED" });
  await expect(client.in("x").history({ since: 1 } as object)).rejects.toMatchObject({
    code: "OPTIONS_INVALID",
  });
});

it("/metrics has the changes by type and cause", async () => {
  const api = appOver(test.redis, { prefix: await start(3), shards: 3 });
  const text = await (await api.request("/metrics")).text();
  expect(text).toContain('rollcall_changes_total{type="online",cause="connect"} 2\n');
  expect(text).toContain('rollcall_changes_total{type="offline",cause="reap"} 0\n');
  expect(text.match(/# TYPE rollcall_changes_total counter/g)).toHaveLength(1);
});
