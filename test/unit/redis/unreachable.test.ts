/**
 * Goal: a connection that cannot be made says where, why and what to do, keeps its cause, and never shows a password; a Redis that
 * is too old is refused.
 * Method: real servers that refuse for each reason, asked by a reader over a URL and over a client.
 */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { inspect } from "node:util";
import { Cluster, Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { startNode, startServer } from "../../../rig/node.ts";
import { startOlderRedis } from "../../../rig/resp-proxy.ts";
import { createPresence, createProjector, createReader, PresenceError } from "../../../src/index.ts";
import type { RedisInput } from "../../../src/redis/connect.ts";
import { connect } from "../../../src/redis/connect.ts";

const PASSWORD = "s3cret-of-nobody";
let server: RedisServer;
let guarded: RedisServer;
let full: RedisServer;
const others: Server[] = [];

async function listening(one: Server): Promise<number> {
  others.push(one);
  one.listen(0, "127.0.0.1");
  await once(one, "listening");
  return (one.address() as AddressInfo).port;
}

beforeAll(async () => {
  server = await startRedis();
  guarded = await startRedis();
  full = await startRedis();
  const admin = new Redis(guarded.url);
  await admin.config("SET", "requirepass", PASSWORD);
  admin.disconnect();
});
afterAll(async () => {
  for (const one of others) one.close();
  await Promise.all([server, guarded, full].map((one) => one.stop()));
});

/** Why this cannot be reached. */
async function reason(redis: RedisInput): Promise<PresenceError> {
  const own = connect(redis, { timeout: 1_000, name: "own" });
  const error: unknown = await own.ready().catch((failure: unknown) => failure);
  own.close();
  expect(error).toBeInstanceOf(PresenceError);
  expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE" });
  expect((error as PresenceError).message).not.toContain(PASSWORD);
  return error as PresenceError;
}

const at = (url: string) => url.replace(/^.*[/@]/, "");

it("refused", async () => {
  const error = await reason("redis://127.0.0.1:1");
  expect(error.message).toMatch(/^cannot connect to Redis at 127\.0\.0\.1:1: ECONNREFUSED: .*start Redis/);
  expect(error.cause).toMatchObject({ code: "ECONNREFUSED" });
});

it("an unknown host", async () => {
  const error = await reason("redis://nowhere.invalid:6380");
  expect(error.message).toMatch(/at nowhere\.invalid:6380: (ENOTFOUND|EAI_AGAIN): /);
  expect(error.cause).toBeInstanceOf(Error);
});

it.each([2, 3] as const)("a wrong password, and none (RESP%i)", async (protocol) => {
  const { port } = guarded;
  const wrong = await reason(
    new Redis({ port, username: "default", password: `${PASSWORD}x`, protocol, lazyConnect: true }),
  );
  expect(wrong.message).toContain(
    `127.0.0.1:${port}: WRONGPASS: the user name or password is wrong`.replace("127.0.0.1", "localhost"),
  );
  expect(String(wrong.cause)).toContain("WRONGPASS");
  expect((await reason(`redis://:${PASSWORD}x@${at(guarded.url)}`)).message).toContain("WRONGPASS");
  const none = await reason(new Redis({ port, protocol, lazyConnect: true }));
  expect(none.message).toMatch(/: NOAUTH: it requires a password/);
});

it("TLS against a server without", async () => {
  const error = await reason(server.url.replace("redis:", "rediss:"));
  expect(error.message).toMatch(/: (ETIMEDOUT|EPROTO|ECONNRESET): .*use redis:\/\//);
});

describe("servers with TLS", () => {
  let port: number;
  let directory: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "rollcall-tls-"));
    const [key, cert] = [join(directory, "key"), join(directory, "cert")];
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
      "-keyout", key, "-out", cert], { stdio: "ignore" }); // prettier-ignore
    const tls = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) });
    tls.on("tlsClientError", () => {});
    port = await listening(tls);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("no TLS against one that requires it", async () => {
    const error = await reason(`redis://127.0.0.1:${port}`);
    expect(error.message).toMatch(/: (EPROTO|ECONNRESET): .*use rediss:\/\//);
  });

  it("a certificate that is not trusted", async () => {
    const error = await reason(`rediss://127.0.0.1:${port}`);
    expect(error.message).toMatch(/: CERT: .*`tls: \{ ca \}`/);
  });
});

it("a server that says nothing", async () => {
  const port = await listening(createServer((socket) => void socket.on("error", () => {})));
  const error = await reason(`redis://127.0.0.1:${port}`);
  expect(error.message).toMatch(/: ETIMEDOUT: /);
});

