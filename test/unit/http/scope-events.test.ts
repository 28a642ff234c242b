/**
 * Goal: event streams of a room send its counts and its changes as those of the whole do: at most one event a second, in one read a second
 * for all who follow it, and after a reconnection without a loss. They take places as all streams do, and a feed ends with its last stream.
 * Method: the app behind a real HTTP server, over a real Redis.
 */
import { expect, it } from "vitest";
import type { AppOptions } from "../../../src/http/app.ts";
import { CoalescedReader } from "../../../src/http/coalesced-reader.ts";
import { resolveAppOptions } from "../../../src/http/options.ts";
import { createClient } from "../../../src/client/client.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { Rooms } from "./rooms.ts";
import { type EventReader, readEvents, serve } from "./serve.ts";
import { appOver, newPrefix, problemIn, TOKEN, useRedis } from "./support.ts";

const test = useRedis();

async function start(options: Partial<AppOptions> = {}) {
  const prefix = newPrefix();
  const rooms = await Rooms.open(test.redis, { prefix, tracks: ["*/chat", "*/chat,*"] });
  const own = ioredisPort(test.redis);
  const asked = { moves: 0 };
  const reader = readerOver(
    {
      read(commands) {
        if (commands.some(([name, key]) => name === "XRANGE" && key.endsWith(":moves"))) asked.moves++;
        return own.read(commands);
      },
    },
    { prefix },
  );
  const api = appOver(test.redis, { prefix }, { reader, reuse: 1_000, ...options });
  return { ...(await serve(api.app)), api, prefix, rooms, asked };
}

type Changes = { changes: { user: string; type: string }[]; next: string };

async function changesOf(events: EventReader): Promise<string[]> {
  const { event, json } = (await events.next())!;
  expect(event).toBe("changes");
  return (json as unknown as Changes).changes.map(({ user, type }) => `${type} ${user}`);
}

const ROOM = "namespace=/chat&room=news";

it("changes of a room, not those of another, and after a reconnection without a loss", async () => {
  await using api = await start();
  await using events = await readEvents(`${api.url}/v1/changes?${ROOM}`);
  await api.rooms.join("*/chat,other", ["zoe"]);
  await api.rooms.join("*/chat,news", ["alice", "bob"]);
  expect((await changesOf(events)).sort()).toEqual(["online alice", "online bob"]);
  const at = events.ids.at(-1)!;
  await events[Symbol.asyncDispose]();
  await api.rooms.part("*/chat,news", ["bob"]);
  await api.rooms.join("*/chat,other", ["yan"]);
  await using again = await readEvents(`${api.url}/v1/changes?${ROOM}`, { headers: { "last-event-id": at } });
  expect(await changesOf(again)).toEqual(["offline bob"]);
  // The position of one room is refused in another, before a stream opens.
  for (const path of [
    "/v1/changes?namespace=/chat&room=other",
    "/v1/changes?namespace=/chat",
    "/v1/changes",
  ]) {
    const headers = { accept: "text/event-stream", "last-event-id": at };
    expect(await problemIn(await api.api.request(path, { headers }))).toMatchObject({
      code: "CURSOR_INVALID",
    });
  }
});

it("streams of one room share a read a second, however busy other rooms are", async () => {
  await using api = await start();
  const all: EventReader[] = [];
  for (let i = 0; i < 20; i++) all.push(await readEvents(`${api.url}/v1/changes?${ROOM}`));
  const before = api.asked.moves;
  const began = performance.now();
  for (let i = 0; i < 10; i++) await api.rooms.join("*/chat,other", [`z${i}`]);
  await api.rooms.join("*/chat,news", ["alice"]);
  for (const events of all) expect(await changesOf(events)).toEqual(["online alice"]);
  const seconds = (performance.now() - began) / 1_000;
  expect(api.asked.moves - before).toBeLessThanOrEqual(Math.ceil(seconds) + 1);
  for (const events of all) await events[Symbol.asyncDispose]();
});

it("counts of a busy room come at most once a second, and end where they stand", async () => {
  await using api = await start();
  await api.rooms.join("*/chat,news", ["u"]);
  await using events = await readEvents(`${api.url}/v1/counts?${ROOM}`);
  const first = (await events.next())!;
  expect(first).toMatchObject({ event: "counts", json: { users: 1, sockets: 1 } });
  expect(first.json).not.toHaveProperty("connections");
  const began = performance.now();
  for (let i = 0; i < 60; i++) await api.rooms.join("*/chat,news", [`u${i}`]);
  let told = 0;
  for (let users = 1; users !== 61; told++) ({ users } = (await events.next())!.json as { users: number });
  expect(told).toBeLessThanOrEqual(Math.ceil((performance.now() - began) / 1_000) + 1);
});

