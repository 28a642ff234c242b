import { shardTags } from "./slot.ts";

/**
 * The Redis keys of one shard. All keys of a shard have the same hash tag, so a shard is in one Redis Cluster slot. No key
 * depends on data, so all are declared to the scripts.
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

export type KeyName = (typeof NAMES)[number];

export interface ShardKeys extends Readonly<Record<KeyName, string>> {
  /** `{presence}` of shard 0, `{presence:2.7}` of another. */
  readonly tag: string;
  /** All of them, in the order of the scripts' KEYS. */
  readonly list: readonly string[];
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
  const named = Object.fromEntries(NAMES.map((name, i) => [name, list[i]!])) as Record<KeyName, string>;
  return { tag, list, ...named };
}
