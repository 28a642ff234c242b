/**
 * Learns what there is to know about a Redis and a prefix. It only reads. The one script it calls writes nothing and declares no key
 * (gather/access.ts). What it may not ask becomes a fact that is not known, with the right that it takes.
 */
import { PresenceError } from "../core/errors.ts";
import { keysOf } from "../core/keys.ts";
import { SHARDS_MAX } from "../core/limits.ts";
import { readerOver } from "../reader/reader.ts";
import type { Asked, Fact, Facts, ServerFacts, ShardFacts } from "./facts.ts";
import { accessFacts } from "./gather/access.ts";
import { clockFacts, latencyFacts, sampleClock } from "./gather/clock.ts";
import { processFacts } from "./gather/processes.ts";
import { serverFacts } from "./gather/server.ts";
import { shardFacts } from "./gather/shard.ts";
import { modeOf } from "./mode.ts";
import type { Reached } from "./reach.ts";

/** Rejects with PresenceError REDIS_UNAVAILABLE when the connection is lost meanwhile. */
export async function gather(reached: Reached, asked: Asked): Promise<Facts> {
  const { ask, read, servers: all } = reached;
  const { tag, clock: clockKey, totals } = keysOf(asked.prefix, 0, 1);
  const first = await sampleClock(ask, clockKey);
  const servers = await Promise.all(all.map(({ ask: one, address }) => serverFacts(one, address, tag)));
  const shards = asked.shards ?? 1;
  const access = await accessFacts(ask, asked.prefix, shards, reached.user);
  const latency = await latencyFacts(ask);
  const common = { asked, servers, access, latency, over: reached.over };
  if (reached.refused !== undefined || !canBeAsked(servers, asked)) {
    const why = { unknown: "its keys were not asked" };
    return { ...common, shards, clock: why, parts: [], processes: why, subscribers: why };
  }
  const recorded = recordedIn((await ask([["HMGET", totals, "shards"]]))[0]) ?? shards;
  let ahead = 0;
  const parts: ShardFacts[] = [];
  if ("known" in first) ahead = clockFacts(first.known, first.known).ahead;
  const now = () => Date.now() + ahead;
  for (let shard = 0; shard < recorded; shard++)
    parts.push(await shardFacts(ask, asked.prefix, shard, recorded, now));
  const reader = readerOver(read, { prefix: asked.prefix, shards: recorded });
  const processes = await factOf(async () => {
    const answer = await reader.processes();
    return processFacts(ask, asked.prefix, recorded, answer.processes, answer.asOf.now.getTime());
  });
  const subscribers = await factOf(async () => (await reader.subscribers()).subscribers);
  const last = await sampleClock(ask, clockKey);
  const clock: Facts["clock"] =
    "known" in first && "known" in last
      ? { known: clockFacts(first.known, last.known) }
      : "known" in first
        ? { known: clockFacts(first.known, first.known) }
        : first;
  return { ...common, shards: recorded, clock, parts, processes, subscribers };
}

/** A node of a Cluster has some of the keys only, and a Sentinel none. */
function canBeAsked([server]: readonly ServerFacts[], { cluster }: Asked): boolean {
  const mode = modeOf(server);
  return mode === undefined || mode === "standalone" || (mode === "cluster" && cluster);
}

/** The number of shards that shard 0 tells; its keys are the same whatever the number. */
function recordedIn(reply: unknown): number | undefined {
  const shards = Array.isArray(reply) ? Number(reply[0] ?? NaN) : NaN;
  return Number.isInteger(shards) && shards >= 1 && shards <= SHARDS_MAX ? shards : undefined;
}

async function factOf<T>(learn: () => Promise<T>): Promise<Fact<T>> {
  try {
    return { known: await learn() };
  } catch (error) {
    if (!(error instanceof PresenceError)) throw error;
    return { unknown: error.message };
  }
}
