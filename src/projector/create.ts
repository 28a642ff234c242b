/** createProjector: a projector over ioredis or @upstash/redis. */
import { refuseUnknown } from "../core/options.ts";
import type { RedisInput } from "../redis/connect.ts";
import { isUpstash, type UpstashClient, upstashWritePort } from "../redis/upstash.ts";
import { type LoopProjector, loopProjector } from "./loop.ts";
import { PROJECTOR_INPUT, type ProjectorOptions } from "./options.ts";
import { type Projector, projectorOver } from "./projector.ts";

/** The options of createProjector(). */
export interface ProjectorInput<Client extends RedisInput | UpstashClient> extends ProjectorOptions {
  /** A redis:// or rediss:// URL, an ioredis client or Cluster, or a client of @upstash/redis with write credentials. */
  readonly redis: Client;
}

/**
 * A projector. Over @upstash/redis it has `step`, `sweep`, `verify`, `evict` and `forget`; over ioredis also `run`, which needs blocking
 * reads, and `close`. Throws PresenceError OPTIONS_INVALID.
 *
 *   await using projector = createProjector({ redis: "redis://127.0.0.1:6379" });
 *   await projector.run({ signal });
 */
export function createProjector(input: ProjectorInput<RedisInput>): LoopProjector;
export function createProjector(input: ProjectorInput<UpstashClient>): Projector;
export function createProjector(input: ProjectorInput<RedisInput | UpstashClient>): Projector {
  refuseUnknown(input, PROJECTOR_INPUT, "createProjector");
  const { redis, ...options } = input;
  if (isUpstash(redis)) return projectorOver(upstashWritePort(redis), options);
  return loopProjector(redis, options);
}
