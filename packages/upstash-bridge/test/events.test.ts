/**
 * Goal: event streams carry what Redis publishes, end when either side ends, and leave no connection behind.
 * Method: streams are read as text up to an expected line; connections are counted by Redis.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it, vi } from "vitest";
import { startBridge } from "../src/index.ts";
import { newKey, READ_ONLY_TOKEN, TOKEN, useBridge, WAIT } from "./support.ts";

const test = useBridge();

/** A stream and what it has said so far. */
async function listen(path: string, url = test.bridge.url) {
  const abort = new AbortController();
  const headers = { authorization: `Bearer ${TOKEN}`, accept: "text/event-stream" };
  const response = await fetch(url + path, { method: "POST", headers, signal: abort.signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    response,
    /** Everything up to and including `end`; rejects when the stream ends before. */
    async until(end: string): Promise<string> {
      while (!text.includes(end)) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`the stream ended after ${JSON.stringify(text)}`);
        text += value;
      }
      return text;
    },
    /** Resolves when the stream ends. */
    async ended(): Promise<"ended"> {
      while (!(await reader.read()).done);
      return "ended";
    },
    leave: () => abort.abort(),
  };
}

const subscribers = async () =>
  ((await test.direct.client("LIST", "TYPE", "PUBSUB")) as string).split("\n").filter(Boolean).length;
const expectNoSubscribers = () => vi.waitFor(async () => expect(await subscribers()).toBe(0), WAIT);

describe("/subscribe", () => {
  it("confirms, then carries messages word for word", async () => {
    const channel = newKey("channel");
    const stream = await listen(`/subscribe/${channel}`);
    expect(stream.response.headers.get("content-type")).toBe("text/event-stream");
    await stream.until(`data: subscribe,${channel},1\n\n`);
    await test.writer.publish(channel, "hello, wörld 🎉");
    await test.request(`/publish/${channel}/second`);
    const text = await stream.until("second\n\n");
    expect(text).toBe(
      `data: subscribe,${channel},1\n\n` +
        `data: message,${channel},hello, wörld 🎉\n\n` +
        `data: message,${channel},second\n\n`,
    );
    stream.leave();
    await expectNoSubscribers();
  });

  it("takes several channels and splits a message of several lines as the format asks", async () => {
    const [first, second] = [newKey("a/b"), newKey("c")];
    const stream = await listen(`/subscribe/${encodeURIComponent(first)}/${second}`);
    await stream.until(`data: subscribe,${second},2\n\n`);
    await test.direct.publish(first, "one\ntwo\r\nthree");
    const text = await stream.until("three\n\n");
    expect(text).toContain(`data: message,${first},one\ndata: two\ndata: three\n\n`);
    stream.leave();
    await expectNoSubscribers();
  });

  it("serves the official client", async () => {
    const channel = newKey("channel");
    const subscriber = test.writer.subscribe<string>([channel]);
    const received: string[] = [];
    await new Promise<void>((resolve) => subscriber.on("subscribe", () => resolve()));
    const all = new Promise<void>((resolve) =>
      subscriber.on("message", ({ message }) => {
        received.push(message);
        if (received.length === 100) resolve();
      }),
    );
    for (let index = 0; index < 100; index++) await test.direct.publish(channel, `message ${index}`);
    await all;
    expect(received).toEqual(Array.from({ length: 100 }, (_, index) => `message ${index}`));
    await subscriber.unsubscribe();
    await expectNoSubscribers();
  });
});

describe("/psubscribe", () => {
  it("names pattern and channel", async () => {
    const prefix = newKey("p");
    const stream = await listen(`/psubscribe/${prefix}*`);
    await stream.until(`data: psubscribe,${prefix}*,1\n\n`);
    await test.direct.publish(`${prefix}:x`, '{"a":1}');
    const text = await stream.until("}\n\n");
    expect(text).toContain(`data: pmessage,${prefix}*,${prefix}:x,{"a":1}\n\n`);
    stream.leave();
    await expectNoSubscribers();
  });

  it("serves the official client", async () => {
    const prefix = newKey("p");
    const subscriber = test.writer.psubscribe<{ n: number }>(`${prefix}*`);
    await new Promise<void>((resolve) => subscriber.on("psubscribe", () => resolve()));
    const received = new Promise((resolve) => subscriber.on("pmessage", resolve));
    await test.direct.publish(`${prefix}:x`, "text");
    await expect(received).resolves.toEqual({
      pattern: `${prefix}*`,
      channel: `${prefix}:x`,
      message: "text",
    });
    await subscriber.unsubscribe();
    await expectNoSubscribers();
  });
});

