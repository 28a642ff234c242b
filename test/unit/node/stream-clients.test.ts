/**
 * Goal: curl and undici read event streams as they come, over HTTP/1.0 too; one that goes away frees its place; one that reads
 * slowly gets every change or a gap, and one that reads nothing is cut off.
 * Method: serve() over a real Redis; curl, undici, and a socket that is not read.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { describe, expect, it } from "vitest";
import { EventSource, request } from "undici";
import { until, untilEqual } from "../../../rig/until.ts";
import type { StreamLimits } from "../../../src/http/options.ts";
import { appOver, newPrefix, populate, project, TOKEN, useRedis } from "../http/support.ts";
import { curl, served } from "./served.ts";

const test = useRedis();
/** Sooner than a place that nobody releases is given away, 15 s. */
const SOON = { timeout: 12_000 };
const EVENTS = "accept: text/event-stream";
const AUTH = `authorization: Bearer ${TOKEN}`;
const headers = { accept: "text/event-stream", authorization: `Bearer ${TOKEN}` };

async function start(streams: StreamLimits = {}) {
  const prefix = newPrefix();
  await project(test.redis, { prefix });
  const server = await served(appOver(test.redis, { prefix }, { reuse: 100, streams }).app);
  let processes = 0;
  return {
    ...server,
    come: (users: readonly string[]) => populate(test.redis, { prefix, users, process: `p${++processes}` }),
    /** Whether another stream may open. With `perToken: 1` that says whether the first one still has its place. */
    isFree: async () => {
      const { statusCode, body } = await request(`${server.url}/v1/changes`, { headers });
      body.on("error", () => {}).destroy();
      return statusCode === 200;
    },
  };
}

/** Collects events, and the users of the changes in them. */
function collector() {
  const events: EventSourceMessage[] = [];
  const ids: string[] = [];
  const parser = createParser({
    onEvent: (event) => void events.push(event),
    onId: (id) => void ids.push(id),
  });
  return {
    events,
    ids,
    feed: (text: string) => parser.feed(text),
    get users() {
      return events.flatMap(({ data }) =>
        ((JSON.parse(data) as { changes?: { user: string }[] }).changes ?? []).map(({ user }) => user),
      );
    },
  };
}

