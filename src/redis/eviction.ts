/** Whether a Redis may evict keys: asked once when a connection is made, since nothing else tells before it happens. */
import type { Logger } from "../core/options.ts";
import type { IoRedis } from "./ioredis.ts";

/** The policy with which this server may evict keys; null: it never does, or does not say. `info`: the reply of INFO memory. */
export function evictionPolicy(info: unknown): string | null {
  const field = (name: string) => new RegExp(`^${name}:(.+?)\\r?$`, "m").exec(String(info))?.[1];
  const policy = field("maxmemory_policy") ?? "noeviction";
  return Number(field("maxmemory") ?? 0) > 0 && policy !== "noeviction" ? policy : null;
}

/** Warns once if this Redis, or a master of this Cluster, may evict keys. Never rejects; without permission to ask, it does not warn. */
export async function warnOfEviction(client: IoRedis, logger: Logger): Promise<void> {
  const servers = client.nodes?.("master") ?? [client];
  const infos = await Promise.allSettled(servers.map((server) => server.call("INFO", "memory")));
  for (const info of infos) {
    const policy = info.status === "fulfilled" ? evictionPolicy(info.value) : null;
    if (policy === null) continue;
    logger.warn(
      `this Redis evicts keys when its memory is full (maxmemory-policy ${policy}), and then counts are lost until all servers have ` +
        "registered again: set it to noeviction, or give Rollcall a Redis of its own",
    );
    return;
  }
}
