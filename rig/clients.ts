/**
 * Every client with which Rollcall reaches Redis, for suites that must pass on all of them: ioredis with RESP2 and with RESP3,
 * and @upstash/redis through the local bridge.
 */
import { Redis as UpstashRedis } from "@upstash/redis";
import { Redis } from "ioredis";
import { startBridge } from "../packages/upstash-bridge/src/index.ts";
import { startRedis } from "./redis.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";
import type { ReadPort, WritePort } from "../src/redis/port.ts";
import { upstashReadPort, upstashWritePort } from "../src/redis/upstash.ts";

export interface Client {
  /** Reads as a reader does: over the bridge, with the read-only token. */
  readonly read: ReadPort;
  readonly write: WritePort;
  /** A plain connection, to append records and read keys. */
  readonly redis: Redis;
  close(): Promise<void>;
}

const TOKEN = "a-read-write-token-for-tests";
const READ_ONLY_TOKEN = "a-read-only-token-for-tests";

export function upstash(url: string, token: string): UpstashRedis {
  return new UpstashRedis({
    url,
    token,
    automaticDeserialization: false,
    responseEncoding: false,
    enableTelemetry: false,
    retry: { retries: 0 },
    signal: () => AbortSignal.timeout(10_000),
  });
}

async function overIoredis(protocol: 2 | 3): Promise<Client> {
  const server = await startRedis();
  const redis = new Redis(server.url, { protocol });
  const port = ioredisPort(redis);
  return {
    read: port,
    write: port,
    redis,
    async close() {
      await redis.quit();
      await server.stop();
    },
  };
}

async function overUpstash(): Promise<Client> {
  const server = await startRedis();
  const redis = new Redis(server.url);
  const bridge = await startBridge({ redis: server.url, token: TOKEN, readOnlyToken: READ_ONLY_TOKEN });
  return {
    read: upstashReadPort(upstash(bridge.url, READ_ONLY_TOKEN)),
    write: upstashWritePort(upstash(bridge.url, TOKEN)),
    redis,
    async close() {
      await bridge.close();
      await redis.quit();
      await server.stop();
    },
  };
}

export const clients: Record<string, () => Promise<Client>> = {
  "ioredis, RESP2": () => overIoredis(2),
  "ioredis, RESP3": () => overIoredis(3),
  "@upstash/redis": overUpstash,
};
