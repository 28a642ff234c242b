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
  /** `{presence}` or `{presence:2}`. */
  readonly tag: string;
  /** All of them, in the order of the scripts' KEYS. */
  readonly list: readonly string[];
}

/** `{presence}` for one shard, `{presence:0}` to `{presence:n-1}` for more. */
function tagOf(prefix: string, shard: number, shards: number): string {
  return shards === 1 ? `{${prefix}}` : `{${prefix}:${shard}}`;
}

export function keysOf(prefix: string, shard: number, shards: number): ShardKeys {
  const tag = tagOf(prefix, shard, shards);
  const list = NAMES.map((name) => `${tag}:${name}`);
  const named = Object.fromEntries(NAMES.map((name, i) => [name, list[i]!])) as Record<KeyName, string>;
  return { tag, list, ...named };
}
