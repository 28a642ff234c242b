/**
 * Goal: the limit of a plan can be imposed, with Upstash's words for it, and nothing that the read-only token sends fills the
 * memory.
 * Method: requests and replies around the limits; the connections are watched from Redis.
 */
import { describe, expect, it } from "vitest";
import { startBridge } from "../src/index.ts";
import { COMMANDS_MAX } from "../src/limits.ts";
import { client, errorOf, newKey, READ_ONLY_TOKEN, TOKEN, useBridge } from "./support.ts";

const test = useBridge();
const MB = 1024 * 1024;

describe("with the limit of a smaller plan", () => {
  const small = useBridge({ maxRequestBytes: MB });

  it("a request above it is refused in Upstash's words", async () => {
    const body = JSON.stringify(["SET", newKey(), "x".repeat(MB)]);
    expect(await errorOf(small.writer.exec(JSON.parse(body) as [string]))).toBe(
      `ERR max request size exceeded. Limit: ${MB} bytes, Actual: ${body.length} bytes. See https://upstash.com/docs/redis/troubleshooting/max_request_size_exceeded for details`,
    );
  });

  it("one of exactly that size is not", async () => {
    const key = newKey();
    const frame = JSON.stringify(["SET", key, ""]).length;
    await expect(small.writer.set(key, "x".repeat(MB - frame))).resolves.toBe("OK");
  });

  it("replies above it are refused to a reader, and the next request is answered", async () => {
    const key = newKey();
    await small.direct.set(key, "x".repeat(MB + 1));
    const refused = /ERR max request size exceeded\. Limit: 1048576 bytes, Actual: \d+ bytes/;
    expect(await errorOf(small.reader.get(key))).toMatch(refused);
    await expect(small.reader.get(newKey())).resolves.toBeNull();
    expect(await errorOf(small.reader.multi().get(key).strlen(key).exec())).toMatch(refused);
    await expect(small.reader.strlen(key)).resolves.toBe(MB + 1);
  });

  it.each([1_023, 1.5, Number.NaN])("that is no limit is refused: %s", async (maxRequestBytes) => {
    const options = {
      redis: small.server.url,
      token: TOKEN,
      readOnlyToken: READ_ONLY_TOKEN,
      maxRequestBytes,
    };
    await expect(startBridge(options)).rejects.toThrow("maxRequestBytes");
  });
});

describe("with the read-only token", () => {
  it("a reply that grows with what is asked, not with what is stored, is cut off, and others are answered", async () => {
    const key = newKey();
    await test.direct.hset(
      key,
      Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`field-${i}`, "1"])),
    );
    const endless = errorOf(test.reader.exec(["HRANDFIELD", key, "-2000000"]));
    const others = Array.from({ length: 20 }, () => test.reader.hlen(key));
    expect(await endless).toMatch(/max request size exceeded/);
    expect(await Promise.all(others)).toEqual(Array.from({ length: 20 }, () => 100));
    const large = newKey();
    await test.direct.set(large, "x".repeat(MB));
    expect(await errorOf(test.reader.mget(Array.from({ length: 50 }, () => large)))).toMatch(
      /max request size/,
    );
    await expect(test.reader.mget([large, large])).resolves.toHaveLength(2);
  });

  it("a request is answered after its connection was lost", async () => {
    const reader = client(test.bridge.url, READ_ONLY_TOKEN);
    const key = newKey();
    await expect(reader.get(key)).resolves.toBeNull();
    await test.direct.call("CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES");
    await expect.poll(() => reader.get(key).then(String, String)).toBe("null");
  });
});

describe.each(["/pipeline", "/multi-exec"])("%s", (path) => {
  it("has a limit of commands, and those are answered", async () => {
    const commands = Array.from({ length: COMMANDS_MAX }, () => ["GET", "k"]);
    const most = await test.post(path, commands);
    expect(((await most.json()) as unknown[]).length).toBe(COMMANDS_MAX);
    const more = await test.post(path, [...commands, ["GET", "k"]]);
    expect(more.status).toBe(413);
    await expect(more.json()).resolves.toEqual({ error: expect.stringContaining("ERR too many commands") });
  });
});
