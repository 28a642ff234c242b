/** The figures of `rollcall check`. Sends only what a `reader` may. */
import { keysOf } from "../core/keys.ts";
import { SHARDS_MAX } from "../core/limits.ts";
import { readerOver } from "../reader/reader.ts";
import { redisError } from "../redis/errors.ts";
import { ReplyError } from "../redis/port.ts";
import { valueOf } from "./facts.ts";
import { shardFacts } from "./gather/shard.ts";
import type { Figures } from "./plugin.ts";
import type { reach, Where } from "./reach.ts";

/** Rejects with PresenceError, whatever is wrong. */
export async function measure(
  reaching: typeof reach,
  where: Where,
  { prefix, shards: wanted }: { readonly prefix: string; readonly shards: number | undefined },
): Promise<Figures> {
  const reached = await reaching(where);
  try {
    if (reached.refused !== undefined) throw reached.refused;
    const { ask } = reached;
    const [reply] = await ask([["HMGET", keysOf(prefix, 0, 1).totals, "shards"]]);
    if (reply instanceof ReplyError) throw redisError(reply);
    const recorded = Array.isArray(reply) ? Number(reply[0] ?? wanted ?? 1) : 1;
    const isNumber = Number.isInteger(recorded) && recorded >= 1 && recorded <= SHARDS_MAX;
    const shards = wanted ?? (isNumber ? recorded : 1);
    // Rejects with SHARDS_MISMATCH when the number wanted is another.
    const reader = readerOver(reached.read, { prefix, shards });
    const { processes, asOf } = await reader.processes();
    const totals = await reader.totals();
    const parts = await Promise.all(
      Array.from({ length: shards }, (_, shard) =>
        shardFacts(ask, prefix, shard, shards, () => asOf.now.getTime()),
      ),
    );
    const unread = parts.flatMap(({ log, shard }) =>
      "unknown" in log ? [`of shard ${shard}: ${log.unknown}`] : [],
    );
    return {
      users: totals.users,
      sockets: totals.sockets,
      processes: processes.filter(({ state, leaseUntil }) => state === "live" && leaseUntil !== null && leaseUntil > asOf.now).length, // prettier-ignore
      lagMs: Math.round(Math.max(0, ...parts.map(({ log }) => valueOf(log)?.overdueMs ?? 0))),
      unread: unread[0],
      records: asOf.lag.records,
      rejected: totals.rejected,
    };
  } finally {
    reached.close();
  }
}
