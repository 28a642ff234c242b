/**
 * Goal: nobody gets in without a token, the read-only token reads and no more, and nothing a client sends
 * disturbs the connection that all requests share.
 */
import { describe, expect, it } from "vitest";
import { errorOf, newKey, READ_ONLY_TOKEN, TOKEN, useBridge } from "./support.ts";

const test = useBridge();
const noPermission = (name: string) =>
  `NOPERM this user has no permissions to run the '${name}' command or its subcommand`;

describe("a token", () => {
  const routes = [
    "/",
    "/get/key",
    "/pipeline",
    "/multi-exec",
    "/subscribe/a",
    "/psubscribe/a",
    "/monitor",
    "/x",
  ];
  const wrong = {
    none: {},
    empty: { authorization: "" },
    "without a value": { authorization: "Bearer" },
    another: { authorization: "Bearer another-token-altogether" },
    "cut short": { authorization: `Bearer ${TOKEN.slice(0, -1)}` },
    "too long": { authorization: `Bearer ${TOKEN}x` },
    "of another scheme": { authorization: `Basic ${TOKEN}` },
  };

  it.each(Object.entries(wrong))("%s opens no route by any method", async (_name, headers) => {
    for (const route of routes) {
      for (const method of ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"]) {
        const response = await test.request(route, { method, headers: headers as Record<string, string> });
        expect(`${method} ${route} ${response.status}`).toBe(`${method} ${route} 401`);
        const body = await response.text();
        expect(method === "HEAD" ? "" : '{"error":"WRONGPASS invalid or missing auth token"}').toBe(body);
      }
    }
  });

  it("is asked for before a body is read", async () => {
    const body = "x".repeat(11 * 1024 * 1024);
    const response = await test.request("/", { method: "POST", body, headers: {} });
    expect(response.status).toBe(401);
  });

  it("in the query counts, and a wrong one there is wrong", async () => {
    const status = async (token: string) =>
      (await test.request(`/get/key?_token=${token}`, { headers: {} })).status;
    await expect(status(TOKEN)).resolves.toBe(200);
    await expect(status(READ_ONLY_TOKEN)).resolves.toBe(200);
    await expect(status("wrong")).resolves.toBe(401);
    await expect(status("")).resolves.toBe(401);
  });

  it("in the query opens every route, and is no argument on any", async () => {
    const post = async (path: string, body: unknown, token = TOKEN) => {
      const init = { method: "POST", body: JSON.stringify(body), headers: {} };
      return (await test.request(`${path}?_token=${token}`, init)).json();
    };
    const key = newKey();
    await expect(post("/", ["SET", key, "x"])).resolves.toEqual({ result: "OK" });
    await expect(post("/pipeline", [["GET", key]])).resolves.toEqual([{ result: "x" }]);
    await expect(post("/multi-exec", [["GET", key]])).resolves.toEqual([{ result: "x" }]);
    await expect(post(`/append/${key}`, 1)).resolves.toEqual({ result: 2 });
    await expect(post("/", ["SET", key, "y"], READ_ONLY_TOKEN)).resolves.toMatchObject({
      error: expect.stringMatching(/^NOPERM /) as string,
    });
    // The query wins over the header, so a link with a lesser token does not borrow the greater one.
    const both = await test.request(`/set/${key}/y?_token=${READ_ONLY_TOKEN}`);
    await expect(both.json()).resolves.toEqual({ error: noPermission("set") });
    await expect(test.direct.get(key)).resolves.toBe("x1");
  });

  it("may stand in the header without its scheme, and the scheme in any case", async () => {
    for (const authorization of [TOKEN, `bearer ${TOKEN}`, `BEARER  ${TOKEN}`]) {
      const response = await test.request("/ping", { headers: { authorization } });
      expect(response.status).toBe(200);
    }
  });

  it("is not taken from pages of other origins: there is no CORS", async () => {
    const headers = { authorization: `Bearer ${TOKEN}`, origin: "https://page.example" };
    for (const method of ["GET", "OPTIONS"]) {
      const response = await test.request("/get/key", { method, headers });
      expect([method, response.status]).toEqual([method, method === "GET" ? 200 : 405]);
      expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
      await response.text();
    }
  });

  it("does not open a method that Upstash does not take", async () => {
    for (const [method, path] of [
      ["DELETE", "/"],
      ["OPTIONS", "/get/key"],
      ["GET", "/pipeline"],
      ["PUT", "/multi-exec"],
      ["GET", "/"],
      ["HEAD", "/subscribe/channel"],
      ["HEAD", "/monitor"],
    ] as const) {
      const response = await test.request(path, { method });
      expect([method, path, response.status]).toEqual([method, path, 405]);
    }
  });
});

