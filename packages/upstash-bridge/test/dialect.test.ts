/**
 * Goal: where Upstash answers a command of Redis 7 in another way than Redis does, the bridge answers as Upstash.
 * Method: what the official client's own tests expect, and around it what must stay as Redis has it.
 */
import { describe, expect, it } from "vitest";
import { errorOf, newKey, READ_ONLY_TOKEN, useBridge } from "./support.ts";

const test = useBridge();
const exec = (...command: (string | number)[]) => test.writer.exec(command as [string]);

describe("COPY", () => {
  it("of a key to itself copies nothing and is no error", async () => {
    const key = newKey();
    await test.direct.set(key, "value");
    await expect(exec("copy", key, key)).resolves.toBe(0);
    await expect(test.direct.get(key)).resolves.toBe("value");
    await expect(test.writer.multi().copy(key, `${key}2`).copy(key, key).exec()).resolves.toEqual([1, 0]);
    await expect(errorOf(exec("COPY", key))).resolves.toMatch(/^ERR wrong number of arguments/);
  });

  it("compares bytes, not text", async () => {
    const key = newKey();
    await test.request(`/set/${key}%ff/value`);
    const response = await test.request(`/copy/${key}%ff/${key}%fe`);
    await expect(response.json()).resolves.toEqual({ result: 1 });
    await expect(test.direct.exists(Buffer.from(`${key}\u00fe`, "latin1"))).resolves.toBe(1);
  });
});

describe("SCAN", () => {
  it("WITHTYPE names each key's type after it, in any order of options", async () => {
    const name = newKey();
    await test.direct.set(`${name}:s`, "text");
    await test.direct.zadd(`${name}:z`, 1, "member");
    await test.direct.xadd(`${name}:x`, "1-1", "field", "value");
    const match = ["MATCH", `${name}:*`, "COUNT", 10_000];
    const [cursor, found] = (await exec("SCAN", 0, ...match, "WITHTYPE")) as [string, string[]];
    expect(cursor).toBe("0");
    const pairs = found.flatMap((key, index) => (index % 2 === 0 ? [[key, found[index + 1]]] : []));
    expect(Object.fromEntries(pairs)).toEqual({
      [`${name}:s`]: "string",
      [`${name}:z`]: "zset",
      [`${name}:x`]: "stream",
    });
    await expect(exec("scan", 0, "withtype", "type", "zset", ...match)).resolves.toEqual([
      "0",
      [`${name}:z`, "zset"],
    ]);
  });

  it("finds the word only where an option stands, and leaves errors as they are", async () => {
    const key = newKey("WITHTYPE");
    await test.direct.set(key, "value");
    await expect(exec("SCAN", 0, "COUNT", 10_000, "MATCH", "WITHTYPE")).resolves.toEqual(["0", []]);
    await expect(errorOf(exec("SCAN", "x", "WITHTYPE"))).resolves.toBe("ERR invalid cursor");
    await expect(errorOf(exec("SCAN", 0, "WITHTYPE", "COUNT"))).resolves.toBe("ERR syntax error");
    const response = await test.request(`/scan/0/WITHTYPE?_token=${READ_ONLY_TOKEN}`, { headers: {} });
    await expect(response.json()).resolves.toEqual({ error: expect.stringMatching(/^NOPERM .*'scan'/) });
  });
});

describe("XTRIM", () => {
  it("with ~ trims to the threshold, by length and by id", async () => {
    const key = newKey();
    for (let id = 1; id <= 250; id++) await test.direct.xadd(key, `${id}-0`, "field", "value");
    await expect(exec("XTRIM", key, "MAXLEN", "~", 30)).resolves.toBe(220);
    await expect(exec("XTRIM", key, "MINID", "~", 241)).resolves.toBe(20);
    await expect(test.direct.xlen(key)).resolves.toBe(10);
  });

  it("with LIMIT is Redis's", async () => {
    const key = newKey();
    for (let id = 1; id <= 20; id++) await test.direct.xadd(key, `${id}-0`, "field", "value");
    await expect(exec("XTRIM", key, "MINID", "~", 10, "LIMIT", 2)).resolves.toBe(0);
    await expect(errorOf(exec("XTRIM", key, "MAXLEN", "~", "x"))).resolves.toMatch(/not an integer/);
  });
});

describe("XREADGROUP NOACK", () => {
  async function stream(): Promise<string> {
    const key = newKey("stream");
    await test.direct.xadd(key, "1-1", "field", "value");
    await test.direct.xgroup("CREATE", key, "group", "0");
    return key;
  }

  it("reads, and leaves neither pending entries nor a consumer", async () => {
    const [first, second] = [await stream(), await stream()];
    const read = [
      "XREADGROUP",
      "GROUP",
      "group",
      "me",
      "COUNT",
      5,
      "NOACK",
      "STREAMS",
      first,
      second,
      ">",
      ">",
    ];
    const entries = [["1-1", ["field", "value"]]];
    await expect(exec(...read)).resolves.toEqual([
      [first, entries],
      [second, entries],
    ]);
    await expect(exec("XINFO", "CONSUMERS", first, "group")).resolves.toEqual([]);
    await expect(exec("XPENDING", first, "group")).resolves.toEqual([0, null, null, null]);
    await expect(exec(...read)).resolves.toBeNull();
  });

  it("keeps a consumer that was there before, and what is pending for it", async () => {
    const key = await stream();
    await exec("XREADGROUP", "GROUP", "group", "me", "STREAMS", key, ">");
    await test.direct.xadd(key, "2-1", "field", "value");
    await exec("XREADGROUP", "NOACK", "GROUP", "group", "me", "STREAMS", key, ">");
    await expect(exec("XPENDING", key, "group")).resolves.toEqual([1, "1-1", "1-1", [["me", "1"]]]);
  });

  it("fails as it does without", async () => {
    const key = await stream();
    await expect(
      errorOf(exec("XREADGROUP", "GROUP", "no", "me", "NOACK", "STREAMS", key, ">")),
    ).resolves.toBe(await errorOf(exec("XREADGROUP", "GROUP", "no", "me", "STREAMS", key, ">")));
    await expect(
      errorOf(exec("XREADGROUP", "GROUP", "group", "me", "NOACK", "STREAMS", key)),
    ).resolves.toMatch(/^ERR Unbalanced/);
  });
});

