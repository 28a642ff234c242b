/**
 * Goal: what goes in through REST comes out of Redis unchanged, and the other way round, in every form the
 * protocol has. Method: the official client, and plain requests where the client cannot ask.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errorOf, newKey, TOKEN, useBridge } from "./support.ts";

const test = useBridge();
const json = async (response: Promise<Response>) => (await response).json() as Promise<unknown>;

describe("one command", () => {
  it("answers every kind of reply", async () => {
    const key = newKey();
    await expect(test.writer.set(key, "value")).resolves.toBe("OK");
    await expect(test.writer.get(key)).resolves.toBe("value");
    await expect(test.writer.get(newKey())).resolves.toBeNull();
    await expect(test.writer.hset(key + "h", { a: "1", b: "2" })).resolves.toBe(2);
    await expect(test.writer.exec(["HGETALL", `${key}h`])).resolves.toEqual(["a", "1", "b", "2"]);
  });

  it("answers an error of Redis with 400 and Redis's words", async () => {
    const key = newKey();
    await test.writer.set(key, "text");
    const response = await test.post("/", ["INCR", key]);
    expect(response.status).toBe(400);
    await expect(response.json()).resolves.toEqual({ error: "ERR value is not an integer or out of range" });
    await expect(errorOf(test.writer.exec(["NOSUCH", "a"]))).resolves.toMatch(
      /^ERR unknown command 'NOSUCH'/,
    );
  });

  it("takes names in any case and sends numbers and booleans as they were written", async () => {
    const key = newKey();
    await json(test.post("/", ["rpush", key, 1, 1.5, true, false, "x"]));
    // 2^53 + 1 and a number beyond 64 bits would change if they ever became a double.
    const body = `["RPUSH", "${key}", 9007199254740993, 123456789012345678901234567890]`;
    await json(test.request("/", { method: "POST", body }));
    await expect(test.direct.lrange(key, 0, -1)).resolves.toEqual(
      "1 1.5 true false x 9007199254740993 123456789012345678901234567890".split(" "),
    );
  });

  it("keeps integers of 64 bits", async () => {
    const response = await test.request(`/incrby/${newKey()}/9223372036854775807`);
    await expect(response.text()).resolves.toBe('{"result":9223372036854775807}');
  });

  it.each([
    ["nothing", "", "not JSON"],
    ["half of it", '["GET"', "not JSON"],
    ["an object", '{"GET":"key"}', "expected JSON array"],
    ["an empty array", "[]", "ERR empty command"],
    ["an empty name", '[""]', "ERR empty command"],
    ["null", '["GET",null]', "ERR null args are not supported"],
    ["an array inside", '[["GET","key"]]', "ERR unsupported arg type"],
    ["an object inside", '["SET","key",{"a":1}]', "ERR unsupported arg type"],
    ["too many levels", "[".repeat(200_000), "not JSON"],
  ])("refuses %s as a command and says what to send", async (_what, body, message) => {
    const response = await test.request("/", { method: "POST", body });
    expect(response.status).toBe(400);
    expect((await response.json()) as { error: string }).toEqual({ error: expect.stringContaining(message) });
  });
});

describe("a command in the path", () => {
  it("has its arguments there, percent-encoded, by GET, POST, PUT and HEAD", async () => {
    const key = newKey();
    const argument = "a/b c%?&+é🎉";
    await expect(json(test.request(`/set/${key}/${encodeURIComponent(argument)}`))).resolves.toEqual({
      result: "OK",
    });
    await expect(test.direct.get(key)).resolves.toBe(argument);
    const response = await test.request(`/append/${key}/!`, { method: "HEAD" });
    expect(response.status).toBe(200);
    await expect(response.text()).resolves.toBe("");
    await json(test.request(`/append/${key}/!`, { method: "PUT" }));
    await expect(json(test.request(`/get/${key}/`, { method: "POST" }))).resolves.toEqual({
      result: `${argument}!!`,
    });
  });

  it("takes the body as its last argument and the query after it, as Upstash documents", async () => {
    const key = newKey();
    await json(test.request(`/set/${key}?EX=100&NX`, { method: "POST", body: "from the body" }));
    await expect(test.direct.get(key)).resolves.toBe("from the body");
    await expect(test.direct.ttl(key)).resolves.toBeGreaterThan(90);
    const again = test.request(`/set/${key}?NX&_token=${TOKEN}`, {
      method: "PUT",
      body: "other",
      headers: {},
    });
    await expect(json(again)).resolves.toEqual({ result: null });
  });

  it("carries every byte, in the path and in the body", async () => {
    const key = newKey();
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    await json(test.request(`/rpush/${key}/%00%FF%zz`, { method: "POST", body: bytes }));
    const stored = await test.direct.lrangeBuffer(key, 0, -1);
    expect(stored).toEqual([Buffer.from([0, 255, ...Buffer.from("%zz")]), Buffer.from(bytes)]);
  });

  it("takes a token in the query, which is no argument", async () => {
    const response = await fetch(`${test.bridge.url}/echo/hello?_token=${TOKEN}`);
    await expect(response.json()).resolves.toEqual({ result: "hello" });
  });
});

describe("replies", () => {
  it("are encoded at every depth under base64, integers, null and a status OK excepted", async () => {
    const script = "return {'a', {'b', {'c', 1, false, 'OK'}}, redis.status_reply('fine')}";
    const headers = { "upstash-encoding": "base64" };
    const b64 = (text: string) => Buffer.from(text).toString("base64");
    await expect(json(test.post("/", ["EVAL", script, 0], headers))).resolves.toEqual({
      result: [b64("a"), [b64("b"), [b64("c"), 1, null, b64("OK")]], b64("fine")],
    });
    await expect(json(test.post("/", ["SET", newKey(), "1"], headers))).resolves.toEqual({ result: "OK" });
    await expect(json(test.post("/", ["PING"], headers))).resolves.toEqual({ result: b64("PONG") });
    await expect(json(test.post("/pipeline", [["ECHO", "x"], ["NOSUCH"]], headers))).resolves.toEqual([
      { result: b64("x") },
      { error: expect.stringContaining("unknown command") },
    ]);
  });

  it("replace what is not UTF-8 when they are not encoded", async () => {
    const key = newKey();
    await test.direct.set(key, Buffer.from([0x61, 0xff, 0x62]));
    await expect(json(test.request(`/get/${key}`))).resolves.toEqual({ result: "a\uFFFDb" });
    const response = test.post("/", ["GET", key], { "upstash-encoding": "base64" });
    await expect(json(response)).resolves.toEqual({
      result: Buffer.from([0x61, 0xff, 0x62]).toString("base64"),
    });
  });

  it("are RESP2 when asked for", async () => {
    const resp2 = { "upstash-response-format": "resp2" };
    const text = async (path: string, body: unknown) => (await test.post(path, body, resp2)).text();
    await expect(text("/", ["SET", newKey(), "é"])).resolves.toBe("+OK\r\n");
    await expect(text("/", ["EVAL", "return {1, 'é', false, {'x'}}", 0])).resolves.toBe(
      "*4\r\n:1\r\n$2\r\né\r\n$-1\r\n*1\r\n$1\r\nx\r\n",
    );
    await expect(text("/pipeline", [["ECHO", "a"], ["GET"]])).resolves.toBe(
      "$1\r\na\r\n-ERR wrong number of arguments for 'get' command\r\n",
    );
    const response = await test.post("/", ["GET"], resp2);
    expect([response.status, response.headers.get("content-type")]).toEqual([
      400,
      "application/octet-stream",
    ]);
    await expect(json(test.post("/multi-exec", [["ECHO", "a"]], resp2))).resolves.toEqual([{ result: "a" }]);
  });

  it.each([
    { "upstash-response-format": "xml" },
    { "upstash-encoding": "gzip" },
    { "upstash-response-format": "resp2", "upstash-encoding": "base64" },
  ])("in another form are refused: %o", async (headers) => {
    const response = await test.post("/", ["PING"], headers);
    expect(response.status).toBe(400);
  });

  it("carry a sync token that is never the same", async () => {
    const tokens = await Promise.all(
      Array.from({ length: 20 }, async () => (await test.request("/ping")).headers.get("upstash-sync-token")),
    );
    expect(new Set(tokens).size).toBe(20);
    expect(tokens).not.toContain(null);
  });

  it("carry a sync token when they are errors too, and a client may send one back", async () => {
    const seen: (string | null)[] = [];
    for (const [path, body] of [
      ["/", ["NOSUCH"]],
      ["/", "not a command"],
      ["/pipeline", [["NOSUCH"]]],
      ["/multi-exec", [["GET"]]],
    ] as const) {
      const headers = { "upstash-sync-token": seen.at(-1) ?? "" };
      const response = await test.post(path, body, headers);
      await response.text();
      seen.push(response.headers.get("upstash-sync-token"));
    }
    expect(seen).not.toContain(null);
    expect(new Set(seen).size).toBe(4);
  });

  it("equal what was stored, whatever the text", async () => {
    // Every code point may occur, NUL among them; so may the empty string and what looks like another type.
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("", "OK", "null", "1", '"', "\r\n"));
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 20 }), async (values) => {
        const key = newKey();
        await test.writer.exec(["RPUSH", key, ...values]);
        expect(await test.direct.lrange(key, 0, -1)).toEqual(values);
        expect(await test.writer.lrange(key, 0, -1)).toEqual(values);
        const plain = (await json(test.post("/", ["LRANGE", key, 0, -1]))) as { result: string[] };
        expect(plain.result).toEqual(values);
      }),
      { numRuns: 50 },
    );
  });
});

describe("a pipeline", () => {
  it("answers each command in its place, errors among them", async () => {
    const key = newKey();
    const rows = [
      ["SET", key, "x"],
      ["INCR", key],
      ["BLPOP", key, 0],
      ["APPEND", key, "y"],
      ["GET", key],
    ];
    const response = await test.post("/pipeline", rows);
    expect(response.status).toBe(200);
    await expect(response.json()).resolves.toEqual([
      { result: "OK" },
      { error: "ERR value is not an integer or out of range" },
      { error: expect.stringContaining("it blocks") },
      { result: 2 },
      { result: "xy" },
    ]);
  });

  it("works with the official client, five thousand commands long", async () => {
    const key = newKey();
    const pipeline = test.writer.pipeline();
    for (let index = 0; index < 5_000; index++) pipeline.rpush(key, String(index));
    const lengths = await pipeline.exec<number[]>();
    expect(lengths).toEqual(Array.from({ length: 5_000 }, (_, index) => index + 1));
  });

  it.each([[[]], [["GET", "key"]], [[["GET", "key"], []]], [{ GET: "key" }]])(
    "that is no list of commands is refused whole: %j",
    async (body) => {
      const response = await test.post("/pipeline", body);
      expect(response.status).toBe(400);
    },
  );

  it("of one command may have hundreds of thousands of arguments", async () => {
    const key = newKey();
    const members = Array.from({ length: 200_000 }, (_, index) => String(index));
    await expect(test.writer.exec(["RPUSH", key, ...members])).resolves.toBe(200_000);
  });
});

describe("a transaction", () => {
  it("answers each command, and a failure inside does not undo the others", async () => {
    const key = newKey();
    const rows = [
      ["SET", key, "x"],
      ["INCR", key],
      ["GET", key],
    ];
    await expect(json(test.post("/multi-exec", rows))).resolves.toEqual([
      { result: "OK" },
      { error: "ERR value is not an integer or out of range" },
      { result: "x" },
    ]);
  });

  it.each([
    [["GET"], "ERR wrong number of arguments for 'get' command"],
    [["NOSUCH"], "ERR unknown command 'NOSUCH'"],
    [["BLPOP", "list", "0"], "it blocks"],
    [["EXEC"], "/multi-exec"],
  ])("is discarded as a whole for %j", async (command, message) => {
    const key = newKey();
    const response = await test.post("/multi-exec", [["SET", key, "x"], command, ["SET", key, "y"]]);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: string }).error).toContain(message);
    await expect(test.direct.exists(key)).resolves.toBe(0);
  });

  it("is not undone by a command for another type, as on Redis and Upstash", async () => {
    const key = newKey();
    const rows = [
      ["SET", key, "x"],
      ["LPUSH", key, "y"],
      ["APPEND", key, "z"],
    ];
    const response = await test.post("/multi-exec", rows);
    expect(response.status).toBe(200);
    await expect(response.json()).resolves.toEqual([
      { result: "OK" },
      { error: "WRONGTYPE Operation against a key holding the wrong kind of value" },
      { result: 2 },
    ]);
    await expect(test.direct.get(key)).resolves.toBe("xz");
  });

  it.each([
    ["no list", '{"SET":1}', "expected JSON array"],
    ["an empty one", "[]", "ERR empty pipeline request"],
    ["one with a command that is none", '[["SET","a","b"],"GET"]', "every command must be a JSON array"],
    ["one with an argument that is none", '[["SET","a","b"],["SET","a",null]]', "null args"],
  ])("that is %s is refused before anything is sent", async (_what, body, message) => {
    const response = await test.request("/multi-exec", { method: "POST", body });
    expect(response.status).toBe(400);
    await expect(response.json()).resolves.toEqual({ error: expect.stringContaining(message) });
  });

  it("is atomic among everything else that goes on", async () => {
    // Method: increments of one counter; inside a transaction they must be neighbours, whoever else increments.
    const key = newKey();
    const one = () => test.writer.incr(key);
    const three = async () => {
      const [first, second, third] = await test.writer.multi().incr(key).incr(key).incr(key).exec<number[]>();
      expect([second! - first!, third! - second!]).toEqual([1, 1]);
    };
    await Promise.all(Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? one() : three())));
    await expect(test.direct.get(key)).resolves.toBe("400");
  });

  it("that fails leaves the connection usable for everybody else", async () => {
    const failing = () => errorOf(test.writer.multi().incr(newKey()).get("").exec()).catch(() => "");
    const wrong = () => test.post("/multi-exec", [["GET"]]);
    const values = Array.from({ length: 100 }, (_, index) => String(index));
    const echoes = values.map(async (value, index) => {
      if (index % 3 === 0) await (index % 2 === 0 ? failing() : wrong());
      return test.writer.echo(value);
    });
    await expect(Promise.all(echoes)).resolves.toEqual(values);
  });
});

describe("many requests at once", () => {
  it("keep the order inside a pipeline and the wholeness of a transaction", async () => {
    // Method: everybody appends a name twice to one list. A transaction's two are neighbours; a pipeline's are in order.
    const key = newKey();
    const requests = Array.from({ length: 150 }, (_, index) => {
      const rows = [
        ["RPUSH", key, `${index}:first`],
        ["ECHO", index],
        ["RPUSH", key, `${index}:second`],
      ];
      return test.post(index % 2 === 0 ? "/pipeline" : "/multi-exec", rows);
    });
    const answers = await Promise.all(requests.map(json));
    for (const [index, answer] of answers.entries()) {
      const [first, echo, second] = (answer as { result: unknown }[]).map(({ result }) => result);
      expect(echo).toBe(String(index));
      if (index % 2 === 1) expect(Number(second)).toBe(Number(first) + 1);
    }
    const names = await test.direct.lrange(key, 0, -1);
    expect(names).toHaveLength(300);
    for (let index = 0; index < 150; index++) {
      expect(names.indexOf(`${index}:first`)).toBeLessThan(names.indexOf(`${index}:second`));
    }
  });

  it("each get their own answer", async () => {
    const values = Array.from({ length: 500 }, (_, index) => `value ${index}`);
    await expect(Promise.all(values.map((value) => test.writer.echo(value)))).resolves.toEqual(values);
  });
});