describe("the read-only token", () => {
  it("reads", async () => {
    const key = newKey();
    await test.direct.hset(key, "field", "value");
    await test.direct.set(`${key}s`, "text");
    await test.direct.xadd(`${key}x`, "1-1", "field", "value");
    await expect(test.reader.get(`${key}s`)).resolves.toBe("text");
    await expect(test.reader.mget(`${key}s`, key)).resolves.toEqual(["text", null]);
    await expect(test.reader.exec(["HGETALL", key])).resolves.toEqual(["field", "value"]);
    await expect(test.reader.exec(["HSCAN", key, "0"])).resolves.toEqual(["0", ["field", "value"]]);
    await expect(test.reader.exec(["XRANGE", `${key}x`, "-", "+"])).resolves.toEqual([
      ["1-1", ["field", "value"]],
    ]);
    await expect(test.reader.exec(["XREAD", "COUNT", "1", "STREAMS", `${key}x`, "0"])).resolves.toHaveLength(
      1,
    );
    await expect(test.reader.exec(["XINFO", "STREAM", `${key}x`])).resolves.toContain("length");
    await expect(test.reader.pipeline().get(`${key}s`).hlen(key).exec()).resolves.toEqual(["text", 1]);
    await expect(test.reader.multi().get(`${key}s`).hlen(key).exec()).resolves.toEqual(["text", 1]);
  });

  it.each([
    ["SET", "key", "value"],
    ["DEL", "key"],
    ["XADD", "stream", "*", "field", "value"],
    ["XGROUP", "CREATE", "stream", "group", "0"],
    ["XREADGROUP", "GROUP", "group", "consumer", "STREAMS", "stream", ">"],
    ["GETEX", "key", "EX", "1"],
    ["SORT", "key", "STORE", "other"],
    ["SCAN", "0"],
    ["KEYS", "*"],
    ["FLUSHALL"],
    ["EVAL", "return 1", "0"],
    ["EVALSHA", "ffffffffffffffffffffffffffffffffffffffff", "0"],
    ["EVAL_RO", "return 1", "0"],
    ["FCALL", "function", "0"],
    ["SCRIPT", "LOAD", "return 1"],
    ["PUBLISH", "channel", "message"],
    ["PING"],
    ["INFO"],
    ["NOSUCH"],
    ["XINFO", "NOSUCH"],
  ])("is refused %s %s", async (...command) => {
    const [name] = command as [string];
    const expected = noPermission(name.toLowerCase());
    await expect(errorOf(test.reader.exec(command as [string]))).resolves.toBe(expected);
    const path = await test.request(`/${command.join("/")}?_token=${READ_ONLY_TOKEN}`);
    expect([path.status, await path.json()]).toEqual([400, { error: expected }]);
  });

  it("is refused inside a pipeline in place, and a transaction as a whole", async () => {
    const key = newKey();
    const rows = [
      ["GET", key],
      ["SET", key, "x"],
      ["GET", key],
    ];
    const headers = { authorization: `Bearer ${READ_ONLY_TOKEN}` };
    const pipeline = await test.post("/pipeline", rows, headers);
    await expect(pipeline.json()).resolves.toEqual([
      { result: null },
      { error: noPermission("set") },
      { result: null },
    ]);
    const transaction = await test.post("/multi-exec", rows, headers);
    expect([transaction.status, await transaction.json()]).toEqual([400, { error: noPermission("set") }]);
  });

  it("walks through hashes, sets and sorted sets, page by page", async () => {
    const key = newKey();
    const members = Array.from({ length: 1_000 }, (_, index) => `member ${index}`);
    await test.direct.hset(`${key}:h`, Object.fromEntries(members.map((member) => [member, "value"])));
    await test.direct.sadd(`${key}:s`, ...members);
    await test.direct.zadd(`${key}:z`, ...members.flatMap((member) => [1, member]));
    for (const [command, name, width] of [
      ["HSCAN", `${key}:h`, 2],
      ["SSCAN", `${key}:s`, 1],
      ["ZSCAN", `${key}:z`, 2],
    ] as const) {
      const found = new Set<string>();
      let [cursor, pages] = ["0", 0];
      do {
        const ask: [string, ...string[]] = [command, name, cursor, "MATCH", "member*", "COUNT", "100"];
        const [next, page] = await test.reader.exec<[string, string[]]>(ask);
        for (let index = 0; index < page.length; index += width) found.add(page[index]!);
        [cursor, pages] = [next, pages + 1];
      } while (cursor !== "0");
      expect([command, found.size, pages > 1]).toEqual([command, members.length, true]);
    }
  });

  it("reaches exactly what Redis's own ACL gives to +@read -@dangerous, SCAN excepted", async () => {
    // The oracle is Redis: COMMAND LIST, filtered by category, subcommands included.
    const list = async (...filter: string[]) =>
      (await test.direct.call("COMMAND", "LIST", ...filter)) as string[];
    const read = new Set(await list("FILTERBY", "ACLCAT", "read"));
    const dangerous = new Set(await list("FILTERBY", "ACLCAT", "dangerous"));
    const names = new Set([...(await list()), ...read, ...dangerous, "nosuch", "xinfo|nosuch"]);
    expect(names.size).toBeGreaterThan(200);
    for (const name of names) {
      const error = await test.reader.exec(name.split("|") as [string]).then(
        () => "",
        (failure: Error) => failure.message,
      );
      const reached = !error.startsWith("NOPERM") && !error.includes("is not allowed in REST");
      expect(`${name} ${reached}`).toBe(
        `${name} ${read.has(name) && !dangerous.has(name) && name !== "scan"}`,
      );
    }
  });
});

