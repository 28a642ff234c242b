/**
 * Goal: scripts with Upstash's flag `allow-key-locking` run, under the SHA1 that the client knows.
 * Method: the official rate limiter, all of whose scripts have it, and each command that takes a script or its SHA1.
 */
import { createHash } from "node:crypto";
import { Ratelimit } from "@upstash/ratelimit";
import { describe, expect, it } from "vitest";
import { errorOf, newKey, useBridge } from "./support.ts";

const test = useBridge();
const sha1 = (text: string) => createHash("sha1").update(text).digest("hex");
let scripts = 0;
/** One that no other test has. */
const newScript = (flags: string) => `#!lua flags=${flags}\nreturn { ARGV[1], ${++scripts} }`;

describe("the official rate limiter", () => {
  it.each([
    ["a fixed window", Ratelimit.fixedWindow(2, "1 h")],
    ["a sliding window", Ratelimit.slidingWindow(2, "1 h")],
    ["a token bucket", Ratelimit.tokenBucket(2, "1 h", 2)],
  ])("limits by %s", async (_, limiter) => {
    const limit = new Ratelimit({ redis: test.writer, limiter, prefix: newKey(), ephemeralCache: false });
    const user = newKey("user");
    const answers = [await limit.limit(user), await limit.limit(user), await limit.limit(user)];
    expect(answers.map(({ success }) => success)).toEqual([true, true, false]);
    expect(await limit.getRemaining(user)).toMatchObject({ remaining: 0 });
    await limit.resetUsedTokens(user);
    expect(await limit.limit(user)).toMatchObject({ success: true });
  });
});

describe("a script with the flag", () => {
  it("is run by its text, and then by its own SHA1", async () => {
    const script = newScript("allow-key-locking");
    expect(await errorOf(test.writer.evalsha(sha1(script), [], ["a"]))).toContain("NOSCRIPT");
    await expect(test.writer.eval(script, [], ["a"])).resolves.toEqual(["a", scripts]);
    await expect(test.writer.evalsha(sha1(script), [], ["b"])).resolves.toEqual(["b", scripts]);
    await expect(test.writer.evalsha(sha1(script).toUpperCase(), [], ["c"])).resolves.toEqual(["c", scripts]);
  });

  it("is loaded under its own SHA1, alone, in a pipeline and in a transaction", async () => {
    for (const load of [
      async (script: string) => test.writer.scriptLoad(script),
      async (script: string) => (await test.writer.pipeline().echo("x").scriptLoad(script).exec())[1],
      async (script: string) => (await test.writer.multi().echo("x").scriptLoad(script).exec())[1],
    ]) {
      const script = newScript("allow-key-locking");
      expect(await load(script)).toBe(sha1(script));
      await expect(test.writer.scriptExists(sha1(script), sha1("other"))).resolves.toEqual([1, 0]);
      await expect(test.writer.evalsha(sha1(script), [], ["b"])).resolves.toEqual(["b", scripts]);
    }
  });

  it("is not known any more after SCRIPT FLUSH", async () => {
    const script = newScript("allow-key-locking");
    await test.writer.scriptLoad(script);
    await test.writer.scriptFlush();
    await expect(test.writer.scriptExists(sha1(script))).resolves.toEqual([0]);
    expect(await errorOf(test.writer.evalsha(sha1(script), [], []))).toContain("NOSCRIPT");
  });

  it("keeps its other flags", async () => {
    const key = newKey();
    const writes = `#!lua flags=no-writes,allow-key-locking\nreturn redis.call('SET', KEYS[1], '1')`;
    expect(await errorOf(test.writer.eval(writes, [key], []))).toMatch(/Write commands are not allowed/);
    await expect(test.writer.evalRo(newScript("allow-key-locking,no-writes"), [], ["a"])).resolves.toEqual([
      "a",
      scripts,
    ]);
  });

  it("keeps its lines, as errors have them", async () => {
    const script = "#!lua flags=allow-key-locking\n\nerror('it fails')";
    expect(await errorOf(test.writer.eval(script, [], []))).toMatch(/user_script:3: it fails/);
  });
});

it("a script with a flag that neither knows is refused with Redis's words", async () => {
  expect(await errorOf(test.writer.eval(newScript("allow-anything"), [], []))).toMatch(/Unexpected flag/);
});