it("maxclients: what the server says is asked for, though the client only saw a broken pipe", async () => {
  const admin = new Redis(full.url);
  await admin.config("SET", "maxclients", "1");
  const error = await reason(full.url);
  await admin.config("SET", "maxclients", "1000");
  admin.disconnect();
  expect(error.message).toMatch(/: MAXCLIENTS: .*raise maxclients/);
  expect(String(error.cause)).toContain("max number of clients");
});

it("a Cluster: its nodes, and what the last of them said", async () => {
  const dead = await reason(
    new Cluster([{ host: "127.0.0.1", port: 1 }, `redis://:${PASSWORD}@127.0.0.1:2`], { lazyConnect: true }),
  );
  expect(dead.message).toMatch(/at 127\.0\.0\.1:1, 127\.0\.0\.1:2: ECONNREFUSED: /);
  const urls = [`redis://127.0.0.1:3?password=${PASSWORD}`, `redis://:${PASSWORD}?@x`, `127.0.0.1:4/0`];
  const odd = await reason(new Cluster(urls, { lazyConnect: true }));
  expect(odd.message).not.toContain(PASSWORD);
  expect(odd.message).toMatch(/at 127\.0\.0\.1:3, a node whose URL cannot be read, 127\.0\.0\.1:4: /);
  const single = await reason(new Cluster([{ host: "127.0.0.1", port: server.port }], { lazyConnect: true }));
  expect(single.message).toMatch(/it is not a Cluster/);
});

it("Sentinels: the group and its Sentinels", async () => {
  const sentinels = [{ host: "127.0.0.1", port: 1 }, { host: "127.0.0.1", port: 2 }]; // prettier-ignore
  const error = await reason(new Redis({ sentinels, name: "presence", lazyConnect: true }));
  expect(error.message).toMatch(
    /at presence \(by the Sentinels 127\.0\.0\.1:1, 127\.0\.0\.1:2\): ECONNREFUSED: /,
  );
});

it("a reader and a server report it, with its cause", async () => {
  const reader = createReader({ redis: "redis://127.0.0.1:1" });
  await expect(reader.counts()).rejects.toMatchObject({
    message: expect.stringContaining("ECONNREFUSED") as string,
  });
  reader.close();
  const { io } = await startServer();
  const presence = createPresence(io, {
    redis: "redis://127.0.0.1:1",
    user: () => null,
    logger: { info() {}, warn() {}, error() {} },
  });
  const error = await new Promise<PresenceError>((resolve) => {
    presence.on("error", resolve);
  });
  expect(error.message).toContain("127.0.0.1:1: ECONNREFUSED");
  expect(error.cause).toMatchObject({ code: "ECONNREFUSED" });
  await presence.close({ timeout: 100 });
  await io.close();
});

describe("a Redis without the commands of 6.2", () => {
  const older = () => startOlderRedis(server, { lacks: ["ZMSCORE"], version: "6.0.16" });
  const TOO_OLD = {
    code: "REDIS_TOO_OLD",
    message: expect.stringMatching(
      /^this Redis is 6\.0\.\w+, and Rollcall needs 6\.2 or later: it has no ZMSCORE$/,
    ) as string,
  };

  it("is refused at `ready`, by what it can do", async () => {
    await using redis = await older();
    await expect(startNode({ redis: redis.url, prefix: "old" })).rejects.toMatchObject(TOO_OLD);
  });

  it("is refused to a reader and a projector", async () => {
    await using redis = await older();
    const reader = createReader({ redis: redis.url });
    await expect(reader.counts()).rejects.toMatchObject(TOO_OLD);
    reader.close();
    await using projector = createProjector({ redis: redis.url });
    await expect(projector.run()).rejects.toMatchObject(TOO_OLD);
  });

  it("a user who may not run the command is not taken for it", async () => {
    const admin = new Redis(server.url);
    await admin.call("ACL", "SETUSER", "few", "on", ">pw", "+@connection", "+info", "~*");
    const own = connect(server.url.replace("//", "//few:pw@"), { timeout: 1_000, name: "own" });
    await own.ready();
    own.close();
    admin.disconnect();
  });
});

it("a URL that is none is refused when it is given, without its password", () => {
  for (const redis of [`redis://:${PASSWORD}@127.0.0.1:port`, `redis://:${PASSWORD}@[::1`, `rediss://u:${PASSWORD}/@127.0.0.1:1`])
    for (const create of [() => createReader({ redis }), () => createProjector({ redis, logger: false })]) {
      let thrown: unknown;
      try {
        create();
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ code: "OPTIONS_INVALID" });
      expect(inspect(thrown)).not.toContain(PASSWORD);
    }
}); // prettier-ignore