describe("a command that does not fit one shared connection", () => {
  it.each([
    ["it blocks", ["BLPOP", "list", "0"]],
    ["it blocks", ["BRPOPLPUSH", "a", "b", "0"]],
    ["it blocks", ["BZPOPMIN", "zset", "0"]],
    ["it blocks", ["BLMPOP", "0", "1", "list", "LEFT"]],
    ["it blocks", ["XREAD", "block", "0", "STREAMS", "stream", "$"]],
    ["it blocks", ["XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS", "stream", "$"]],
    ["it blocks", ["XREADGROUP", "GROUP", "g", "c", "NOACK", "BLOCK", "1", "STREAMS", "stream", ">"]],
    ["connection", ["WAIT", "1", "0"]],
    ["connection", ["SELECT", "1"]],
    ["connection", ["AUTH", "password"]],
    ["connection", ["HELLO", "3"]],
    ["connection", ["CLIENT", "REPLY", "OFF"]],
    ["connection", ["CLIENT", "PAUSE", "1000"]],
    ["connection", ["QUIT"]],
    ["connection", ["RESET"]],
    ["/multi-exec", ["MULTI"]],
    ["/multi-exec", ["EXEC"]],
    ["/multi-exec", ["DISCARD"]],
    ["/multi-exec", ["WATCH", "key"]],
    ["/subscribe", ["SUBSCRIBE", "channel"]],
    ["/subscribe", ["PSUBSCRIBE", "*"]],
    ["/subscribe", ["SSUBSCRIBE", "channel"]],
    ["/subscribe", ["UNSUBSCRIBE"]],
    ["/monitor", ["MONITOR"]],
    ["its own protocol", ["SHUTDOWN"]],
    ["its own protocol", ["DEBUG", "SLEEP", "1"]],
    ["its own protocol", ["CONFIG", "SET", "maxmemory", "1"]],
    ["its own protocol", ["PSYNC", "?", "-1"]],
    ["mode", ["SCRIPT", "DEBUG", "YES"]],
  ])("is refused with advice (%s): %j", async (advice, command) => {
    const response = await test.post("/", command);
    const { error } = (await response.json()) as { error: string };
    expect(response.status).toBe(400);
    expect(error).toContain(`ERR Command "${command[0]}" is not allowed in REST`);
    expect(error).toContain(advice);
    await expect(test.writer.echo("still here")).resolves.toBe("still here");
  });

  it("is not confused with one that does, though it holds the same words", async () => {
    const key = newKey("block");
    await test.writer.exec(["XGROUP", "CREATE", key, "BLOCK", "0", "MKSTREAM"]);
    await test.writer.exec(["XADD", key, "1-1", "BLOCK", "0"]);
    const read = ["XREADGROUP", "GROUP", "BLOCK", "BLOCK", "COUNT", "1", "STREAMS", key, ">"];
    await expect(test.writer.exec(read as [string])).resolves.toEqual([[key, [["1-1", ["BLOCK", "0"]]]]]);
    await expect(test.writer.exec(["XREAD", "STREAMS", "BLOCK", "0"])).resolves.toBeNull();
    await expect(test.writer.exec(["COMMAND", "COUNT"])).resolves.toBeGreaterThan(200);
    await expect(test.writer.exec(["PUBSUB", "CHANNELS"])).resolves.toEqual([]);
    await expect(test.writer.exec(["PUBLISH", "channel", "message"])).resolves.toBe(0);
  });
});
