/** Reader and projector over @upstash/redis only, so that a bundle for the edge contains no other client. */
import { PresenceError } from "../core/errors.ts";
import { refuseUnknown } from "../core/options.ts";
import { PROJECTOR_INPUT, type ProjectorOptions } from "../projector/options.ts";
import { type Projector, projectorOver } from "../projector/projector.ts";
import { READER_INPUT, type ReaderOptions } from "../reader/options.ts";
import { type Reader, readerOver } from "../reader/reader.ts";
import { isUpstash, type UpstashClient, upstashReadPort, upstashWritePort } from "../redis/upstash.ts";

export interface EdgeReaderInput extends ReaderOptions {
  /** A client of @upstash/redis; the read-only token is enough. `upstashClient` creates one with the right settings. */
  readonly redis: UpstashClient;
}

export interface EdgeProjectorInput extends ProjectorOptions {
  /** A client of @upstash/redis with the token that can write. `upstashClient` creates one with the right settings. */
  readonly redis: UpstashClient;
}

/** A reader over Upstash's REST API. Throws PresenceError OPTIONS_INVALID. */
export function createReader(input: EdgeReaderInput): Reader {
  refuseUnknown(input, READER_INPUT, "createReader");
  const { redis, ...options } = input;
  return readerOver(upstashReadPort(checked(redis)), options);
}

/** A projector over Upstash's REST API, with `step`, `sweep`, `verify`, `evict` and `forget`. Throws PresenceError OPTIONS_INVALID. */
export function createProjector(input: EdgeProjectorInput): Projector {
  refuseUnknown(input, PROJECTOR_INPUT, "createProjector");
  const { redis, ...options } = input;
  return projectorOver(upstashWritePort(checked(redis)), options);
}

function checked(redis: unknown): UpstashClient {
  if (isUpstash(redis)) return redis;
  throw new PresenceError("OPTIONS_INVALID", "redis must be a client of @upstash/redis");
}
