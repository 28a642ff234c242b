/**
 * Reading on in the `changes` of one shard from the id of an entry.
 *
 * The entry at that id is read once more: as long as it is there, so is all that came after it. When it is not, it was
 * trimmed (or Redis lost it, or was flushed) and so may others have been: a gap.
 */
import { type Change, decodeChanges } from "../core/change.ts";
import type { ShardKeys } from "../core/keys.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";

export interface ShardChanges {
  readonly changes: readonly Change[];
  /** Id of the last entry read. */
  readonly at: string;
  readonly gap: boolean;
  readonly more: boolean;
}

/** Where a stream starts, and what a snapshot's cursor says before the first change. */
export const START = "0-0";
/** Never trimmed below this many entries (CHANGES_KEPT of src/lua/project.lua). */
const KEPT_MIN = 100_000;
/** Entries of the first read; an entry can hold 2,000 changes, most hold one. Each further read takes twice as many. */
const COUNT_FIRST = 32;
const COUNT_MAX = 512;
const READS_MAX = 8;

/** Up to about `limit` changes: the last entry comes whole. */
export async function readChanges(
  read: (commands: readonly ReadCommand[]) => Promise<Reply[]>,
  keys: ShardKeys,
  after: string,
  limit: number,
): Promise<ShardChanges> {
  const changes: Change[] = [];
  let at = after;
  let count = COUNT_FIRST;
  for (let reads = 1; ; reads++) {
    const fromStart = at === START;
    const [found, length] = await read([
      ["XRANGE", keys.changes, fromStart ? "-" : at, "+", "COUNT", String(fromStart ? count : count + 1)],
      ...(fromStart ? [["XLEN", keys.changes] as const] : []),
    ]);
    const entries = found as [id: string, fields: string[]][];
    const gap = fromStart ? Number(length) >= KEPT_MIN : entries.shift()?.[0] !== at;
    if (gap) return { changes: [], at, gap, more: false };
    let taken = 0;
    for (const [id, fields] of entries) {
      if (changes.length >= limit) break;
      for (const change of decodeChanges(id, fields)) changes.push(change);
      at = id;
      taken++;
    }
    const more = taken < entries.length || entries.length === count;
    if (!more || changes.length >= limit || reads === READS_MAX) return { changes, at, gap, more };
    count = Math.min(count * 2, COUNT_MAX);
  }
}

/** One list of the changes of several shards, by the time of their entries; those of one entry stay together. */
export function mergeChanges(parts: readonly (readonly Change[])[]): Change[] {
  if (parts.length === 1) return [...parts[0]!];
  return parts.flat().sort((a, b) => a.at.getTime() - b.at.getTime());
}
