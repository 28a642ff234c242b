/** Reader and projector over @upstash/redis alone, so that a bundle for the edge has no other client in it. */
import { PresenceError } from "../core/errors.ts";
import type { ProjectorOptions, ReaderOptions } from "../core/options.ts";
import { type Projector, projectorOver } from "../projector/projector.ts";
import { type Reader, readerOver } from "../reader/reader.ts";
import { isUpstash, type UpstashClient, upstashReadPort, upstashWritePort } from "../redis/upstash.ts";

export interface EdgeReaderInput extends ReaderOptions {
  /** A client of @upstash/redis; one with the read-only token suffices. `upstashClient` makes it with the right settings. */
  readonly redis: UpstashClient;
}

export interface EdgeProjectorInput extends ProjectorOptions {
  /** A client of @upstash/redis with the token that can write. `upstashClient` makes it with the right settings. */
  readonly redis: UpstashClient;
}

/** A reader over Upstash's REST. Throws PresenceError OPTIONS_INVALID. */
export function createReader(input: EdgeReaderInput): Reader {
  return readerOver(upstashReadPort(checked(input.redis)), input);
}

/** A projector over Upstash's REST: it has `step` and `sweep`. Throws PresenceError OPTIONS_INVALID. */
export function createProjector(input: EdgeProjectorInput): Projector {
  return projectorOver(upstashWritePort(checked(input.redis)), input);
}

function checked(redis: unknown): UpstashClient {
  if (isUpstash(redis)) return redis;
  throw new PresenceError("OPTIONS_INVALID", "redis must be a client of @upstash/redis");
}
