/**
 * Goal: on Node, every corner of HTTP that real clients reach is answered as its standard says: conditional requests, HEAD, CORS,
 * bodies that are chunked, cut off or never end, and what is not HTTP at all. Every refusal is a problem document.
 * Method: serve() over a real Redis; curl, Node's fetch, and sockets that send bytes as they are.
 */
import { beforeAll, describe, expect, it } from "vitest";
import type { ServeOptions } from "../../../src/node/server.ts";
import { createApp } from "../../../src/http/app.ts";
import { createReader } from "../../../src/reader/create.ts";
import { appOver, newPrefix, populate, TOKEN, useRedis } from "../http/support.ts";
import { curl, raw, type RawAnswer, served } from "./served.ts";

const test = useRedis();
let prefix: string;
beforeAll(async () => {
  prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice", "a/b", "é"] });
});

/** An app whose answers stay the same for a minute, so that their tags do. */
function app(options: Partial<Parameters<typeof createApp>[0]> = {}) {
  return appOver(test.redis, { prefix }, { reuse: 60_000, ...options }).app;
}
const start = (options: Partial<ServeOptions> = {}) => served(app(), options);
const AUTH = `authorization: Bearer ${TOKEN}`;

function problemOf(answer: RawAnswer | null) {
  expect(answer?.head).toContain("content-type: application/problem+json");
  const body = JSON.parse(answer!.body) as { status: number; code: string };
  expect(body.status).toBe(answer!.status);
  return body;
}

describe("conditional requests, by curl", () => {
  it("If-None-Match takes lists, weak tags and *, for GET and HEAD", async () => {
    await using server = await start();
    const url = `${server.url}/v1/counts`;
    const tag = /^etag: (.*?)\r$/im.exec(await curl(url))![1]!;
    for (const given of [tag, `W/${tag}`, `"a,b", ${tag}`, `"x" , W/${tag},"y"`, "*", " * "]) {
      for (const more of [[], ["-I"]]) {
        const answer = await curl(url, ...more, "-H", `If-None-Match: ${given}`);
        expect([given, answer.split("\r\n")[0]]).toEqual([given, "HTTP/1.1 304 Not Modified"]);
        expect(answer.toLowerCase()).toContain(`etag: ${tag.toLowerCase()}`);
        expect(answer).toMatch(/cache-control: public, max-age=60\r/i);
        expect(answer).toMatch(/vary: accept\r/i);
        expect(answer.split("\r\n\r\n")[1]).toBe("");
      }
    }
    for (const given of [tag.slice(1, -1), '"other"', `"${tag.slice(1, 9)}"`, "", "W/*"]) {
      expect([given, (await curl(url, "-H", `If-None-Match: ${given}`)).slice(0, 12)]).toEqual([
        given,
        "HTTP/1.1 200",
      ]);
    }
  });

  it("a lookup has no tag, and a range is not served", async () => {
    await using server = await start();
    const body = ["-H", AUTH, "--json", '{"ids":["alice"]}', "-H", "If-None-Match: *"];
    const answer = await curl(`${server.url}/v1/users/lookup`, ...body);
    expect(answer).toMatch(/^HTTP\/1.1 200/);
    expect(answer).not.toMatch(/^etag/im);
    expect(await curl(`${server.url}/v1/counts`, "-r", "0-3")).toMatch(/^HTTP\/1.1 200/);
  });
});

it("HEAD has the length of GET and no body, and the connection goes on", async () => {
  await using server = await start();
  using one = raw(server.port);
  for (const path of ["/v1/counts", "/v1/users", "/health", "/nothing", "/v1/users?limit=0"]) {
    const rest = `${path} HTTP/1.1\r\nhost: x\r\n${AUTH}\r\n\r\n`;
    one.socket.write(`GET ${rest}`);
    const get = (await one.next())!;
    one.socket.write(`HEAD ${rest}`);
    const head = (await one.next({ head: true }))!;
    // Only answers that are kept as bytes have a length here.
    const isKept = path.startsWith("/v1") && get.status === 200;
    const varies = isKept ? ["date"] : ["date", "content-length"];
    const fields = ({ head: text }: RawAnswer) =>
      text.split("\r\n").filter((line) => !varies.includes(line.split(":")[0]!));
    expect(fields(head)).toEqual(fields(get));
    expect(get.body).not.toBe("");
  }
});