it("streams of rooms take the places of all streams", async () => {
  await using api = await start({ counts: "open", streams: { most: 2, perToken: 1, anonymous: 1 } });
  await api.rooms.join("*/chat,news", ["u"]);
  await using changes = await readEvents(`${api.url}/v1/changes?${ROOM}`);
  await using counts = await readEvents(`${api.url}/v1/counts?${ROOM}`, { headers: { authorization: "" } });
  const headers = { accept: "text/event-stream" };
  const other = "namespace=/chat&room=other";
  expect(await problemIn(await api.api.request(`/v1/changes?${other}`, { headers }))).toMatchObject({
    status: 429,
    code: "STREAMS_LIMITED",
  });
  const open = { ...headers, authorization: "" };
  expect(await problemIn(await api.api.request(`/v1/counts?${other}`, { headers: open }))).toMatchObject({
    status: 503,
    code: "STREAMS_EXHAUSTED",
  });
  expect([changes.response.status, counts.response.status]).toEqual([200, 200]);
});

it("a feed that streams hold stays, and one that nobody holds goes when its time is over", async () => {
  const prefix = newPrefix();
  await Rooms.open(test.redis, { prefix, tracks: ["*/,*"] });
  const reader = readerOver(ioredisPort(test.redis), { prefix });
  const shared = new CoalescedReader(resolveAppOptions({ reader }));
  const held = Array.from({ length: 150 }, (_, i) => shared.feeds.hold(`/,${i}`));
  expect(shared.feeds.size).toBe(150);
  expect(shared.feeds.of("/,0")).toBe(held[0]!.feed);
  for (const { release } of held) release();
  expect(shared.feeds.size).toBeLessThanOrEqual(101);
});

it("what the feed of a quiet room keeps is bounded, however often others move", async () => {
  await using api = await start({ reuse: 0 });
  const { next } = (await api.api.get(`/v1/changes?${ROOM}`)) as Changes;
  let after = next;
  for (let i = 0; i < 30; i++) {
    await api.rooms.join("*/chat,other", [`z${i}`]);
    ({ next: after } = (await api.api.get(`/v1/changes?${ROOM}&after=${after}`)) as Changes);
  }
  await api.rooms.join("*/chat,news", ["alice"]);
  for (const cursor of [next, after]) {
    const { changes } = (await api.api.get(`/v1/changes?${ROOM}&after=${cursor}`)) as Changes;
    expect(changes.map(({ user }) => user)).toEqual(["alice"]);
  }
});

it("the client asks and follows as it does for the whole", async () => {
  await using api = await start();
  const client = createClient(api.url, { token: TOKEN });
  const room = client.of("/chat").in("news");
  await api.rooms.join("*/chat,news", ["alice", "bob"]);
  expect(await room.counts()).toMatchObject({ users: 2, sockets: 2 });
  expect(
    await client
      .of("/chat")
      .counts()
      .catch((error: Error) => error),
  ).toMatchObject({ users: 0 });
  const found: string[] = [];
  for await (const { id } of room.users()) found.push(id);
  expect(found.sort()).toEqual(["alice", "bob"]);
  expect(await room.user("alice")).toMatchObject({ online: true });
  expect(await room.user(".")).toMatchObject({ online: false });
  const { users, asOf } = await room.lookup(["alice", "carol"]);
  expect(users.map(({ online }) => online)).toEqual([true, false]);
  expect((await client.scopes({ prefix: "ne", limit: 5 })).scopes).toMatchObject([
    { room: "news", users: 2 },
  ]);
  const counts = await client.countsIn([{ namespace: "/chat", room: "news" }, { room: "none" }]);
  expect(counts.scopes.map((scope) => scope.users)).toEqual([2, null]);
  await expect(client.in("none").counts()).rejects.toMatchObject({ code: "SCOPE_UNTRACKED", status: 404 });
  const leaving = new AbortController();
  const news = room.follow({ after: asOf.cursor, users: ["carol"], signal: leaving.signal });
  await api.rooms.join("*/chat,news", ["dave", "carol"]);
  const { value } = await news.next();
  expect(value).toMatchObject({ gap: false, changes: [{ user: "carol", type: "online" }] });
  leaving.abort();
  const { changes } = await room.changes({ after: asOf.cursor });
  expect(changes.map(({ user }) => user).sort()).toEqual(["carol", "dave"]);
  // Without its name, the answers would be about the whole.
  for (const name of [undefined, null, 5, "\ud800"])
    expect(() => client.in(name as string)).toThrow(expect.objectContaining({ code: "SCOPE_INVALID" }));
  expect(() => client.of("chat")).toThrow(expect.objectContaining({ code: "SCOPE_INVALID" }));
});
