/**
 * The Redis keys of one shard. Every key of a shard carries one hash tag, so a shard lives in one Redis Cluster slot.
 */
export interface ShardKeys {
  /** `{presence}` or `{presence:2}`. */
  readonly tag: string;
  readonly records: string;
  readonly users: string;
  readonly totals: string;
  readonly processes: string;
  readonly leaving: string;
  readonly changes: string;
  readonly rejected: string;
  /** The seven above in the order of project.lua's KEYS. */
  readonly list: readonly string[];
  /** The hash of one process; with `""`, the prefix of all of them. */
  process(id: string): string;
  /** The hash of one process's users. */
  processUsers(id: string): string;
}

/** `{presence}` for one shard, `{presence:0}` to `{presence:n-1}` for more. */
function tagOf(prefix: string, shard: number, shards: number): string {
  return shards === 1 ? `{${prefix}}` : `{${prefix}:${shard}}`;
}

export function keysOf(prefix: string, shard: number, shards: number): ShardKeys {
  const tag = tagOf(prefix, shard, shards);
  const records = `${tag}:records`;
  const users = `${tag}:users`;
  const totals = `${tag}:totals`;
  const processes = `${tag}:processes`;
  const leaving = `${tag}:leaving`;
  const changes = `${tag}:changes`;
  const rejected = `${tag}:rejected`;
  return {
    tag,
    records,
    users,
    totals,
    processes,
    leaving,
    changes,
    rejected,
    list: [records, users, totals, processes, leaving, changes, rejected],
    process: (id) => `${tag}:process:${id}`,
    processUsers: (id) => `${tag}:process:${id}:users`,
  };
}
