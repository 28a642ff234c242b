/** What the tests of the bridge share: a Redis and a bridge a file, and clients for both ends. */
import { randomUUID } from "node:crypto";
import { Redis as Upstash } from "@upstash/redis";
import { Redis } from "ioredis";
import { afterAll, beforeAll } from "vitest";
import { startBridge, type Bridge, type BridgeOptions } from "../src/index.ts";
import { startRedis, type RedisServer } from "../../local-redis/src/index.ts";

export const TOKEN = "the-token-that-may-write";
export const READ_ONLY_TOKEN = "the-token-that-may-only-read";

export interface TestBridge {
  readonly server: RedisServer;
  readonly bridge: Bridge;
  /** Redis itself, past the bridge. */
  readonly direct: Redis;
  /** The official client with either token; values stay as they are, failures are not retried. */
  readonly writer: Upstash;
  readonly reader: Upstash;
  /** A plain request with the read-write token, unless `init` brings other headers. */
  request(path: string, init?: RequestInit): Promise<Response>;
  /** `POST /` or another path with JSON. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

/** Starts both before the tests of a file and ends them after; the object is filled by then. */
export function useBridge(options: Partial<BridgeOptions> = {}): TestBridge {
  const test = {} as { -readonly [Name in keyof TestBridge]: TestBridge[Name] };
  beforeAll(async () => {
    test.server = await startRedis();
    test.direct = new Redis(test.server.url);
    test.bridge = await startBridge({
      redis: test.server.url,
      token: TOKEN,
      readOnlyToken: READ_ONLY_TOKEN,
      ...options,
    });
    test.writer = client(test.bridge.url, TOKEN);
    test.reader = client(test.bridge.url, READ_ONLY_TOKEN);
    test.request = (path, init = {}) =>
      fetch(test.bridge.url + path, { headers: { authorization: `Bearer ${TOKEN}` }, ...init });
    test.post = (path, body, headers = {}) =>
      test.request(path, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { authorization: `Bearer ${TOKEN}`, ...headers },
      });
  });
  afterAll(async () => {
    await test.bridge.close();
    test.direct.disconnect();
    await test.server.stop();
  });
  return test;
}

export function client(url: string, token: string): Upstash {
  return new Upstash({
    url,
    token,
    automaticDeserialization: false,
    retry: { retries: 0 },
    enableTelemetry: false,
    enableAutoPipelining: false,
  });
}

/** For vi.waitFor(), whose own default of a second is short for a busy machine. */
export const WAIT = { timeout: 25_000 };

/** A key no other test has. */
export function newKey(name = "key"): string {
  return `${name}:${randomUUID()}`;
}

/** The error text of a command that must fail, without the command the client appends. */
export async function errorOf(result: Promise<unknown>): Promise<string> {
  try {
    await result;
  } catch (error) {
    return (error as Error).message.replace(/, command was: [\s\S]*$/, "");
  }
  throw new Error("the command succeeded");
}
