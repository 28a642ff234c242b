/** The history of a shard as the reference model has it (model/history.ts), read from Redis. */
import type { Redis } from "ioredis";
import type { PlainHistory } from "../model/history.ts";
import type { ShardKeys } from "../src/core/keys.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../src/core/limits.ts";

/** Entries without those that `until` stands for. */
function expand(entries: readonly [id: string, fields: string[]][], length: number): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [id, [users, u, sockets, s, until, last]] of entries) {
    const from = Number(id.split("-", 1)[0]);
    if (users !== "users" || sockets !== "sockets" || (until ?? "until") !== "until")
      throw new Error(`an entry of a history has ${users}, ${sockets}, ${until}`);
    const put = (at: number, text: string) => (found[new Date(at).toISOString()] = text);
    put(from, `users ${u} sockets ${s}`);
    const [x, y] = [u!.split(" ", 1)[0], s!.split(" ", 1)[0]];
    for (let at = from + length; at <= Number(last ?? 0); at += length)
      put(at, `users ${x} ${x} ${x} sockets ${y} ${y} ${y}`);
  }
  return found;
}

export async function readHistory(redis: Redis, { tag, totals }: ShardKeys): Promise<PlainHistory> {
  const [minutes, hours, days, [minute = null, counted = null], names] = await Promise.all([
    redis.xrange(`${tag}:minutes`, "-", "+"),
    redis.xrange(`${tag}:hours`, "-", "+"),
    redis.xrange(`${tag}:days`, "-", "+"),
    redis.hmget(totals, "minute", "counted"),
    redis.keys(`${tag}:distinct:*`),
  ]);
  const [start, , u, uLeast, uMost, s, sLeast, sMost] = (minute ?? "").split(" ");
  const distinct: Record<string, number> = {};
  for (const name of names.sort()) distinct[name.slice(-8)] = await redis.pfcount(name);
  return {
    current:
      minute === null
        ? null
        : `${new Date(Number(start)).toISOString()} users ${u} ${uLeast} ${uMost} sockets ${s} ${sLeast} ${sMost}`,
    minutes: expand(minutes, MINUTE_MS),
    hours: expand(hours, HOUR_MS),
    days: expand(days, DAY_MS),
    counted,
    distinct,
  };
}
