/** The history of a shard as the reference model has it (model/history.ts), read from Redis. */
import type { Redis } from "ioredis";
import type { PlainHistory, PlainMinutes } from "../model/history.ts";
import type { ShardKeys } from "../src/core/keys.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SCOPE_UNIT } from "../src/core/limits.ts";

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

type Ended = Omit<PlainMinutes, "current">;

/** `suffix`: "", or a scope with a colon before it. */
async function endedIn(redis: Redis, tag: string, suffix: string): Promise<Ended> {
  const [minutes, hours, days] = await Promise.all([
    redis.xrange(`${tag}:minutes${suffix}`, "-", "+"),
    redis.xrange(`${tag}:hours${suffix}`, "-", "+"),
    redis.xrange(`${tag}:days${suffix}`, "-", "+"),
  ]);
  return {
    minutes: expand(minutes, MINUTE_MS),
    hours: expand(hours, HOUR_MS),
    days: expand(days, DAY_MS),
  };
}

/** Of what goes on: the start, and `last least most` of users and of sockets. */
function current(start: string | undefined, users: string, sockets: string): string {
  return `${new Date(Number(start)).toISOString()} users ${users} sockets ${sockets}`;
}

async function scopesIn(
  redis: Redis,
  { tag, totals, watched }: ShardKeys,
): Promise<Pick<PlainHistory, "scopes">> {
  const [head = null, names = null] = await redis.hmget(totals, "watched", "watching");
  if (head === null || names === null) return {};
  const [start, , ...scores] = head.split(" ");
  const found: Record<string, PlainMinutes> = {};
  for (const [i, scope] of (JSON.parse(names) as string[]).entries()) {
    const [bounds = ""] = ((await redis.hget(watched, scope)) ?? "").split(",", 1);
    const [uLeast, uMost, sLeast, sMost] = bounds.split(" ");
    const users = Math.floor(Number(scores[i]) / SCOPE_UNIT);
    const sockets = Number(scores[i]) - users * SCOPE_UNIT;
    found[scope] = {
      current: current(start, `${users} ${uLeast} ${uMost}`, `${sockets} ${sLeast} ${sMost}`),
      ...(await endedIn(redis, tag, `:${scope}`)),
    };
  }
  return { scopes: found };
}

export async function readHistory(redis: Redis, keys: ShardKeys): Promise<PlainHistory> {
  const { tag, totals } = keys;
  const [ended, scopes, [minute = null, counted = null], names] = await Promise.all([
    endedIn(redis, tag, ""),
    scopesIn(redis, keys),
    redis.hmget(totals, "minute", "counted"),
    redis.keys(`${tag}:distinct:*`),
  ]);
  const [start, , u, uLeast, uMost, s, sLeast, sMost] = (minute ?? "").split(" ");
  const distinct: Record<string, number> = {};
  for (const name of names.sort()) distinct[name.slice(-8)] = await redis.pfcount(name);
  return {
    current: minute === null ? null : current(start, `${u} ${uLeast} ${uMost}`, `${s} ${sLeast} ${sMost}`),
    ...ended,
    ...scopes,
    counted,
    distinct,
  };
}
