/**
 * Goal: a bridge says what is wrong with its options, bounds what a request may cost, survives its Redis, and
 * closes without leaving anything open or unanswered.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Redis } from "ioredis";
import { describe, expect, it, vi } from "vitest";
import { BODY_BYTES_MAX, BridgeError, startBridge, type BridgeOptions } from "../src/index.ts";
import { startRedis } from "../../local-redis/src/index.ts";
import { client, errorOf, newKey, READ_ONLY_TOKEN, TOKEN, useBridge, WAIT } from "./support.ts";

const test = useBridge();
const options = (): BridgeOptions => ({
  redis: test.server.url,
  token: TOKEN,
  readOnlyToken: READ_ONLY_TOKEN,
});
const connections = async () =>
  ((await test.direct.client("LIST", "TYPE", "NORMAL")) as string).split("\n").filter(Boolean).length;

/** Holds back every write until resume(); reads, and what is asked below, go on. */
const pauseWrites = () => test.direct.client("PAUSE", 120_000, "WRITE");
const resume = () => test.direct.client("UNPAUSE");

/** Waits until Redis holds `bytes` of commands of the connection that waits for a paused write. */
const heldBack = (bytes: number) =>
  vi.waitFor(async () => {
    const list = (await test.direct.client("LIST", "TYPE", "NORMAL")) as string;
    const waiting = list.split("\n").find((line) => / flags=b /.test(line));
    expect(Number(/ qbuf=(\d+)/.exec(waiting ?? "")?.[1])).toBeGreaterThanOrEqual(bytes);
  }, WAIT);

describe("options", () => {
  it.each([
    ["redis must be a URL", { redis: "localhost:6379" }],
    ["redis must be a URL", { redis: "http://localhost" }],
    ["redis has an invalid database", { redis: "redis://127.0.0.1:6379/abc" }],
    ["redis has an invalid database", { redis: "redis://127.0.0.1:6379/1/2" }],
    ["token has 5 characters", { token: "short" }],
    ["readOnlyToken has 0 characters", { readOnlyToken: "" }],
    ["equal", { readOnlyToken: TOKEN }],
    ["printable ASCII", { token: "a token with spaces inside" }],
    ["port is 70000", { port: 70_000 }],
    ["commandTimeoutMs is 0", { commandTimeoutMs: 0 }],
    ["unknown option prot of startBridge: it takes redis", { prot: 7_000 }],
    ["Redis cannot be reached", { redis: "redis://127.0.0.1:1" }],
  ])("that cannot work are refused: %s", async (message, wrong) => {
    const start = startBridge({ ...options(), ...wrong });
    await expect(start).rejects.toBeInstanceOf(BridgeError);
    await expect(start).rejects.toThrow(message);
  });

  it("with a database that Redis does not have are refused, or commands would go to database 0", async () => {
    const start = startBridge({ ...options(), redis: `${test.server.url}/99` });
    await expect(start).rejects.toThrow("Redis cannot be reached: ERR DB index is out of range");
    await using bridge = await startBridge({ ...options(), redis: `${test.server.url}/9` });
    const key = newKey();
    await client(bridge.url, TOKEN).set(key, "value");
    await expect(test.direct.exists(key)).resolves.toBe(0);
  });

  it("with a user of Redis who may not do what the bridge needs are refused with Redis's reason", async () => {
    await using server = await startRedis();
    const withUser = (user: string) => server.url.replace("//", `//${user}@`);
    const admin = new Redis(server.url);
    await admin.acl("SETUSER", "few", "on", ">word", "~*", "+get", "+info");
    await admin.config("SET", "requirepass", "the password");
    admin.disconnect();
    const starting = (redis: string) => startBridge({ ...options(), redis });
    await expect(starting(server.url)).rejects.toThrow(/^Redis cannot be reached: NOAUTH [^.]*\. Check/);
    await expect(starting(withUser("few:other"))).rejects.toThrow(
      /^Redis cannot be reached: WRONGPASS [^.]*\. Check/,
    );
    const few = starting(withUser("few:word"));
    await expect(few).rejects.toBeInstanceOf(BridgeError);
    await expect(few).rejects.toThrow(/^Redis does not list its commands: NOPERM .*\+command/);
  });

  it("with something that is no Redis are refused", async () => {
    const other = createServer((socket) => socket.destroy());
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    await expect(startBridge({ ...options(), redis: `redis://127.0.0.1:${port}` })).rejects.toThrow(
      "Redis cannot be reached: the connection was closed. Check",
    );
    other.close();
  });

  it("with a port that is taken are refused, and the connection to Redis is closed again", async () => {
    const before = await connections();
    const port = Number(new URL(test.bridge.url).port);
    await expect(startBridge({ ...options(), port })).rejects.toThrow(`port ${port} of 127.0.0.1`);
    await vi.waitFor(async () => expect(await connections()).toBe(before), WAIT);
  });
});

