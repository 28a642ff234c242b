/**
 * Reads `changes` from the id of an entry on, shard by shard.
 *
 * The entry with that id is read again. While it exists, so do all later ones. If it is missing, it was trimmed, or Redis lost
 * it or was flushed, and later entries may be missing too: a gap. A rebuild of the projection empties the stream and writes a
 * `rebuilt` entry, which is a gap for a reader that starts at the beginning.
 */
import type { Change } from "../core/change.ts";
import { CHANGES_KEPT } from "../core/limits.ts";
import { decodeChangesCursor, encodeChangesCursor } from "../core/cursor.ts";
import type { ShardKeys } from "../core/keys.ts";
import { entriesOf, fieldsOf, integer, list, streamId } from "../redis/decode.ts";
import { PresenceError } from "../core/errors.ts";
import { isTold } from "../core/scope-patterns.ts";
import type { View } from "../core/view.ts";
import { patternsOf } from "./tracked.ts";
import { resolveChangesOptions } from "./options.ts";
import type { ReaderContext } from "./context.ts";
import type { Reader } from "./types.ts";

interface ShardChanges {
  readonly changes: readonly Change[];
  /** Id of the last entry read. */
  readonly at: string;
  readonly gap: boolean;
  readonly more: boolean;
}

/** The start of a stream, and a snapshot's cursor before the first change. */
const START = "0-0";
/** The field name of an entry which says that the projection was rebuilt: earlier entries are gone. */
const REBUILT = "rebuilt";
/** Entries of the first read. An entry can hold 4,000 changes; most hold one. Each further read takes twice as many. */
const COUNT_FIRST = 32;
const COUNT_MAX = 512;
const READS_MAX = 8;

const ASKED = "XRANGE of changes";

/** One XRANGE a shard, a few more where entries are small. */
export function changesOver(context: ReaderContext): Pick<Reader, "changes"> {
  const { shards, keys, open, askPlain, view } = context;
  return {
    async changes(options = {}) {
      const { after, limit } = resolveChangesOptions(options);
      await open();
      if (view.scope !== undefined) await checkTold(context, view.scope);
      if (after === undefined) return { changes: [], next: await endOf(context), gap: false, more: false };
      const ids = decodeChangesCursor(after, shards, view.mark);
      const each = Math.ceil(limit / shards);
      const parts = await Promise.all(
        keys.map((own, shard) => readChanges(askPlain, { keys: own, view }, ids[shard]!, each)),
      );
      if (parts.some(({ gap }) => gap))
        return { changes: [], next: await endOf(context), gap: true, more: false };
      return {
        changes: mergeChanges(parts.map(({ changes }) => changes)),
        next: encodeChangesCursor(
          parts.map(({ at }) => at),
          view.mark,
        ),
        gap: false,
        more: parts.some(({ more }) => more),
      };
    },
  };
}

/** Throws SCOPE_UNTRACKED where the changes of a scope are not told: no answer would say that there were none. */
async function checkTold({ keys, askPlain, tracks: ours }: ReaderContext, scope: string): Promise<void> {
  const parts = await Promise.all(
    keys.map(async (own) => {
      const [told, totals] = await askPlain([
        ["SMISMEMBER", own.told, scope],
        ["HMGET", own.totals, "tracks"],
      ]);
      const [tracks = null] = fieldsOf(totals, "HMGET of the totals", 1);
      return { isTold: integer(list(told, "SMISMEMBER of told", 1)[0], "SMISMEMBER of told") === 1, tracks };
    }),
  );
  if (parts.some(({ isTold }) => isTold) || isTold([...patternsOf(parts), ...ours], scope) === "yes") return;
  const message =
    "the changes of this namespace or room are not told: add it to `changes` in createPresence, on all servers";
  throw new PresenceError("SCOPE_UNTRACKED", message);
}

/** The cursor at the end of `changes`. */
async function endOf({ keys, askPlain, view }: ReaderContext): Promise<string> {
  const asked = "HMGET of the totals";
  const ids = keys.map(async (own) => {
    const [reply] = await askPlain([["HMGET", own.totals, "shards", view.last]]);
    const [, change = null] = fieldsOf(reply, asked, 2);
    return change === null ? START : streamId(change, asked);
  });
  return encodeChangesCursor(await Promise.all(ids), view.mark);
}

/** About `limit` changes: the last entry is not split. */
async function readChanges(
  read: ReaderContext["askPlain"],
  { keys, view }: { readonly keys: ShardKeys; readonly view: View },
  after: string,
  limit: number,
): Promise<ShardChanges> {
  const changes: Change[] = [];
  let at = after;
  let count = COUNT_FIRST;
  for (let reads = 1; ; reads++) {
    const fromStart = at === START;
    const [found, length, totals] = await read([
      [
        "XRANGE",
        view.changes(keys),
        fromStart ? "-" : at,
        "+",
        "COUNT",
        String(fromStart ? count : count + 1),
      ],
      ...(fromStart
        ? [["XLEN", view.changes(keys)] as const, ["HMGET", keys.totals, view.cut] as const]
        : []),
    ]);
    const entries = entriesOf(found, ASKED);
    const gap = fromStart
      ? integer(length, "XLEN of changes") >= CHANGES_KEPT ||
        entries[0]?.fields[0] === REBUILT ||
        fieldsOf(totals ?? null, "HMGET of the totals", 1)[0] !== null
      : entries.shift()?.id !== at;
    if (gap) return { changes: [], at, gap, more: false };
    let taken = 0;
    for (const { id, fields } of entries) {
      if (changes.length >= limit) break;
      for (const change of view.decode(id, fields)) changes.push(change);
      at = id;
      taken++;
    }
    const more = taken < entries.length || entries.length === count;
    if (!more || changes.length >= limit || reads === READS_MAX) return { changes, at, gap, more };
    count = Math.min(count * 2, COUNT_MAX);
  }
}

/** The changes of several shards in one list, by the time of their entries; changes of one entry stay together. */
function mergeChanges(parts: readonly (readonly Change[])[]): Change[] {
  if (parts.length === 1) return [...parts[0]!];
  return parts.flat().sort((a, b) => a.at.getTime() - b.at.getTime());
}
