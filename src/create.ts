/**
 * The public constructors of reader and projector: they take whichever client the application has.
 */
import type { Redis as UpstashRedis } from "@upstash/redis";
import type { ProjectorOptions, ReaderOptions } from "./options.ts";
import { type Projector, projectorOver } from "./projector.ts";
import { type Reader, readerOver } from "./reader.ts";
import { connect, type RedisInput } from "./redis/connect.ts";
import { upstashReadPort, upstashWritePort } from "./redis/upstash.ts";
import { type LoopProjector, loopProjector } from "./run.ts";

export interface ProjectorInput<Client extends RedisInput | UpstashRedis> extends ProjectorOptions {
  /** A redis:// or rediss:// URL, an ioredis client or Cluster, or a client of @upstash/redis with write credentials. */
  readonly redis: Client;
}

export interface ReaderInput<Client extends RedisInput | UpstashRedis> extends ReaderOptions {
  /** As for a projector; read-only credentials suffice. */
  readonly redis: Client;
}

function isUpstash(redis: RedisInput | UpstashRedis): redis is UpstashRedis {
  return typeof redis === "object" && redis !== null && "exec" in redis && !("duplicate" in redis);
}

/**
 * A projector. Over @upstash/redis it has `step` and `sweep`; over ioredis also `run`, which needs blocking reads, and
 * `close`. Throws PresenceError OPTIONS_INVALID.
 */
export function createProjector(input: ProjectorInput<UpstashRedis>): Projector;
export function createProjector(input: ProjectorInput<RedisInput>): LoopProjector;
export function createProjector(input: ProjectorInput<RedisInput | UpstashRedis>): Projector {
  const { redis } = input;
  if (isUpstash(redis)) return projectorOver(upstashWritePort(redis), input);
  return loopProjector({ ...input, redis });
}

/** A connection that says nothing for this long while an answer is due is given up, ms. */
const TIMEOUT_MS = 5_000;

/** A reader with a way to end its connection, if it has one. */
export interface ClosableReader extends Reader {
  close(): void;
}

/** A reader. Throws PresenceError OPTIONS_INVALID. */
export function createReader(input: ReaderInput<RedisInput | UpstashRedis>): ClosableReader {
  const { redis } = input;
  if (isUpstash(redis)) return { ...readerOver(upstashReadPort(redis), input), close() {} };
  const connection = connect(redis, { timeout: TIMEOUT_MS, name: "rollcall-reader" });
  return { ...readerOver(connection.port, input), close: () => connection.close() };
}
