/**
 * Goal: whatever bytes a stranger or a caller with a token sends to the API on Node, the answer is never a 500, every refusal is a
 * problem document, the server goes on, and nothing is kept of it.
 * Method: random requests over sockets, from sound ones with a few places spoilt to noise, in pieces, pipelined and cut off; over a
 * real Redis. 2,000 requests; HOSTILE_TIMES=50 sends 100,000.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { Random } from "../../rig/random.ts";
import { createApp } from "../../src/http/app.ts";
import { createReader } from "../../src/reader/create.ts";
import { Rooms } from "../unit/http/rooms.ts";
import { newPrefix, TOKEN, useRedis } from "../unit/http/support.ts";
import { raw, served } from "../unit/node/served.ts";
import { REPEAT, SEED, TIMEOUT_MS, TIMES } from "./support.ts";

const test = useRedis();
const REQUESTS = 2_000 * TIMES;
/** Most requests of one connection: pipelined, since it is not known which of them gets an answer. */
const EACH_MAX = 3;
/** Connections at a time. */
const AT_ONCE = 16;

const METHODS = ["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE", "PROPFIND", "get", "CONNECT", ""]; // prettier-ignore
const PATHS = ["/v1/counts", "/v1/counts/lookup", "/v1/scopes", "/v1/users", "/v1/users/alice", "/v1/users/lookup", "/v1/processes", "/v1/changes", "/health", "/ready", "/metrics", "/openapi.json", "/", "*", "//", "/v1/users/", "http://x/v1/counts", ""]; // prettier-ignore
const NAMES = [
  "cursor",
  "limit",
  "after",
  "user",
  "namespace",
  "room",
  "prefix",
  "sort",
  "__proto__",
  "x",
  "",
];
const VALUES = ["0-0", "p0.0.0-0", "undefined", "1e3", "5", "", "%ff", "%00", "%", "+", "%F0%9F%99%82", "a".repeat(300), "9".repeat(30), "1-1_2-2", "'", "/", "/chat", "/a,b", "news", "users", "m00000000.0-0", "s0.0"]; // prettier-ignore
const FIELDS = ["if-none-match: *", 'if-none-match: W/"a", "b', "accept: */*", "origin: null", "expect: 100-continue", "expect: x", "range: bytes=0-0", "connection: close", "connection: upgrade", "upgrade: h2c", "content-encoding: gzip", "accept-encoding: br", "last-event-id: 1-1", "x: \u0000", ": empty", "transfer-encoding: gzip", "te: trailers", "cookie: a=b", "host: y", "authorization: Bearer no-such-token-at-all"]; // prettier-ignore
const TYPES = ["application/json", "application/json;charset=utf-16", "text/plain", "", "application/json; boundary=\u00ff"]; // prettier-ignore
const BODIES = ['{"ids":["alice"]}', '{"ids":[]}', '{"ids":[1]}', '{"ids":', "[[[[", "", "\u00ff\u00fe", '{"__proto__":{"ids":["a"]}}', `{"ids":["${"x".repeat(257)}"]}`, '{"ids":["\\ud800"]}', '{"scopes":[{"namespace":"/a,b"}]}', '{"scopes":[{"room":null},1]}', '{"scopes":{"room":""}}']; // prettier-ignore

function targetOf(random: Random): string {
  const query = Array.from(
    { length: random.int(0, 2) },
    () => `${random.pick(NAMES)}=${random.pick(VALUES)}`,
  );
  const path = random.chance(0.2) ? `/v1/users/${random.pick(VALUES)}` : random.pick(PATHS);
  return path + (query.length > 0 ? `?${query.join("&")}` : "");
}

