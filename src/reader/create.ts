/** createReader: a reader over whichever client the application has. */
import { SILENCE_MS } from "../core/limits.ts";
import { refuseUnknown } from "../core/options.ts";
import { connect, type RedisInput } from "../redis/connect.ts";
import { isUpstash, type UpstashClient, upstashReadPort } from "../redis/upstash.ts";
import { READER_INPUT, type ReaderOptions, resolveReaderOptions } from "./options.ts";
import { type Reader, readerOver } from "./reader.ts";

/** What createReader() takes. */
export interface ReaderInput<Client extends RedisInput | UpstashClient> extends ReaderOptions {
  /**
   * A redis:// or rediss:// URL, an ioredis client or Cluster, or a client of @upstash/redis; read-only credentials
   * suffice.
   */
  readonly redis: Client;
}

/** A reader with a way to end its connection, if it has one. */
export interface ClosableReader extends Reader {
  /** Closes its connection at once; what is asked after it rejects with REDIS_UNAVAILABLE. Idempotent. */
  close(): void;
}

/**
 * A reader, which writes nothing. It does not wait for its connection: answers do, and reject with REDIS_UNAVAILABLE after
 * 5 s without one. Throws PresenceError OPTIONS_INVALID.
 *
 *   const reader = createReader({ redis: "redis://127.0.0.1:6379" });
 *   const { users, sockets } = await reader.counts();
 */
export function createReader(input: ReaderInput<RedisInput | UpstashClient>): ClosableReader {
  refuseUnknown(input, READER_INPUT, "createReader");
  const { redis, ...options } = input;
  // Before a connection is made, which would stay open.
  resolveReaderOptions(options);
  if (isUpstash(redis)) return { ...readerOver(upstashReadPort(redis), options), close() {} };
  const connection = connect(redis, { timeout: SILENCE_MS, name: "rollcall-reader" });
  return { ...readerOver(connection.port, options), close: () => connection.close() };
}
