/**
 * Goal: on Node a request goes to an address that was checked and to no other, over TLS that is verified; it ends in time whatever the
 * receiver does, and leaves no connection.
 * Method: real servers on several loopback addresses; a resolver of the test's own, which can change its mind.
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { checkAllow } from "../../../src/core/webhook-address.ts";
import { nodeSend, type Resolve } from "../../../src/webhooks/node-send.ts";
import { until } from "../../../rig/until.ts";
import { makeCertificate, type Receiver, startReceiver, status } from "./support.ts";

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});
async function receiverAt(options?: Parameters<typeof startReceiver>[0]): Promise<Receiver> {
  const receiver = await startReceiver(options);
  open.push(receiver);
  return receiver;
}

/** Answers with these addresses, one list after the other, the last one forever; counts. */
function resolver(...lists: string[][]): Resolve & { readonly asked: string[] } {
  const asked: string[] = [];
  const resolve = async (host: string) => {
    asked.push(host);
    const list = lists.length > 1 ? lists.shift()! : lists[0]!;
    return list.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  };
  return Object.assign(resolve, { asked });
}

const LOOPBACK = checkAllow(["127.0.0.0/8"]);
const message = { headers: { "webhook-id": "1" }, body: '{"a":"ü"}' };
const post = (
  port: number,
  send: ReturnType<typeof nodeSend>,
  { host = "hooks.example", protocol = "http", ms = 5_000 } = {},
) => send({ ...message, url: new URL(`${protocol}://${host}:${port}/in?x=1`) }, AbortSignal.timeout(ms));

