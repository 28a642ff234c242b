/**
 * Goal: any bytes survive the way in and the way out, at any depth of a reply, on every route.
 * Method: bytes go in by path and body, the only ways JSON cannot spoil; they come out under base64.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newKey, TOKEN, useBridge } from "./support.ts";

const test = useBridge();
const BASE64 = { "upstash-encoding": "base64" };
const b64 = (value: string | Uint8Array) => Buffer.from(value).toString("base64");
const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index);
const ask = async (path: string, body: unknown) =>
  (await test.post(path, body, BASE64)).json() as Promise<unknown>;

async function storeAsBody(path: string, body: Uint8Array<ArrayBuffer>): Promise<void> {
  const response = await test.request(path, { method: "POST", body });
  expect(response.status).toBe(200);
  await response.text();
}

describe("bytes", () => {
  it("come back from a hash, a sorted set and a stream, nested as these are", async () => {
    const key = newKey();
    await storeAsBody(`/hset/${key}:h/field`, everyByte);
    await storeAsBody(`/zadd/${key}:z/1`, everyByte);
    await storeAsBody(`/xadd/${key}:x/1-1/field`, everyByte);
    const bytes = b64(everyByte);
    await expect(ask("/", ["HGETALL", `${key}:h`])).resolves.toEqual({ result: [b64("field"), bytes] });
    await expect(ask("/", ["ZRANGE", `${key}:z`, 0, -1, "WITHSCORES"])).resolves.toEqual({
      result: [bytes, b64("1")],
    });
    await expect(ask("/", ["XREAD", "STREAMS", `${key}:x`, 0])).resolves.toEqual({
      result: [[b64(`${key}:x`), [[b64("1-1"), [b64("field"), bytes]]]]],
    });
  });

  it("may be a key, a field and a pattern too", async () => {
    const name = `${newKey()}%ff%00`;
    await storeAsBody(`/hset/${name}/%fe`, everyByte);
    const response = await test.request(`/hget/${name}/%fe`, {
      headers: { authorization: `Bearer ${TOKEN}`, ...BASE64 },
    });
    await expect(response.json()).resolves.toEqual({ result: b64(everyByte) });
    const found = await test.request(`/keys/${name}`, {
      headers: { authorization: `Bearer ${TOKEN}`, ...BASE64 },
    });
    const { result } = (await found.json()) as { result: string[] };
    expect(Buffer.from(result[0]!, "base64").subarray(-2)).toEqual(Buffer.from([255, 0]));
  });

  it("of any kind are the same after a round trip", async () => {
    const key = newKey();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), async (bytes) => {
        await storeAsBody(`/set/${key}`, new Uint8Array(bytes));
        expect(await ask("/", ["GET", key])).toEqual({ result: b64(bytes) });
      }),
      { numRuns: 100 },
    );
  });
});

describe("base64", () => {
  const script =
    "return {'a', {1, {'b', {redis.status_reply('c'), false, {}}}}, redis.error_reply('ERR inside')}";
  const nested = [b64("a"), [1, [b64("b"), [b64("c"), null, []]]], "ERR inside"];

  it.each(["/pipeline", "/multi-exec"])(
    "encodes strings at every depth in %s, and no error",
    async (path) => {
      const key = newKey();
      const rows = [
        ["SET", key, "text"],
        ["EVAL", script, 0],
        ["INCR", key],
        ["MGET", key, `${key}:none`],
        ["STRLEN", key],
      ];
      await expect(ask(path, rows)).resolves.toEqual([
        { result: "OK" },
        { result: nested },
        { error: "ERR value is not an integer or out of range" },
        { result: [b64("text"), null] },
        { result: 4 },
      ]);
    },
  );

  it("does not touch the error of a command, of a whole transaction, or of the bridge", async () => {
    await expect(ask("/", ["GET"])).resolves.toEqual({
      error: "ERR wrong number of arguments for 'get' command",
    });
    await expect(ask("/multi-exec", [["GET"]])).resolves.toEqual({
      error: "ERR wrong number of arguments for 'get' command",
    });
    await expect(ask("/pipeline", [])).resolves.toEqual({ error: "ERR empty pipeline request" });
  });

  it("tells a stored OK from a status by nothing, and the official client reads both right", async () => {
    const key = newKey();
    await test.direct.rpush(key, "OK", "T0s=");
    await expect(test.writer.lrange(key, 0, -1)).resolves.toEqual(["OK", "T0s="]);
    await test.direct.set(`${key}:s`, "OK");
    await expect(test.writer.get(`${key}:s`)).resolves.toBe("OK");
    await test.direct.set(`${key}:s`, "T0s=");
    await expect(test.writer.get(`${key}:s`)).resolves.toBe("T0s=");
  });
});