describe("a body", () => {
  const frame = '["ECHO",""]'.length;

  it("may have 10 MB, and not a byte more", async () => {
    const value = "x".repeat(BODY_BYTES_MAX - frame);
    const largest = await test.post("/", ["ECHO", value]);
    expect(largest.status).toBe(200);
    expect(((await largest.json()) as { result: string }).result).toBe(value);
    const larger = await test.post("/", ["ECHO", `${value}x`]);
    expect(larger.status).toBe(413);
    await expect(larger.json()).resolves.toEqual({
      error: expect.stringContaining(`ERR max request size exceeded. Limit: ${BODY_BYTES_MAX} bytes`),
    });
  });

  it.each([
    ["/pipeline", '[["ECHO","', '"]]'],
    ["/multi-exec", '[["ECHO","', '"]]'],
    ["/echo", "", ""],
  ])("of %s has the same limit", async (path, before, after) => {
    const send = (length: number) => {
      const body = before + "x".repeat(length - before.length - after.length) + after;
      return test.request(path, { method: "POST", body });
    };
    const largest = await send(BODY_BYTES_MAX);
    expect(largest.status).toBe(200);
    await largest.text();
    const larger = await send(BODY_BYTES_MAX + 1);
    expect(larger.status).toBe(413);
    await larger.text();
  });

  it("is measured in bytes, not in characters", async () => {
    const value = "é".repeat((BODY_BYTES_MAX - frame) / 2 + 1);
    const response = await test.post("/", ["ECHO", value]);
    expect(response.status).toBe(413);
    await response.text();
  });

  it("is where long arguments go: a path has the room that Node gives to a request's head", async () => {
    const status = async (length: number) => {
      const response = await test.request(`/echo/${"x".repeat(length)}`);
      await response.text();
      return response.status;
    };
    await expect(Promise.all([status(15_000), status(17_000)])).resolves.toEqual([200, 431]);
  });

  it("is measured while it arrives when it does not say how long it is", async () => {
    // Not fetch: when the connection is closed, undici may go on pulling an endless body without a pause, until memory is full.
    const chunk = Buffer.alloc(1024 * 1024);
    const headers = { authorization: `Bearer ${TOKEN}`, "transfer-encoding": "chunked" };
    const sending = httpRequest(`${test.bridge.url}/set/${newKey()}`, { method: "POST", headers });
    const answered = new Promise<number | "reset" | undefined>((resolve) => {
      // Whether the refusal or the reset of a connection that keeps sending comes first is up to the network.
      sending.once("response", (response) => resolve(response.resume().statusCode));
      sending.once("error", () => resolve("reset"));
    });
    let sent = 0;
    let isOver = false;
    void answered.then(() => (isOver = true));
    const send = () => {
      if (isOver || sent >= 200 || sending.destroyed) return;
      sent++;
      if (sending.write(chunk)) setImmediate(send);
      else sending.once("drain", send);
    };
    send();
    expect([413, "reset"]).toContain(await answered);
    sending.destroy();
    expect(sent).toBeLessThan(200);
    await expect(test.writer.echo("next")).resolves.toBe("next");
  });
});