describe("a name", () => {
  it("is resolved once an attempt, and the connection goes to what was checked", async () => {
    const one = await receiverAt();
    const other = await receiverAt({ host: "127.0.0.2", port: one.port });
    // Whoever asks a second time gets the other address.
    const resolve = resolver(["127.0.0.1"], ["127.0.0.2"]);
    const send = nodeSend({ allowed: checkAllow(["127.0.0.1"]), resolve });
    expect(await post(one.port, send)).toEqual({ status: 204, retryAfter: null });
    expect(resolve.asked).toEqual(["hooks.example"]);
    expect(one.received).toMatchObject([
      {
        method: "POST",
        path: "/in?x=1",
        body: message.body,
        headers: { host: `hooks.example:${one.port}`, "webhook-id": "1" },
      },
    ]);
    await expect(post(one.port, send)).rejects.toThrow("the host has a private or reserved address");
    expect(resolve.asked).toHaveLength(2);
    expect(other.received).toEqual([]);
    expect(other.sockets.size).toBe(0);
  });

  it("that has a private address among public ones is refused", async () => {
    const { port, received } = await receiverAt();
    const send = nodeSend({ allowed: checkAllow(), resolve: resolver(["93.184.215.14", "127.0.0.1"]) });
    await expect(post(port, send)).rejects.toThrow("private or reserved");
    expect(received).toEqual([]);
  });

  it.each([["::ffff:127.0.0.1"], ["::1"], ["0.0.0.0"], ["169.254.169.254"], ["fe80::1%lo"]])(
    "that has the address %s is refused",
    async (address) => {
      const { port, received } = await receiverAt();
      const send = nodeSend({ allowed: checkAllow(), resolve: resolver([address]) });
      await expect(post(port, send)).rejects.toThrow("private or reserved");
      expect(received).toEqual([]);
    },
  );

  it("that is allowed may have any address", async () => {
    const { port } = await receiverAt();
    const send = nodeSend({ allowed: checkAllow(["hooks.example"]), resolve: resolver(["127.0.0.1"]) });
    expect(await post(port, send)).toMatchObject({ status: 204 });
  });

  it("whose first address does not answer is tried at the next", async () => {
    const { port } = await receiverAt();
    const send = nodeSend({ allowed: LOOPBACK, resolve: resolver(["127.0.0.3", "127.0.0.1"]) });
    expect(await post(port, send)).toMatchObject({ status: 204 });
  });

  it("without an address is a failure, and so is one that cannot be resolved, or not in time", async () => {
    const none = nodeSend({ allowed: LOOPBACK, resolve: resolver([]) });
    await expect(post(1, none)).rejects.toThrow("the host has no address");
    const unknown = nodeSend({
      allowed: LOOPBACK,
      resolve: () => Promise.reject(Object.assign(new Error("no"), { code: "ENOTFOUND" })),
    });
    await expect(post(1, unknown)).rejects.toMatchObject({ code: "ENOTFOUND" });
    const slow = nodeSend({ allowed: LOOPBACK, resolve: () => new Promise(() => {}) });
    await expect(post(1, slow, { ms: 50 })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  it("of this machine is resolved by the system", async () => {
    const { port, received } = await receiverAt();
    expect(
      await post(port, nodeSend({ allowed: checkAllow(["localhost"]) }), { host: "localhost" }),
    ).toMatchObject({
      status: 204,
    });
    expect(received).toHaveLength(1);
    await expect(post(port, nodeSend({ allowed: checkAllow() }), { host: "localhost" })).rejects.toThrow(
      "the host is",
    );
  });
});

it("an address in the URL is checked, and not resolved", async () => {
  const { port, received } = await receiverAt();
  const resolve = resolver(["8.8.8.8"]);
  expect(await post(port, nodeSend({ allowed: LOOPBACK, resolve }), { host: "127.0.0.1" })).toMatchObject({
    status: 204,
  });
  await expect(
    post(port, nodeSend({ allowed: checkAllow(), resolve }), { host: "127.0.0.1" }),
  ).rejects.toThrow("private or reserved");
  expect(resolve.asked).toEqual([]);
  expect(received).toHaveLength(1);
});

describe("TLS", () => {
  const certificate = makeCertificate();

  it("is verified: against the authority, and the name", async () => {
    const receiver = await receiverAt({ certificate });
    const { port, received } = receiver;
    const resolve = resolver(["127.0.0.1"]);
    const trusting = nodeSend({ allowed: LOOPBACK, resolve, ca: certificate.cert });
    const protocol = "https";
    expect(await post(port, trusting, { protocol })).toMatchObject({ status: 204 });
    expect(await post(port, trusting, { protocol, host: "127.0.0.1" })).toMatchObject({ status: 204 });
    expect(received).toHaveLength(2);
    await expect(post(port, trusting, { protocol, host: "other.example" })).rejects.toMatchObject({
      code: "ERR_TLS_CERT_ALTNAME_INVALID",
    });
    const usual = nodeSend({ allowed: LOOPBACK, resolve });
    await expect(post(port, usual, { protocol })).rejects.toMatchObject({
      code: "DEPTH_ZERO_SELF_SIGNED_CERT",
    });
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    try {
      await expect(post(port, usual, { protocol })).rejects.toMatchObject({
        code: "DEPTH_ZERO_SELF_SIGNED_CERT",
      });
    } finally {
      delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    }
    expect(received).toHaveLength(2);
  });
});

describe("an answer", () => {
  const send = nodeSend({ allowed: LOOPBACK });
  const host = "127.0.0.1";
  const closed = (receiver: Receiver) => until("no connection is left", () => receiver.sockets.size === 0);

  it.each([200, 204, 301, 302, 307, 308, 400, 410, 500])(
    "with status %i is handed back, and no redirect followed",
    async (code) => {
      const receiver = await receiverAt();
      const elsewhere = await receiverAt();
      receiver.answer = status(code, { location: `http://127.0.0.1:${elsewhere.port}/`, "retry-after": "7" });
      expect(await post(receiver.port, send, { host })).toEqual({ status: code, retryAfter: "7" });
      await closed(receiver);
      expect(elsewhere.received).toEqual([]);
    },
  );

  it("counts when its status is there: a body that never ends is cut", async () => {
    const receiver = await receiverAt();
    receiver.answer = (response) => response.writeHead(200).write("a");
    expect(await post(receiver.port, send, { host })).toMatchObject({ status: 200 });
    await closed(receiver);
  });

  it("that is huge is cut after a few kB", async () => {
    const receiver = await receiverAt();
    let sent = 0;
    receiver.answer = (response) => {
      const chunk = Buffer.alloc(65_536);
      const more = () => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
      };
      response.writeHead(200).on("drain", more);
      more();
    };
    expect(await post(receiver.port, send, { host })).toMatchObject({ status: 200 });
    await closed(receiver);
    // What the sockets hold.
    expect(sent).toBeLessThan(20_000_000);
  });

  it("whose headers are huge is a failure", async () => {
    const receiver = await receiverAt();
    receiver.answer = (response) => response.writeHead(200, { "x-a": "a".repeat(100_000) }).end();
    await expect(post(receiver.port, send, { host })).rejects.toMatchObject({ code: "HPE_HEADER_OVERFLOW" });
    await closed(receiver);
  });

  it("that never comes ends with the signal", async () => {
    const receiver = await receiverAt();
    receiver.answer = () => {};
    await expect(post(receiver.port, send, { host, ms: 100 })).rejects.toThrow("aborted");
    await closed(receiver);
  });

  it.each([
    ["a reset", (socket: Socket) => socket.resetAndDestroy(), /ECONNRESET|socket hang up/],
    ["the end", (socket: Socket) => socket.end(), /socket hang up|ECONNRESET/],
    ["no HTTP", (socket: Socket) => socket.end("220 smtp.example\r\n"), /Parse Error/],
    [
      "another protocol",
      (socket: Socket) =>
        socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
      /./,
    ],
  ])("that is %s is a failure", async (_, answer, message_) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => answer(socket));
    });
    server.listen(0, host);
    await once(server, "listening");
    try {
      await expect(post((server.address() as AddressInfo).port, send, { host })).rejects.toThrow(message_);
    } finally {
      server.close();
    }
  });

  it("from nobody is a failure", async () => {
    const receiver = await startReceiver();
    await receiver[Symbol.asyncDispose]();
    await expect(post(receiver.port, send, { host })).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});
