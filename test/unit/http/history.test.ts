/**
 * Goal: GET /v1/history answers as the reader does, to whom the counts are open, and refuses what it cannot do; /metrics counts changes.
 * Method: records folded by the real script, with a history and without, through the app and the typed client.
 */
import { expect, it } from "vitest";
import * as v from "valibot";
import { createClient } from "../../../src/client/client.ts";
import { historyAnswerSchema } from "../../../src/reader/answers/history.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
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

it("/metrics has the changes by type and cause", async () => {
  const api = appOver(test.redis, { prefix: await start(3), shards: 3 });
  const text = await (await api.request("/metrics")).text();
  expect(text).toContain('rollcall_changes_total{type="online",cause="connect"} 2\n');
  expect(text).toContain('rollcall_changes_total{type="offline",cause="reap"} 0\n');
  expect(text.match(/# TYPE rollcall_changes_total counter/g)).toHaveLength(1);
});
