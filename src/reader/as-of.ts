/** How old an answer is: read from each shard in the same transaction as what was asked. */
import { encodeChangesCursor } from "../core/cursor.ts";
import type { ShardKeys } from "../core/keys.ts";
import type { ReadCommand, Reply, ReplyError } from "../redis/port.ts";
import { shardsMismatch } from "../redis/shards.ts";
import type { AsOf } from "./types.ts";

export interface ShardAsOf {
  readonly now: number;
  readonly ran: number | null;
  readonly folded: string;
  readonly change: string;
  readonly records: number;
  readonly lagMs: number;
  readonly overdueMs: number;
  readonly users: number;
  readonly sockets: number;
  readonly connections: number;
}

/** The commands every answer starts with, and all that counts() asks: three, whatever the number of users. */
export function asOfCommands(keys: ShardKeys): ReadCommand[] {
  return [
    ["HMGET", keys.totals, "shards", "folded", "change", "ran", "due", "users", "sockets", "connections"],
    // What was folded has left the log, so what is in it is the lag.
    ["XLEN", keys.records],
    ["XRANGE", keys.records, "-", "+", "COUNT", "1"],
  ];
}

export const AS_OF_COUNT = 3;

export function readAsOf(replies: readonly (Reply | ReplyError)[], shards: number, now: number): ShardAsOf {
  const [totals, length, head] = replies;
  const [known, folded, change, ran, due, users, sockets, connections] = totals as (string | null)[];
  if (known !== null && known !== undefined && Number(known) !== shards) throw shardsMismatch(known, shards);
  const first = (head as Reply[])[0] as Reply[] | undefined;
  const oldest = first === undefined ? null : Number(String(first[0]).split("-", 1)[0]);
  const dueMs = due === null || due === undefined || Number(due) < 0 ? oldest : Number(due);
  return {
    now,
    ran: ran === null || ran === undefined ? null : Number(ran),
    folded: folded ?? "0-0",
    change: change ?? "0-0",
    records: Number(length),
    lagMs: oldest === null ? 0 : Math.max(0, now - oldest),
    overdueMs: dueMs === null ? 0 : Math.max(0, now - dueMs),
    users: Number(users ?? 0),
    sockets: Number(sockets ?? 0),
    connections: Number(connections ?? 0),
  };
}

/** Of several shards: the age of the oldest part. */
export function combineAsOf(parts: readonly ShardAsOf[], staleAfter: number): AsOf {
  const rans = parts.map((part) => part.ran);
  const oldest = rans.some((ran) => ran === null) ? null : Math.min(...(rans as number[]));
  return {
    now: new Date(Math.max(...parts.map((part) => part.now))),
    projectedAt: oldest === null ? null : new Date(oldest),
    record: parts.map((part) => part.folded).join("_"),
    lag: {
      records: parts.reduce((sum, part) => sum + part.records, 0),
      ms: Math.max(...parts.map((part) => part.lagMs)),
    },
    stale: oldest === null || parts.some((part) => part.overdueMs > staleAfter),
    cursor: encodeChangesCursor(parts.map((part) => part.change)),
  };
}