/** One request as Latin-1 text: every part of it sound, unless it is one of those that `wrong` picks. */
function requestOf(random: Random): string {
  const wrongness = random.pick([0, 0.05, 0.3]);
  const wrong = () => random.chance(wrongness);
  const isPost = random.chance(0.3);
  const method = wrong() ? random.pick(METHODS) : isPost ? "POST" : random.pick(["GET", "GET", "HEAD"]);
  const lookup = random.pick(["/v1/users/lookup", "/v1/users/lookup?room=news", "/v1/counts/lookup"]);
  const target = isPost && !wrong() ? lookup : targetOf(random);
  const lines = [`${method} ${target} HTTP/1.${wrong() ? random.int(0, 2) : 1}`];
  if (!wrong()) lines.push(`host: ${wrong() ? random.pick(["[::1]", "a b", "é", ""]) : "127.0.0.1:80"}`);
  if (!wrong()) lines.push(`authorization: Bearer ${TOKEN}`);
  while (wrong()) lines.push(random.pick(FIELDS));
  if (random.chance(0.3)) lines.push('if-none-match: W/"a", "b"');
  let body = "";
  if (isPost || wrong()) {
    lines.push(`content-type: ${wrong() ? random.pick(TYPES) : "application/json"}`);
    const name = `"${random.int(0, 1e9)}"`;
    const sound = lookup.includes("counts") ? `{"scopes":[{"room":${name}}]}` : `{"ids":["alice",${name}]}`;
    body = wrong() ? random.pick(BODIES) : sound;
    if (random.chance(0.3)) {
      lines.push("transfer-encoding: chunked");
      body = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    } else lines.push(`content-length: ${body.length + (wrong() ? random.int(-2, 5) : 0)}`);
  }
  let text = `${lines.join("\r\n")}\r\n\r\n${body}`;
  while (wrong()) {
    const at = random.int(0, text.length);
    text = text.slice(0, at) + String.fromCharCode(random.int(0, 255)) + text.slice(at + random.int(0, 2));
  }
  return text;
}

/** Sends a few requests over one connection and reads what comes. Resolves with the statuses. */
async function converse(port: number, requests: readonly string[], random: Random): Promise<number[]> {
  using one = raw(port);
  const statuses: number[] = [];
  const text = Buffer.from(requests.join(""), "latin1");
  for (let at = 0; at < text.length;) {
    const size = random.chance(0.8) ? text.length : random.int(1, 200);
    one.socket.write(text.subarray(at, (at += size)));
  }
  if (random.chance(0.03)) one.socket.destroy();
  // The end of what is sent: a server that waits for more gets none, and closes.
  else one.socket.end();
  for (let answer = await one.next(); answer !== null; answer = await one.next()) {
    // A HEAD's answer has a length and no body: what follows it is not read.
    if (!answer.head.startsWith("http/1.")) break;
    statuses.push(answer.status);
    if (answer.status >= 500)
      throw new Error(`${answer.status}: ${answer.body}\n${text.toString("latin1").slice(0, 2_000)}`);
    const isBare = answer.status < 400 || answer.body === "";
    if (!isBare) expect(answer.head).toContain("content-type: application/problem+json");
    // Without a length: not to be read further here.
    if (/text\/event-stream|transfer-encoding/.test(answer.head)) break;
  }
  return statuses;
}

function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

it(`raw requests: no 500, no crash, no growth (${REPEAT})`, { timeout: 3 * TIMEOUT_MS }, async () => {
  const prefix = newPrefix();
  const rooms = await Rooms.open(test.redis, { prefix, tracks: ["*/", "*/,*", "/chat"] });
  await rooms.join("*/,news", ["alice"]);
  const reader = createReader({ redis: test.server.url, prefix });
  const logged: string[] = [];
  const log = (line: string) => void logged.push(line);
  const app = createApp({
    reader,
    tokens: [TOKEN],
    origins: ["https://app.example"],
    // What is slow beside a load is not what this is about.
    timeout: 60_000,
    logger: { info: log, warn: log, error: log },
  });
  {
    await using server = await served(app, { headersTimeout: 1_000, requestTimeout: 2_000 });
    const statuses = new Map<number, number>();
    let sent = 0;
    let early = 0;
    const one = () => {
      const random = new Random(`${SEED}/${sent}`);
      const requests = Array.from({ length: random.int(1, EACH_MAX) }, () => requestOf(random));
      sent += requests.length;
      return converse(server.port, requests, random);
    };
    for (let rounds = Math.ceil(REQUESTS / AT_ONCE / 2); rounds > 0; rounds--) {
      const all = await Promise.all(Array.from({ length: AT_ONCE }, one));
      for (const status of all.flat()) statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (early === 0 && sent >= REQUESTS / 4) early = heapUsed();
    }
    // All kinds were met, so the fuzzer fuzzes.
    for (const status of [200, 400]) expect(statuses.get(status)).toBeGreaterThan(REQUESTS / 20);
    for (const status of [401, 404, 405, 415]) expect(statuses.get(status)).toBeGreaterThan(0);
    expect(logged).toEqual([]);
    expect((heapUsed() - early) / 1e6).toBeLessThan(10);
    expect((await fetch(`${server.url}/v1/counts`)).status).toBe(200);
  }
  reader.close();
});
