/** createReader: a reader over whichever client the application has. */
import type { ReaderOptions } from "../core/options.ts";
import { connect, type RedisInput } from "../redis/connect.ts";
import { isUpstash, type UpstashClient, upstashReadPort } from "../redis/upstash.ts";
import { type Reader, readerOver } from "./reader.ts";

export interface ReaderInput<Client extends RedisInput | UpstashClient> extends ReaderOptions {
  /**
   * A redis:// or rediss:// URL, an ioredis client or Cluster, or a client of @upstash/redis; read-only credentials
   * suffice.
   */
  readonly redis: Client;
}

/** A connection that says nothing for this long while an answer is due is given up, ms. */
const TIMEOUT_MS = 5_000;

/** A reader with a way to end its connection, if it has one. */
export interface ClosableReader extends Reader {
  close(): void;
}

/** A reader. Throws PresenceError OPTIONS_INVALID. */
export function createReader(input: ReaderInput<RedisInput | UpstashClient>): ClosableReader {
  const { redis } = input;
  if (isUpstash(redis)) return { ...readerOver(upstashReadPort(redis), input), close() {} };
  const connection = connect(redis, { timeout: TIMEOUT_MS, name: "rollcall-reader" });
  return { ...readerOver(connection.port, input), close: () => connection.close() };
}