describe("Redis", () => {
  it("that does not answer in time is not waited for, and answers stay with their questions", async () => {
    await using bridge = await startBridge({ ...options(), commandTimeoutMs: 100 });
    const key = newKey();
    await pauseWrites();
    const slow = await fetch(`${bridge.url}/append/${key}/x?_token=${TOKEN}`);
    await expect(slow.json()).resolves.toEqual({
      error: "ERR the command took longer than 100 ms; whether it ran is unknown",
    });
    expect(slow.status).toBe(504);
    await resume();
    // A busy machine may take longer than 100 ms for the next one too; what it answers is its own answer.
    let answer: string;
    do answer = await client(bridge.url, TOKEN).echo("in step").catch(String);
    while (/took longer than 100 ms/.test(answer));
    expect(answer).toBe("in step");
    // It was sent, so it ran once Redis went on: unknown is the right word.
    await expect(test.direct.get(key)).resolves.toBe("x");
  });

  it("may go away and come back", async () => {
    const server = await startRedis();
    const warnings: string[] = [];
    const logger = { warn: (message: string) => void warnings.push(message) };
    await using bridge = await startBridge({ ...options(), redis: server.url, logger });
    const writer = client(bridge.url, TOKEN);
    await writer.set("key", "value");
    await server.stop();
    const unreachable = /^ERR Redis is not reachable/;
    await expect(errorOf(writer.get("key"))).resolves.toMatch(unreachable);
    await expect(errorOf(writer.multi().get("key").exec())).resolves.toMatch(unreachable);
    await expect(errorOf(writer.pipeline().get("key").exec())).resolves.toMatch(/Redis is not reachable/);
    const stream = await fetch(`${bridge.url}/subscribe/a?_token=${TOKEN}`);
    expect(stream.status).toBe(503);
    await stream.text();
    await using again = await startRedis({ port: server.port });
    await vi.waitFor(async () => expect(await writer.get("key")).toBeNull(), WAIT);
    expect(again.port).toBe(server.port);
    expect(warnings).toContain("the connection to Redis is lost; requests fail until it is restored");
    expect(warnings.join("\n")).not.toMatch(/value|the-token/);
  });
});

describe("close()", () => {
  it("lets requests in flight finish and takes no more", async () => {
    const before = await connections();
    const bridge = await startBridge(options());
    const writer = client(bridge.url, TOKEN);
    const key = newKey();
    await pauseWrites();
    const inFlight = Promise.all(Array.from({ length: 20 }, () => writer.incr(key)));
    const frame = `*2\r\n$4\r\nINCR\r\n$${key.length}\r\n${key}\r\n`;
    await heldBack(19 * frame.length);
    const closed = bridge.close();
    await resume();
    expect((await inFlight).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    await closed;
    await expect(fetch(bridge.url)).rejects.toThrow("fetch failed");
    await vi.waitFor(async () => expect(await connections()).toBe(before), WAIT);
  });

  it("does not wait for ever, and answers whom it cuts off", async () => {
    const bridge = await startBridge({ ...options(), commandTimeoutMs: 120_000 });
    await pauseWrites();
    const stuck = client(bridge.url, TOKEN)
      .incr(newKey())
      .then(
        () => "answered",
        (error: Error) => error.message,
      );
    await heldBack(0);
    // Writes stay paused for longer than a test may take.
    await bridge.close();
    await resume();
    await expect(stuck).resolves.toMatch(/^ERR Redis is not reachable; whether the command ran is unknown/);
  });

  it("leaves nothing open: a process that did everything ends by itself", async () => {
    const [redis, bridge] = ["../../local-redis/src/index.ts", "../src/index.ts"].map(
      (file) => new URL(file, import.meta.url).href,
    );
    const script = `
      const { startRedis } = await import(${JSON.stringify(redis)});
      const { startBridge } = await import(${JSON.stringify(bridge)});
      const server = await startRedis();
      const bridge = await startBridge({ redis: server.url, token: "${TOKEN}", readOnlyToken: "${READ_ONLY_TOKEN}" });
      const init = { headers: { authorization: "Bearer ${TOKEN}" } };
      await (await fetch(bridge.url + "/set/key/value", init)).text();
      const events = await fetch(bridge.url + "/subscribe/channel", init);
      const monitor = await fetch(bridge.url + "/monitor", init);
      await bridge.close();
      await Promise.all([events.text(), monitor.text()]);
      await server.stop();
      process.stdout.write("closed");`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script]);
    const said = text(child.stdout);
    const [code] = (await once(child, "close")) as [number];
    expect([code, await said]).toEqual([0, "closed"]);
  });

  it("may be called twice, and by `await using`", async () => {
    await using bridge = await startBridge(options());
    const both = [bridge.close(), bridge.close()];
    await Promise.all(both);
    expect(both[0]).toBe(both[1]);
  });
});
