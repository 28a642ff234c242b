/** createReader: a reader over ioredis or @upstash/redis. */
import { SILENCE_MS } from "../core/limits.ts";
import { refuseUnknown } from "../core/options.ts";
import { connect, type RedisInput } from "../redis/connect.ts";
import { isUpstash, type UpstashClient, upstashReadPort } from "../redis/upstash.ts";
import { READER_INPUT, type ReaderOptions, resolveReaderOptions } from "./options.ts";
import { type Reader, readerOver } from "./reader.ts";

/** The options of createReader(). */
export interface ReaderInput<Client extends RedisInput | UpstashClient> extends ReaderOptions {
  /**
   * A redis:// or rediss:// URL, an ioredis client or Cluster, or a client of @upstash/redis; read-only credentials
   * suffice.
   */
  readonly redis: Client;
}

/** A reader whose connection, if it has one, can be closed. */
export interface ClosableReader extends Reader {
  /** Closes the connection at once; later calls reject with REDIS_UNAVAILABLE. Idempotent. */
  close(): void;
}

/**
 * Creates a reader, which never writes. It returns before it is connected; its methods wait, and reject with
 * REDIS_UNAVAILABLE after 5 s without a connection. Throws PresenceError OPTIONS_INVALID.
 *
 *   const reader = createReader({ redis: "redis://127.0.0.1:6379" });
 *   const { users, sockets } = await reader.counts();
 */
export function createReader(input: ReaderInput<RedisInput | UpstashClient>): ClosableReader {
  refuseUnknown(input, READER_INPUT, "createReader");
  const { redis, ...options } = input;
  // Before a connection is opened, which would otherwise stay open.
  resolveReaderOptions(options);
  if (isUpstash(redis)) return { ...readerOver(upstashReadPort(redis), options), close() {} };
  const connection = connect(redis, { timeout: SILENCE_MS, name: "rollcall-reader" });
  return { ...readerOver(connection.port, options), close: () => connection.close() };
}
