/**
 * Goal: the stream of a holder has its own users' changes and nothing that depends on others'; it ends with its token, says so, and
 * the client goes on with another one without a loss.
 * Method: the app behind a real HTTP server, over a real Redis; tokens that are good for part of a second.
 */
import { expect, it } from "vitest";
import { until } from "../../../rig/until.ts";
import { createClient } from "../../../src/client/client.ts";
import { bearer, browserApp, now, tokenFor } from "./browsers.ts";
import { readEvents, serve } from "./serve.ts";
import { newPrefix, populate, problemIn, project, useRedis } from "./support.ts";

const test = useRedis();

async function setup(streams: object = {}) {
  const prefix = newPrefix();
  await project(test.redis, { prefix });
  const api = browserApp(test.redis, { prefix }, {}, { streams });
  return { prefix, api, served: await serve(api.app) };
}

const grant = (...users: string[]) => ({ actions: ["changes"], users });

it("has the changes of its users, and signs of life of one shape whether others come or not", async () => {
  const { prefix, served } = await setup({ heartbeat: 100 });
  await using _served = served;
  const url = `${served.url}/v1/changes`;
  await using busy = await readEvents(url, { headers: bearer(tokenFor(grant("a"), { sub: "x" })) });
  await using quiet = await readEvents(url, { headers: bearer(tokenFor(grant("b"), { sub: "y" })) });
  void quiet.next().catch(() => {});
  const first = busy.next();
  await until("both are open", () => busy.ids.length > 0 && quiet.ids.length > 0);
  await populate(test.redis, { prefix, users: ["a", "c", "d"] });
  const event = await first;
  expect(event).toMatchObject({ event: "changes", json: { changes: [{ user: "a" }], next: event?.id } });
  await until("signs of life", () => quiet.ids.length > 3);
  // A position each time, new each time, and as long: whether it moved cannot be seen.
  expect(new Set(quiet.ids).size).toBe(quiet.ids.length);
  expect(new Set(quiet.ids.map(({ length }) => length)).size).toBe(1);
  expect(quiet.comments).toEqual([]);
});

it("ends when its token does, with an event that says so", async () => {
  const { served } = await setup();
  await using _served = served;
  for (const path of ["/v1/changes", "/v1/counts"]) {
    const ends = now() + 0.4;
    const token = tokenFor(
      { actions: ["changes", "counts"], users: path === "/v1/counts" ? "*" : ["a"] },
      { exp: ends },
    );
    await using events = await readEvents(`${served.url}${path}`, { headers: bearer(token) });
    let last = await events.next();
    while (last?.event === "counts") last = await events.next();
    expect(last).toMatchObject({ event: "expired", json: { code: "TOKEN_EXPIRED" } });
    expect(now()).toBeGreaterThanOrEqual(ends);
    expect(await events.next()).toBeUndefined();
    const again = await fetch(`${served.url}${path}`, { headers: bearer(token) });
    if (path === "/v1/changes")
      expect(await problemIn(again)).toMatchObject({ status: 401, code: "TOKEN_EXPIRED" });
    else await again.body?.cancel();
  }
});

it("the client goes on with the next token and misses nothing", async () => {
  const { prefix, served } = await setup();
  await using _served = served;
  let given = 0;
  const token = () => tokenFor(grant("a", "b"), { exp: now() + (++given === 2 ? 0.5 : 60) });
  const client = createClient(served.url, { token });
  const seen: string[] = [];
  const { next } = await client.changes();
  const following = (async () => {
    for await (const { changes } of client.follow({ after: next })) {
      seen.push(...changes.map(({ user }) => user));
      if (seen.length === 2) return;
    }
  })();
  await until("the stream is asked for", () => given === 2);
  await populate(test.redis, { prefix, users: ["a", "c"] });
  await until("another token was asked for", () => given === 3);
  await populate(test.redis, { prefix, process: "web-2", users: ["b"] });
  await following;
  expect(seen).toEqual(["a", "b"]);
});

it("the client asks for a token once more when one is refused, and not again", async () => {
  const { served } = await setup();
  await using _served = served;
  const tokens = [tokenFor(grant("a"), { exp: now() - 1 }), tokenFor(grant("a"))];
  const client = createClient(served.url, { token: () => tokens.shift() ?? "none-left-0123456789" });
  expect(await client.changes({ users: ["a"] })).toMatchObject({ changes: [] });
  await expect(client.changes()).rejects.toMatchObject({ status: 401, code: "TOKEN_INVALID" });
});

it("so many streams of one subject, whatever tokens it has", async () => {
  const { api } = await setup({ perSubject: 2 });
  const open = (sub: string) =>
    api.request("/v1/changes", {
      headers: { ...bearer(tokenFor(grant("a"), { sub })), accept: "text/event-stream" },
    });
  const responses = [await open("x"), await open("x"), await open("y")];
  expect(responses.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(await problemIn(await open("x"))).toMatchObject({
    code: "STREAMS_LIMITED",
    limit: "streams.perSubject",
  });
  for (const { body } of responses) await body?.cancel();
  expect((await open("x")).status).toBe(200);
});

it("reconnects where it was: with the id of a sign of life", async () => {
  const { prefix, served } = await setup();
  await using _served = served;
  const headers = bearer(tokenFor(grant("a", "b")));
  const url = `${served.url}/v1/changes`;
  let id = "";
  {
    await using events = await readEvents(url, { headers });
    void events.next().catch(() => {});
    id = await until("an id", () => events.ids.at(-1) ?? "");
  }
  await populate(test.redis, { prefix, users: ["a", "b", "c"] });
  await using events = await readEvents(url, { headers: { ...headers, "last-event-id": id } });
  const { json } = (await events.next())!;
  expect(json["changes"]).toMatchObject([{ user: "a" }, { user: "b" }]);
});
