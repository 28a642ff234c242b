/** createProjector: a projector over whichever client the application has. */
import type { ProjectorOptions } from "../core/options.ts";
import type { RedisInput } from "../redis/connect.ts";
import { isUpstash, type UpstashClient, upstashWritePort } from "../redis/upstash.ts";
import { type LoopProjector, loopProjector } from "./loop.ts";
import { type Projector, projectorOver } from "./projector.ts";

export interface ProjectorInput<Client extends RedisInput | UpstashClient> extends ProjectorOptions {
  /** A redis:// or rediss:// URL, an ioredis client or Cluster, or a client of @upstash/redis with write credentials. */
  readonly redis: Client;
}

/**
 * A projector. Over @upstash/redis it has `step` and `sweep`; over ioredis also `run`, which needs blocking reads, and
 * `close`. Throws PresenceError OPTIONS_INVALID.
 */
export function createProjector(input: ProjectorInput<RedisInput>): LoopProjector;
export function createProjector(input: ProjectorInput<UpstashClient>): Projector;
export function createProjector(input: ProjectorInput<RedisInput | UpstashClient>): Projector {
  const { redis } = input;
  if (isUpstash(redis)) return projectorOver(upstashWritePort(redis), input);
  return loopProjector({ ...input, redis });
}