/** curl -N, whose output is read as it comes. */
function stream(...args: readonly string[]) {
  const child = spawn("curl", ["-sN", "-i", "--max-time", "40", "-H", EVENTS, "-H", AUTH, ...args]);
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const ended = once(child, "exit");
  return {
    get text() {
      return text;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

describe("curl", () => {
  it.each([
    ["over HTTP/1.1", [], /^transfer-encoding: chunked/im],
    ["over HTTP/1.0, which ends with its connection", ["--http1.0"], /^connection: close/im],
  ] as const)("gets each event as it comes, %s", async (_, args, framing) => {
    await using server = await start({ perToken: 1 });
    {
      await using events = stream(...args, `${server.url}/v1/changes`);
      await until("the first id is there", () => /\r\n\r\n[^]*^retry: \d+\n\nid: \S+\n\n/m.test(events.text));
      const [head = "", body = ""] = events.text.split("\r\n\r\n");
      expect(head).toMatch(/^HTTP\/1\.1 200/);
      expect(head).toMatch(framing);
      expect(/^transfer-encoding/im.test(head)).toBe(args.length === 0);
      expect(body).toMatch(/^retry: \d+\n\nid: \S+\n\n$/);
      await server.come(["alice"]);
      await until("alice", () => /^id: \S+\nevent: changes\ndata: .*"alice".*\n\n$/m.test(events.text));
      expect(await server.isFree()).toBe(false);
    }
    await until("it has gone, and so has its place", server.isFree, SOON);
  });

  it("HEAD has the headers of a stream and takes no place", async () => {
    await using server = await start({ perToken: 1 });
    for (let i = 0; i < 3; i++) {
      const head = await curl("-I", "-H", EVENTS, "-H", AUTH, `${server.url}/v1/changes`);
      expect(head).toMatch(/^HTTP\/1\.1 200[^]*^content-type: text\/event-stream/im);
    }
    expect(await server.isFree()).toBe(true);
  });

  it("that waits no longer frees its place", async () => {
    await using server = await start({ perToken: 1 });
    const late = ["-N", "--max-time", "0.5", "-H", EVENTS, "-H", AUTH];
    // 28: the time is up, in the middle of a stream.
    await expect(curl(...late, `${server.url}/v1/changes`)).rejects.toMatchObject({ code: 28 });
    await until("the place is free", server.isFree, SOON);
  });
});

describe("undici", () => {
  it("EventSource gets the counts, and goes on after its stream has ended", async () => {
    await using server = await start({ life: 1_000, heartbeat: 500 });
    const source = new EventSource(`${server.url}/v1/counts`);
    const got: { id: string; users: number }[] = [];
    let opened = 0;
    source.addEventListener("open", () => opened++);
    source.addEventListener("counts", (event) => {
      const { data, lastEventId } = event as MessageEvent<string>;
      got.push({ id: lastEventId, users: (JSON.parse(data) as { users: number }).users });
    });
    await until("the numbers are there", () => got.length > 0);
    await until("it has opened again", () => opened >= 2);
    await server.come(["alice"]);
    await untilEqual(() => got.at(-1)?.users, 1);
    expect(got.every(({ id }) => id !== "")).toBe(true);
    source.close();
  });

  it("a body that is read byte by byte has every change once", async () => {
    await using server = await start();
    const users = Array.from({ length: 3_000 }, (_, i) => `user-${i}`);
    const { body } = await request(`${server.url}/v1/changes`, { headers, highWaterMark: 1 });
    const got = collector();
    const decoder = new TextDecoder();
    let coming: Promise<void> | undefined;
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      got.feed(decoder.decode(chunk, { stream: true }));
      coming ??= server.come(users);
      if (got.users.length >= users.length) break;
    }
    await coming;
    expect(got.users).toEqual(users);
  });
});

describe("a client that reads slowly", () => {
  /** More than the buffers of two sockets hold. */
  const MANY = Array.from({ length: 30_000 }, (_, i) => `${i}`.padStart(250, "u"));

  /** More than a server keeps for those who come late. */
  const MORE = Array.from({ length: 12_000 }, (_, i) => `${i}`.padStart(250, "v"));

  /** A stream that is opened and then not read. */
  async function unread(server: {
    readonly port: number;
    come: (users: readonly string[]) => Promise<void>;
  }) {
    const socket = connect(server.port, "127.0.0.1");
    const closed = once(socket, "close");
    socket.on("error", () => {});
    const got = collector();
    const decoder = new TextDecoder();
    let head = "";
    socket.on("data", (chunk: Buffer) => {
      const text = decoder.decode(chunk, { stream: true });
      if (head.includes("\r\n\r\n")) return got.feed(text);
      head += text;
      // HTTP/1.0: what follows the head is the stream itself.
      got.feed(head.split("\r\n\r\n")[1] ?? "");
    });
    socket.write(`GET /v1/changes HTTP/1.0\r\nhost: x\r\n${EVENTS}\r\n${AUTH}\r\n\r\n`);
    await until("it is there", () => got.ids.length > 0);
    socket.pause();
    return { socket, closed, got, [Symbol.dispose]: () => void socket.destroy() };
  }

  it("is told of a gap, once, and then goes on", async () => {
    await using server = await start({ stall: 12_000 });
    using slow = await unread(server);
    const quick = await request(`${server.url}/v1/changes`, { headers });
    const others = collector();
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of quick.body as AsyncIterable<Uint8Array>)
        others.feed(decoder.decode(chunk, { stream: true }));
    })();
    reading.catch(() => {});
    await server.come(MANY);
    await untilEqual(() => others.users.length, MANY.length);
    const since = performance.now();
    await until("it has been slow for a sixth of that", () => performance.now() - since > 2_000);
    await server.come(MORE);
    await untilEqual(() => others.users.length, MANY.length + MORE.length);
    slow.socket.resume();
    await until("the gap is told", () => slow.got.events.some(({ event }) => event === "gap"));
    await server.come(["last"]);
    await until("it goes on", () => slow.got.users.at(-1) === "last");
    const { users, events } = slow.got;
    expect(events.filter(({ event }) => event === "gap")).toHaveLength(1);
    // What came before the gap is a beginning of what happened, without a hole.
    expect(users.slice(0, -1)).toEqual(MANY.slice(0, users.length - 1));
    expect(users.length).toBeLessThan(MANY.length);
    quick.body.destroy();
  });

  it("is cut off when it reads nothing, and its place is free", async () => {
    await using server = await start({ stall: 500, perToken: 1 });
    using slow = await unread(server);
    expect(await server.isFree()).toBe(false);
    // Not all at once: a server that reads them late tells it of a gap instead, which is read by the buffers alone.
    let sent = 0;
    const isCutOff = async () => {
      if (await server.isFree()) return true;
      await server.come(Array.from({ length: 2_000 }, () => `${sent++}`.padStart(250, "w")));
      return false;
    };
    await until("the place is free", isCutOff, SOON);
    slow.socket.resume();
    await slow.closed;
    expect(slow.got.users.length).toBeLessThan(sent);
  });
});
