import { shardTags } from "./slot.ts";

/**
 * The Redis keys of one shard. All keys of a shard have the same hash tag, so a shard is in one Redis Cluster slot. These are declared
 * to the scripts.
 */
const NAMES = [
  "records",
  "users",
  "totals",
  "processes",
  "states",
  "about",
  "leaving",
  "changes",
  "rejected",
  "ended",
  "clock",
] as const;

/** Those of scopes: the scripts derive them from the tag. Two more are named after data: scopeKey() and `scopes:<slot>`. */
const SCOPE_NAMES = ["scopes", "lingering", "lingerers", "told", "moves"] as const;

/** Those of a history, by the option of that name. Others are named after data: distinctKey() and scopePartKey(). */
const HISTORY_NAMES = ["minutes", "hours", "days", "watched"] as const;

export type KeyName = (typeof NAMES)[number];
type ScopeKeyName = (typeof SCOPE_NAMES)[number];
type HistoryKeyName = (typeof HISTORY_NAMES)[number];

/** The names of the durable subscribers, in a sorted set. */
const SUBSCRIBERS = "subscribers";

export interface ShardKeys extends Readonly<Record<KeyName | ScopeKeyName | HistoryKeyName, string>> {
  /** `{presence}` of shard 0, `{presence:2.7}` of another. */
  readonly tag: string;
  /** All of them, in the order of the scripts' KEYS. */
  readonly list: readonly string[];
  readonly subscribers: string;
}

/** The latest tags made, by number of shards and prefix: finding 1,024 of them takes tens of ms. */
const made = new Map<string, readonly string[]>();
const MADE_MAX = 16;

function tagsOf(prefix: string, shards: number): readonly string[] {
  const name = `${shards} ${prefix}`;
  const known = made.get(name);
  if (known !== undefined) return known;
  if (made.size === MADE_MAX) made.clear();
  const tags = shardTags(prefix, shards);
  made.set(name, tags);
  return tags;
}

export function keysOf(prefix: string, shard: number, shards: number): ShardKeys {
  const tag = `{${tagsOf(prefix, shards)[shard]!}}`;
  const list = NAMES.map((name) => `${tag}:${name}`);
  const named = Object.fromEntries(
    [...NAMES, ...SCOPE_NAMES, ...HISTORY_NAMES].map((name) => [name, `${tag}:${name}`]),
  ) as Record<KeyName | ScopeKeyName | HistoryKeyName, string>;
  return { tag, list, subscribers: `${tag}:${SUBSCRIBERS}`, ...named };
}

/** The keys of one durable subscriber in a shard. */
export interface SubscriberKeys {
  /** Where it stands, who has the turn. */
  readonly state: string;
  /** Who is present, as far as it was told. */
  readonly known: string;
  /** What has to be delivered before the changes. */
  readonly inbox: string;
  /** What was given up. */
  readonly dead: string;
}

export function subscriberKeysOf({ tag }: Pick<ShardKeys, "tag">, name: string): SubscriberKeys {
  const key = (what: string) => `${tag}:${what}:${name}`;
  return { state: key("subscriber"), known: key("known"), inbox: key("inbox"), dead: key("dead") };
}

/** Who is in a scope, as `users`. */
export function scopeKey({ tag }: Pick<ShardKeys, "tag">, scope: string): string {
  return `${tag}:scope:${scope}`;
}

/** The minutes, hours or days of a scope that have ended. */
export function scopePartKey(keys: ShardKeys, part: "minutes" | "hours" | "days", scope: string): string {
  return `${keys[part]}:${scope}`;
}

/** Who was present on a day, given by its start in UTC, ms: a HyperLogLog. */
export function distinctKey({ tag }: Pick<ShardKeys, "tag">, day: number): string {
  return `${tag}:distinct:${new Date(day).toISOString().slice(0, 10).replaceAll("-", "")}`;
}