describe("patterns", () => {
  it("are Redis's, and several of them give a message for each that fits", async () => {
    const prefix = newKey("p");
    const patterns = [`${prefix}:h?llo`, `${prefix}:[ab]*`, String.raw`${prefix}:\*`];
    const stream = await listen(`/psubscribe/${patterns.map(encodeURIComponent).join("/")}`);
    await stream.until(`data: psubscribe,${patterns[2]},3\n\n`);
    for (const channel of ["hello", "hllo", "ahem", "b?llo", "*", "c"]) {
      await test.writer.publish(`${prefix}:${channel}`, channel);
    }
    await test.writer.publish(`${prefix}:a`, "end");
    const text = await stream.until("end\n\n");
    const received = text.split("\n\n").slice(3, -1);
    expect(received).toEqual([
      `data: pmessage,${patterns[0]},${prefix}:hello,hello`,
      `data: pmessage,${patterns[1]},${prefix}:ahem,ahem`,
      `data: pmessage,${patterns[1]},${prefix}:b?llo,b?llo`,
      `data: pmessage,${patterns[2]},${prefix}:*,*`,
      `data: pmessage,${patterns[1]},${prefix}:a,end`,
    ]);
    stream.leave();
    await expectNoSubscribers();
  });
});

describe("/monitor", () => {
  it("shows every command as redis-cli does", async () => {
    const stream = await listen("/monitor");
    await stream.until('data: "OK"\n\n');
    const key = newKey();
    await test.writer.set(key, 'a "quoted" value');
    const text = await stream.until("value");
    expect(text).toMatch(/data: \d+\.\d+ \[0 127\.0\.0\.1:\d+\] "SET"/);
    expect(text).toContain(String.raw`"${key}" "a \"quoted\" value"`);
    stream.leave();
  });
});

describe("an event stream", () => {
  it.each(["/subscribe/a", "/psubscribe/a", "/monitor"])(
    "of %s is not for the read-only token",
    async (path) => {
      const response = await fetch(`${test.bridge.url}${path}?_token=${READ_ONLY_TOKEN}`);
      expect(response.status).toBe(400);
      await expect(response.json()).resolves.toEqual({ error: expect.stringMatching(/^NOPERM /) });
    },
  );

  it.each(["/subscribe", "/subscribe/", "/psubscribe"])("needs something to listen to: %s", async (path) => {
    const response = await test.request(path);
    expect(response.status).toBe(400);
    await expect(response.json()).resolves.toEqual({
      error: expect.stringContaining("wrong number of arguments"),
    });
  });

  it("that nobody reads is cut before it fills the memory", async () => {
    const channel = newKey("channel");
    const abort = new AbortController();
    const response = await test.request(`/subscribe/${channel}`, {
      headers: { authorization: `Bearer ${TOKEN}` },
      signal: abort.signal,
    });
    expect(response.status).toBe(200);
    const megabyte = "x".repeat(1024 * 1024);
    let delivered = 1;
    for (let index = 0; index < 64 && delivered > 0; index++)
      delivered = await test.direct.publish(channel, megabyte);
    expect(delivered).toBe(0);
    abort.abort();
  });

  it("ends with its Redis connection, so that a listener knows", async () => {
    const stream = await listen(`/subscribe/${newKey("channel")}`);
    await stream.until("data: subscribe");
    await test.direct.client("KILL", "TYPE", "PUBSUB");
    await expect(stream.ended()).resolves.toBe("ended");
  });

  it("ends when the bridge closes", async () => {
    const bridge = await startBridge({
      redis: test.server.url,
      token: TOKEN,
      readOnlyToken: READ_ONLY_TOKEN,
    });
    const streams = await Promise.all([
      listen(`/subscribe/${newKey("channel")}`, bridge.url),
      listen("/monitor", bridge.url),
    ]);
    await bridge.close();
    await expect(Promise.all(streams.map((stream) => stream.ended()))).resolves.toEqual(["ended", "ended"]);
    await expectNoSubscribers();
  });

  it("may be left without a word, by a connection that is cut", async () => {
    const sockets = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const socket = connect(Number(new URL(test.bridge.url).port), "127.0.0.1");
        socket.write(`GET /subscribe/${newKey("channel")}?_token=${TOKEN} HTTP/1.1\r\nHost: bridge\r\n\r\n`);
        let text = "";
        while (!text.includes("data: subscribe")) text += String((await once(socket, "data"))[0]);
        return socket;
      }),
    );
    await expect(subscribers()).resolves.toBe(10);
    for (const socket of sockets) socket.resetAndDestroy();
    await expectNoSubscribers();
  });

  it("may be left while it is being opened", async () => {
    const leave = async () => {
      const abort = new AbortController();
      const opening = test
        .request(`/subscribe/${newKey("channel")}`, {
          headers: { authorization: `Bearer ${TOKEN}` },
          signal: abort.signal,
        })
        .catch(() => undefined);
      const aborted = once(abort.signal, "abort");
      setImmediate(() => abort.abort());
      await Promise.all([aborted, opening]);
    };
    await Promise.all(Array.from({ length: 20 }, leave));
    await expectNoSubscribers();
    await expect(test.writer.echo("still here")).resolves.toBe("still here");
  });
});