describe("BITOP", () => {
  const bits = (...rows: string[]) =>
    rows.map((row) => Buffer.from(row.match(/.{8}/g)!.map((b) => Number.parseInt(b, 2))));

  it.each([
    ["DIFF", "0001000011110000"],
    ["DIFF1", "0000110000000000"],
    ["ANDOR", "1110000000000000"],
    ["ONE", "0001100011110000"],
  ])("%s is computed bit by bit, whatever the lengths", async (operation, expected) => {
    const key = newKey();
    const sources = bits("1111000011110000", "11000100", "10101100");
    const names = sources.map((_, index) => `${key}:${index}`);
    for (const [index, source] of sources.entries()) await test.direct.set(names[index]!, source);
    await expect(exec("bitop", operation.toLowerCase(), `${key}:to`, ...names)).resolves.toBe(2);
    expect(await test.direct.getBuffer(`${key}:to`)).toEqual(bits(expected)[0]);
    // The destination may be one of the sources.
    for (const name of names) {
      await test.direct.copy(name, `${key}:copy`);
      const from = names.map((other) => (other === name ? `${key}:copy` : other));
      await exec("BITOP", operation, `${key}:copy`, ...from);
      expect(await test.direct.getBuffer(`${key}:copy`)).toEqual(bits(expected)[0]);
      await test.direct.del(`${key}:copy`);
    }
    await expect(test.direct.keys(`${key}*`)).resolves.toHaveLength(4);
  });

  it("of keys that are not there makes none, and of another type fails with Redis's words", async () => {
    const key = newKey();
    await test.direct.rpush(`${key}:list`, "x");
    await expect(exec("BITOP", "ONE", `${key}:to`, `${key}:a`, `${key}:b`)).resolves.toBe(0);
    await expect(errorOf(exec("BITOP", "DIFF", `${key}:to`, `${key}:a`, `${key}:list`))).resolves.toBe(
      "WRONGTYPE Operation against a key holding the wrong kind of value",
    );
    await expect(errorOf(exec("BITOP", "NAND", `${key}:to`, `${key}:a`))).resolves.toBe("ERR syntax error");
    await expect(test.direct.keys(`${key}*`)).resolves.toHaveLength(1);
  });
});

describe("FCALL_RO", () => {
  const library = `library${Date.now()}`;
  const code = [
    `#!lua name=${library}`,
    'local calls = 0 -- a comment \'with "quotes"',
    "local function get(keys, args)",
    "  calls = calls + 1",
    "  return { redis.call('GET', keys[1]), args[1] or '', calls }",
    "end",
    "redis.register_function('plain_get', get)",
    "redis.register_function{function_name='marked_get', callback=get, flags={'no-writes'}}",
    "redis.register_function('plain_set', function(keys, args) return redis.call('SET', keys[1], args[1]) end)",
    "redis.register_function{function_name='marked_set', flags={'no-writes'},",
    "  callback=function(keys, args) return redis.call('SET', keys[1], args[1]) end} -- no newline follows",
  ].join("\n");
  const load = () => test.direct.call("FUNCTION", "LOAD", "REPLACE", code);

  it("runs a function that only reads, whether it is marked so or not", async () => {
    await load();
    const key = newKey();
    await test.direct.set(key, Buffer.from([0, 255, 65]));
    for (const name of ["plain_get", "marked_get"]) {
      const response = await test.post("/", ["fcall_ro", name, 1, key, "ü"], {
        "upstash-encoding": "base64",
      });
      await expect(response.json()).resolves.toEqual({ result: ["AP9B", "w7w=", 1] });
    }
  });

  it("refuses what writes, whether it is marked as reading or not", async () => {
    await load();
    const key = newKey();
    for (const name of ["plain_set", "marked_set"]) {
      await expect(errorOf(exec("FCALL_RO", name, 1, key, "x"))).resolves.toContain(
        "Write commands are not allowed from read-only scripts",
      );
    }
    await expect(test.direct.exists(key)).resolves.toBe(0);
    await expect(exec("FCALL", "plain_set", 1, key, "x")).resolves.toBe("OK");
  });

  it("keeps its place in pipelines and transactions", async () => {
    await load();
    const key = newKey();
    const rows = [
      ["SET", key, "before"],
      ["FCALL_RO", "plain_get", 1, key],
      ["SET", key, "after"],
    ];
    const expected = [{ result: "OK" }, { result: ["before", "", 1] }, { result: "OK" }];
    for (const path of ["/pipeline", "/multi-exec"]) {
      await expect((await test.post(path, rows)).json()).resolves.toEqual(expected);
    }
  });

  it("says what Redis says about a function that is not there", async () => {
    await expect(errorOf(exec("FCALL_RO", "no_such_function", 0))).resolves.toBe("ERR Function not found");
    await expect(errorOf(exec("FCALL_RO", "plain_get"))).resolves.toMatch(/^ERR wrong number of arguments/);
    await expect(errorOf(exec("FCALL_RO", "plain_get", 2, "key"))).resolves.toMatch(/^ERR Number of keys/);
  });
});