it("a page of a listed origin may read every answer, and caches keep origins apart", async () => {
  const origin = "https://app.example";
  await using server = await served(app({ origins: [origin] }));
  const ask = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${TOKEN}`, ...headers } });
  for (const path of ["/v1/counts", "/v1/users", "/v1/users/alice", "/v1/changes", "/metrics", "/no"]) {
    const [here, none, other] = [
      await ask(path, { origin }),
      await ask(path),
      await ask(path, { origin: "https://evil.example" }),
    ];
    expect(here.headers.get("access-control-allow-origin")).toBe(origin);
    expect(here.headers.get("access-control-expose-headers")).toBe(
      "ETag,Retry-After,Rollcall-Exact,Rollcall-Next,Rollcall-Since,WWW-Authenticate",
    );
    for (const answer of [here, none, other]) {
      expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
      expect([path, answer.headers.get("vary")]).toEqual([path, expect.stringMatching(/\bOrigin\b/)]);
    }
    expect(none.headers.has("access-control-allow-origin")).toBe(false);
    expect(other.headers.has("access-control-allow-origin")).toBe(false);
  }
  const counts = await ask("/v1/counts", { origin });
  expect(counts.headers.get("vary")).toBe("Accept, Origin");
  const held = await ask("/v1/counts", { origin, "if-none-match": counts.headers.get("etag")! });
  expect([held.status, held.headers.get("access-control-allow-origin")]).toEqual([304, origin]);
  const preflight = await curl(`${server.url}/v1/users/lookup`, "-X", "OPTIONS", "-H", `Origin: ${origin}`, "-H", "Access-Control-Request-Method: POST"); // prettier-ignore
  expect(preflight).toMatch(/^HTTP\/1.1 204/);
  expect(preflight.match(/^access-control-allow-origin: .*$/gim)).toHaveLength(1);
});

it.each([
  ["1e3", 400],
  ["0x10", 400],
  ["%205", 400],
  ["5%20", 400],
  ["99999999999999999999", 400],
  ["-5", 400],
  ["5&limit=6", 400],
  ["", 400],
  ["undefined", 400],
  ["null", 400],
  ["NaN", 400],
  ["%D9%A5", 400],
  ["5.0", 400],
  ["1000", 200],
])("limit=%s is %i", async (limit, status) => {
  await using server = await start();
  const answer = await curl(`${server.url}/v1/users?limit=${limit}`, "-H", AUTH);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
});

it("an id in the path is percent-encoded once", async () => {
  await using server = await start();
  for (const [path, id] of [
    ["a%2Fb", "a/b"],
    ["a%2fb", "a/b"],
    ["%C3%A9", "é"],
    ["%61lice", "alice"],
  ]) {
    const answer = await curl("--path-as-is", `${server.url}/v1/users/${path}`, "-H", AUTH);
    expect(JSON.parse(answer.split("\r\n\r\n")[1]!)).toMatchObject({ id, online: true });
  }
});

describe("the body of a lookup", () => {
  const post = (more: string) =>
    `POST /v1/users/lookup HTTP/1.1\r\nhost: x\r\n${AUTH}\r\ncontent-type: application/json\r\n${more}`;

  it("may arrive in chunks, and in one byte at a time", async () => {
    await using server = await start();
    using one = raw(server.port);
    const body = '{"ids":["alice"]}';
    const chunks = Array.from(body, (byte) => `1\r\n${byte}\r\n`).join("");
    one.socket.write(post(`transfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`));
    expect(await one.next()).toMatchObject({ status: 200 });
    one.socket.write(post(`content-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`));
    expect(await one.next()).toMatchObject({ status: 100 });
    for (const byte of body) one.socket.write(byte);
    expect(await one.next()).toMatchObject({ status: 200 });
  });

  it("is refused when it is too long, however it comes", async () => {
    await using server = await start();
    using announced = raw(server.port);
    announced.socket.write(post("content-length: 99999999\r\n\r\n{"));
    expect(problemOf(await announced.next())).toMatchObject({ code: "BODY_TOO_LARGE" });
    using chunked = raw(server.port);
    const chunk = `10000\r\n${" ".repeat(65_536)}\r\n`;
    chunked.socket.write(post(`transfer-encoding: chunked\r\n\r\n${chunk.repeat(26)}`));
    expect(problemOf(await chunked.next())).toMatchObject({ code: "BODY_TOO_LARGE" });
  });

  it("that is cut off, or longer than it says, harms nobody else", async () => {
    await using server = await start();
    for (const bytes of [
      post('content-length: 50\r\n\r\n{"ids"'),
      post('transfer-encoding: chunked\r\n\r\n5\r\n{"ids'),
    ]) {
      using one = raw(server.port);
      one.socket.write(bytes);
      one.socket.destroy();
      await one.closed;
    }
    using longer = raw(server.port);
    longer.socket.write(post('content-length: 17\r\n\r\n{"ids":["alice"]}junk\r\n\r\n'));
    // The junk may be read before the first answer is made; that answer is lost then, and the connection closed.
    for (let answer = await longer.next(); answer !== null; answer = await longer.next()) {
      if (answer.status !== 200) expect(problemOf(answer)).toMatchObject({ code: "REQUEST_INVALID" });
    }
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });

  it.each([
    ["deep", `{"ids":${"[".repeat(500_000)}${"]".repeat(500_000)}}`, "USER_INVALID"],
    ["deep and open", "[".repeat(1_000_000), "BODY_INVALID"],
    ["a wide object", `{${'"a":1,'.repeat(100_000)}"ids":[]}`, "BODY_INVALID"],
  ])("%s is 400", async (_, body, code) => {
    await using server = await start();
    using one = raw(server.port);
    one.socket.write(post(`content-length: ${body.length}\r\n\r\n${body}`));
    expect(problemOf(await one.next())).toMatchObject({ status: 400, code });
  });

  it.each([
    ["application/json; charset=utf-8", 200],
    ['application/json; charset="UTF-8"', 200],
    ["application/json; charset=iso-8859-1", 415],
    ["application/json; charset=utf-16le", 415],
    ["application/merge-patch+json", 415],
  ])("as %s is %i", async (type, status) => {
    await using server = await start();
    const answer = await curl(`${server.url}/v1/users/lookup`, "-H", AUTH, "-H", `Content-Type: ${type}`, "-d", '{"ids":[]}'); // prettier-ignore
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
  });
});

describe("connections", () => {
  it("are kept longer than a balancer keeps them", async () => {
    await using server = await start();
    using one = raw(server.port);
    one.socket.write("GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
    expect((await one.next())!.head).toContain("keep-alive: timeout=65");
    await using other = await start({ keepAliveTimeout: 620_000 });
    using two = raw(other.port);
    two.socket.write("GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
    expect((await two.next())!.head).toContain("keep-alive: timeout=620");
  });

  it("of slow senders are cut off, with a 408 for those who began", async () => {
    await using server = await start({ headersTimeout: 100, requestTimeout: 200 });
    using header = raw(server.port);
    header.socket.write("GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ");
    using body = raw(server.port);
    body.socket.write(
      `POST /v1/users/lookup HTTP/1.1\r\nhost: x\r\n${AUTH}\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{"ids"`,
    );
    for (const one of [header, body]) {
      expect(problemOf(await one.next())).toMatchObject({ status: 408, code: "REQUEST_TIMEOUT" });
      await one.closed;
    }
    using silent = raw(server.port);
    await silent.closed;
  });

  it.each<[string, string, number, string]>([
    ["no HTTP", "hello\r\n\r\n", 400, "REQUEST_INVALID"],
    ["TLS", "\u0016\u0003\u0001\u0000\u00a5\u0001", 400, "REQUEST_INVALID"],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "REQUEST_INVALID"],
    ["a bad field", "GET / HTTP/1.1\r\nhost: x\r\na b: c\r\n\r\n", 400, "REQUEST_INVALID"],
    ["no Host", "GET /health HTTP/1.1\r\n\r\n", 400, "REQUEST_INVALID"],
    ["a Host that is no address", "GET /v1/counts?x=1 HTTP/1.1\r\nhost: 127.0.0.380\r\n\r\n", 400, "REQUEST_INVALID"],
    ["a Host that is none", "GET /health HTTP/1.1\r\nhost: a b/@\r\n\r\n", 400, "REQUEST_INVALID"],
    ["a target that is none", "GET /\\..\\x HTTP/1.1\r\nhost: x\r\n\r\n", 400, "REQUEST_INVALID"],
    ["two lengths", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400, "REQUEST_INVALID"],
    ["a length and chunks", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400, "REQUEST_INVALID"],
    ["a bad chunk", "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400, "REQUEST_INVALID"],
    ["a large header", `GET / HTTP/1.1\r\nhost: x\r\na: ${"a".repeat(20_000)}\r\n\r\n`, 431, "HEADERS_TOO_LARGE"],
    ["a long target", `GET /${"a".repeat(9_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 414, "URI_TOO_LONG"],
    ["an expectation", "GET /health HTTP/1.1\r\nhost: x\r\nexpect: more\r\n\r\n", 417, "EXPECTATION_FAILED"],
    ["a method", `PROPFIND /v1/users HTTP/1.1\r\nhost: x\r\n${AUTH}\r\n\r\n`, 405, "METHOD_NOT_ALLOWED"],
    ["TRACE", `TRACE /v1/users HTTP/1.1\r\nhost: x\r\n${AUTH}\r\n\r\n`, 405, "METHOD_NOT_ALLOWED"],
    ["OPTIONS *", "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", 400, "REQUEST_INVALID"],
  ])("that send %s get a problem document", async (_, bytes, status, code) => {
    await using server = await start();
    using one = raw(server.port);
    one.socket.write(bytes, "latin1");
    expect(problemOf(await one.next())).toMatchObject({ status, code });
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  }); // prettier-ignore

  it("take an absolute target, a request to upgrade, and pipelined requests", async () => {
    await using server = await start();
    using one = raw(server.port);
    one.socket.write("GET http://x/health HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(await one.next()).toMatchObject({ status: 200 });
    one.socket.write("GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    expect(await one.next()).toMatchObject({ status: 200 });
    one.socket.write("GET /v1/counts HTTP/1.1\r\nhost: x\r\n\r\n".repeat(3) + "junk\r\n\r\n");
    const answers = [await one.next(), await one.next(), await one.next()];
    // Junk may end the connection before an answer, but never in the middle of one.
    for (const answer of answers) if (answer !== null) expect([200, 400]).toContain(answer.status);
    await one.closed;
    using connect = raw(server.port);
    connect.socket.write("CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(await connect.next()).toBeNull();
  });
});

it("without Redis the answers are problem documents too, and `last` is the previous one", async () => {
  const reader = createReader({ redis: test.server.url, prefix });
  await using server = await served(createApp({ reader, reuse: 0 }));
  const before = (await (await fetch(`${server.url}/v1/counts`)).json()) as { users: number };
  reader.close();
  const answer = await curl(`${server.url}/v1/counts`);
  expect(answer).toMatch(/^HTTP\/1.1 503/);
  expect(JSON.parse(answer.split("\r\n\r\n")[1]!)).toMatchObject({
    code: "REDIS_UNAVAILABLE",
    last: { users: before.users, asOf: { stale: true } },
  });
});
