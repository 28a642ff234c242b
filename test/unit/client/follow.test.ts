/**
 * Goal: follow() ends with an error that says what to do when the URL is not an event stream of the API, and never sends a request
 * a second for ever; it reconnects when the server falls silent, and says when changes may be late.
 * Method: a server that answers whatever a test tells it to.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it, vi } from "vitest";
import { createClient, type News } from "../../../src/client/client.ts";
import { until } from "../../../rig/until.ts";

afterEach(() => {
  vi.useRealTimers();
});

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

async function answering(answer: Answer) {
  const at: number[] = [];
  const server = createServer((request, response) => {
    at.push(performance.now());
    answer(response, request);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    at,
    client: createClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const events = { "content-type": "text/event-stream; charset=utf-8" };

const FINAL: readonly [string, Answer, { status: number; code: string; message: RegExp }][] = [
  [
    "a page",
    (response) => response.writeHead(200, { "content-type": "text/html" }).end("<h1>Welcome</h1>"),
    { status: 200, code: "NOT_EVENTS", message: /text\/html instead of an event stream: check/ },
  ],
  [
    "JSON",
    (response) => response.writeHead(200, { "content-type": "application/json" }).end("{}"),
    { status: 200, code: "NOT_EVENTS", message: /application\/json instead/ },
  ],
  [
    "an endless page",
    (response) => void response.writeHead(200, { "content-type": "text/plain" }).write("and so on"),
    { status: 200, code: "NOT_EVENTS", message: /text\/plain instead/ },
  ],
  [
    "no content",
    (response) => response.writeHead(204).end(),
    { status: 204, code: "NOT_EVENTS", message: /204 without a content type/ },
  ],
  [
    "a redirect",
    (response) => response.writeHead(302, { location: "/login" }).end(),
    { status: 302, code: "REDIRECTED", message: /redirects: give createClient the URL/ },
  ],
  [
    "events of another kind",
    (response) => response.writeHead(200, events).end("event: changes\ndata: hello\n\n"),
    { status: 200, code: "NOT_EVENTS", message: /events that are not Rollcall's/ },
  ],
  [
    "a proxy's 401",
    (response) => response.writeHead(401).end(),
    { status: 401, code: "UNKNOWN", message: /set `token`/ },
  ],
  [
    "a proxy's 403",
    (response) => response.writeHead(403).end(),
    { status: 403, code: "UNKNOWN", message: /token that may read this/ },
  ],
  [
    "a proxy's 404",
    (response) => response.writeHead(404).end(),
    { status: 404, code: "UNKNOWN", message: /check the URL/ },
  ],
];

it.each(FINAL)("%s is final, after one request", async (_, answer, error) => {
  await using server = await answering(answer);
  const { message, ...rest } = error;
  const failure = server.client.follow({ silence: 60_000 }).next();
  await expect(failure).rejects.toMatchObject(rest);
  await expect(failure).rejects.toThrow(message);
  expect(server.at.length).toBe(1);
});

/** Follows in the background until the test ends. */
function following(news: AsyncIterable<News>) {
  const told: News[] = [];
  const done = (async () => {
    for await (const one of news) told.push(one);
  })();
  done.catch(() => {});
  return { told, done };
}

it("a stream that ends at once each time is asked for less and less often", async () => {
  await using server = await answering((response) => response.writeHead(200, events).end("retry: 1\n\n"));
  const leaving = new AbortController();
  const { done } = following(server.client.follow({ signal: leaving.signal }));
  await until("there were four requests", () => server.at.length >= 4);
  // The server asked for 1 ms. Only lower bounds: a slow machine makes the waits longer.
  const [first, second, third, fourth] = server.at as [number, number, number, number];
  expect(second - first).toBeGreaterThan(200);
  expect(third - second).toBeGreaterThan(900);
  expect(fourth - third).toBeGreaterThan(1_900);
  leaving.abort();
  await done;
});

it("bytes that are no events are no sign of life", async () => {
  await using server = await answering((response) => {
    response.writeHead(200, events);
    const timer = setInterval(() => response.write("noise: 1\n"), 10);
    response.on("close", () => clearInterval(timer));
  });
  const leaving = new AbortController();
  const { told, done } = following(server.client.follow({ silence: 200, signal: leaving.signal }));
  await until("it has reconnected", () => server.at.length >= 2);
  expect(told).toEqual([
    { changes: [], cursor: undefined, gap: false, stale: { cause: "connection", since: null } },
  ]);
  leaving.abort();
  await done;
});

it("a server that falls silent is left, and an item says so until the next one answers", async () => {
  let requests = 0;
  const after: (string | null)[] = [];
  await using server = await answering((response, request) => {
    after.push(new URL(request.url!, "http://api.example").searchParams.get("after"));
    response.writeHead(200, events);
    response.write(`id: ${++requests}-0\n\n`);
  });
  const leaving = new AbortController();
  const { told, done } = following(server.client.follow({ silence: 200, signal: leaving.signal }));
  await until("it was told that the connection is back", () => told.length >= 2);
  expect(told.slice(0, 2)).toMatchObject([
    { cursor: "1-0", stale: { cause: "connection", since: expect.any(String) as string } },
    { cursor: "2-0", stale: null },
  ]);
  expect(after.slice(0, 2)).toEqual([null, "1-0"]);
  leaving.abort();
  await done;
});

it("what the server says of its age reaches the application", async () => {
  await using server = await answering((response) => {
    response.writeHead(200, events);
    response.write(
      'event: stale\ndata: {"cause":"redis","since":"2026-11-26T00:00:00.000Z","asOf":null}\n\n',
    );
    response.write('event: fresh\ndata: {"since":"2026-11-26T00:00:00.000Z"}\n\nid: 7-0\n\n');
    response.write('id: 8-0\nevent: changes\ndata: {"changes":[],"next":"8-0"}\n\n');
  });
  const leaving = new AbortController();
  const { told, done } = following(server.client.follow({ signal: leaving.signal }));
  await until("three items", () => told.length === 3);
  const stale = { cause: "redis", since: "2026-11-26T00:00:00.000Z" };
  expect(told).toEqual([
    { changes: [], cursor: undefined, gap: false, stale },
    { changes: [], cursor: undefined, gap: false, stale: null },
    { changes: [], cursor: "8-0", gap: false, stale: null },
  ]);
  leaving.abort();
  await done;
});

it("a server that asks to wait for a day is asked again after five minutes", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const leaving = new AbortController();
  let requests = 0;
  const busy = async () => {
    requests++;
    return new Response(null, { status: 503, headers: { "retry-after": "86400" } });
  };
  const client = createClient("http://127.0.0.1:1", { fetch: busy });
  const { done } = following(client.follow({ signal: leaving.signal }));
  await vi.advanceTimersByTimeAsync(299_000);
  expect(requests).toBe(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(requests).toBe(2);
  leaving.abort();
  await done;
});
