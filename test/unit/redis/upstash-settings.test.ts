/**
 * Goal: a client of @upstash/redis works whatever its options, and is left as it was.
 * Method: each option of the installed version is in the table; then clients with hostile options read and project through the bridge
 * over a real Redis, with ids that these options would change.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Redis as Cloudflare } from "@upstash/redis/cloudflare";
import { Redis as Fastly } from "@upstash/redis/fastly";
import { Redis as Upstash, type RedisConfigNodejs } from "@upstash/redis";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Bridge, startBridge } from "../../../packages/upstash-bridge/src/index.ts";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { startNode, connect, type TestNode } from "../../../rig/node.ts";
import { untilEqual } from "../../../rig/until.ts";
import { createProjector, createReader } from "../../../src/index.ts";
import type { UpstashClient } from "../../../src/redis/upstash.ts";
import { UPSTASH_OPTIONS } from "../../../src/redis/upstash-settings.ts";

const TOKEN = "a-token-of-nobody";
/** Each would be changed by a client: a number, a boolean, null, a byte order mark, JSON, base64. */
const IDS = ["123", "true", "null", "\u{FEFF}alice", '{"a":1}', "YWxpY2U="];

it("the table has every option that the installed version declares", () => {
  const folder = dirname(createRequire(import.meta.url).resolve("@upstash/redis"));
  const options =
    readFileSync(join(folder, "nodejs.d.ts"), "utf8") + readFileSync(join(folder, "fastly.d.ts"), "utf8");
  const shared = readdirDeclarations(folder);
  const names = [
    ...declared(options, "RedisConfigNodejs = "),
    ...declared(options, "RedisConfigFastly = "),
    ...declared(shared, "type RedisOptions = "),
    ...declared(shared, "type RequesterConfig = "),
    "url",
    "token",
  ];
  expect(names.length).toBeGreaterThan(10);
  expect(names.filter((name) => !(name in UPSTASH_OPTIONS))).toEqual([]);
  UPSTASH_OPTIONS satisfies Readonly<Record<keyof RedisConfigNodejs, unknown>>;
});

function readdirDeclarations(folder: string): string {
  const [, file] = /from '\.\/(error-[^']+)\.js'/.exec(readFileSync(join(folder, "nodejs.d.ts"), "utf8"))!;
  return readFileSync(join(folder, `${file}.d.ts`), "utf8");
}

/** The optional members of the first type that begins so. */
function declared(text: string, start: string): string[] {
  const from = text.indexOf(start);
  expect(from, start).toBeGreaterThan(-1);
  const body = text.slice(from, text.indexOf("\n}", from));
  return [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, name]) => name!);
}

describe("through the bridge", () => {
  let server: RedisServer;
  let bridge: Bridge;
  let node: TestNode;
  let prefix: string;
  let prefixes = 0;

  beforeAll(async () => {
    server = await startRedis();
    bridge = await startBridge({ redis: server.url, token: TOKEN, readOnlyToken: `${TOKEN}-reads` });
  });
  afterAll(async () => {
    await bridge.close();
    await server.stop();
  });
  beforeEach(async () => {
    prefix = `u${prefixes++}`;
    node = await startNode({ redis: server.url, prefix, project: false });
    for (const id of IDS) await connect(node.url, id);
  });
  afterEach(() => node.close());

  async function works(client: UpstashClient): Promise<void> {
    const projector = createProjector({ redis: client, prefix });
    const reader = createReader({ redis: client, prefix });
    await untilEqual(async () => {
      await projector.sweep();
      return (await reader.counts()).users;
    }, IDS.length);
    const { users } = await reader.usersList();
    expect(users.map(({ id }) => id).toSorted()).toEqual(IDS.toSorted());
    for (const id of IDS) expect(await reader.isOnline(id)).toBe(true);
    expect((await reader.processes()).processes).toHaveLength(1);
    expect(await projector.verify()).toMatchObject({ differences: 0, checked: IDS.length });
  }

  const aborts = new AbortController();
  const HOSTILE = {
    automaticDeserialization: true,
    responseEncoding: "base64",
    latencyLogging: true,
    enableAutoPipelining: true,
    readYourWrites: false,
    enableTelemetry: true,
    retry: { retries: 50, backoff: () => 60_000 },
    cache: "force-cache",
    keepAlive: false,
    signal: aborts.signal,
  } satisfies Partial<RedisConfigNodejs>;

  const credentials = () => ({ url: bridge.url, token: TOKEN });

  it("Redis.fromEnv() as its page shows it", async () => {
    vi.stubEnv("UPSTASH_REDIS_REST_URL", bridge.url);
    vi.stubEnv("UPSTASH_REDIS_REST_TOKEN", TOKEN);
    try {
      await works(Upstash.fromEnv());
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it.each(Object.entries(HOSTILE))("%s", async (name, value) => {
    expect(name in UPSTASH_OPTIONS).toBe(true);
    const logged = vi.spyOn(console, "log");
    await works(new Upstash({ ...credentials(), [name]: value }));
    expect(logged).not.toHaveBeenCalled();
    logged.mockRestore();
  });

  it("all of them, automatic pipelining off, and false for each that takes it", async () => {
    await works(new Upstash({ ...credentials(), ...HOSTILE }));
    await works(new Upstash({
      ...credentials(), automaticDeserialization: false, responseEncoding: false, enableAutoPipelining: false, retry: false, enableTelemetry: false,
      signal: () => AbortSignal.timeout(60_000),
    })); // prettier-ignore
  });

  it("the clients of the other entry points", async () => {
    await works(new Cloudflare(credentials()));
    await works(new Fastly({ ...credentials(), backend: "upstash" }));
  });

  it("the client is left as it was", async () => {
    const client = new Upstash({ ...credentials() });
    await works(client);
    const key = `of-the-app-${prefix}`;
    await client.set(key, { a: [1, "\u{E9}"] });
    expect(await client.get(key)).toEqual({ a: [1, "\u{E9}"] });
  });

  it("its own signal aborts a request, which is then not taken for an answer", async () => {
    for (const signal of [AbortSignal.abort(), () => AbortSignal.abort()]) {
      const reader = createReader({ redis: new Upstash({ ...credentials(), signal }), prefix });
      await expect(reader.counts()).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
    }
  });

  it("Redis at maxmemory is read without MULTI", async () => {
    const client = new Upstash(credentials());
    await works(client);
    const admin = new Redis(server.url);
    await admin.config("SET", "maxmemory", "1");
    const { users } = await createReader({ redis: client, prefix }).counts();
    await admin.config("SET", "maxmemory", "0");
    admin.disconnect();
    expect(users).toBe(IDS.length);
  });
});

it("a client without URL or token is refused by the name of the variable", () => {
  const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
  vi.stubEnv("UPSTASH_REDIS_REST_URL", "");
  vi.stubEnv("UPSTASH_REDIS_REST_TOKEN", "");
  const refused = (name: string) =>
    expect.objectContaining({
      code: "OPTIONS_INVALID",
      message: expect.stringContaining(name) as string,
    }) as Error;
  expect(() => createReader({ redis: Upstash.fromEnv() })).toThrow(refused("UPSTASH_REDIS_REST_URL"));
  expect(() => createReader({ redis: new Upstash({ url: "http://127.0.0.1:1", token: "" }) })).toThrow(
    refused("UPSTASH_REDIS_REST_TOKEN"),
  );
  vi.unstubAllEnvs();
  warned.mockRestore();
});
