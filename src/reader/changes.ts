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
import { checkPast } from "../core/time-range.ts";
import { msOf } from "../core/stream-id.ts";
import type { View } from "../core/view.ts";
import { entriesOf, fieldsOf, integer, streamId } from "../redis/decode.ts";
import type { ChangesAnswer } from "./answers/changes.ts";
import { checkTold } from "./told.ts";
import { resolveChangesOptions } from "./options.ts";
import type { ReaderContext } from "./context.ts";
import type { Reader } from "./types.ts";

interface ShardChanges {
  readonly changes: readonly Change[];
  /** Id of the last entry read. */
  readonly at: string;
  readonly gap: boolean;
  readonly more: boolean;
  /** From the start on, and some may be missing. */
  readonly isCut: boolean;
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
  const { shards, keys, open, askAll, askPlain, combine, view } = context;

  /** The changes after these entries, one per shard. `isKept`: of what is missing from the start on, only `exact` tells. */
  async function after(
    ids: readonly string[],
    { limit, to, isKept }: { limit: number; to: number | undefined; isKept: boolean },
  ): Promise<ChangesAnswer> {
    const each = Math.ceil(limit / shards);
    const parts = await Promise.all(
      keys.map((own, shard) => readChanges(askPlain, { keys: own, view, to, isKept }, ids[shard]!, each)),
    );
    const exact = isKept ? { exact: !parts.some(({ gap, isCut }) => gap || isCut) } : {};
    if (parts.some(({ gap }) => gap))
      return { changes: [], next: await endOf(context), gap: true, more: false, ...exact };
    return {
      changes: mergeChanges(parts.map(({ changes }) => changes)),
      next: encodeChangesCursor(
        parts.map(({ at }) => at),
        view.mark,
      ),
      gap: false,
      more: parts.some(({ more }) => more),
      ...exact,
    };
  }

  /** The entry before a time proves that none after it is missing. */
  async function between(from: number, to: number | undefined, limit: number): Promise<ChangesAnswer> {
    const answers = await askAll((own) => [
      ["XREVRANGE", view.changes(own), `(${from}-0`, "-", "COUNT", "1"],
      ["XRANGE", view.changes(own), "-", "+", "COUNT", "1"],
    ]);
    const asOf = combine(answers.map((answer) => answer.asOf));
    checkPast("from", from, asOf.now.getTime());
    const found = answers.map(({ replies }) => {
      const [before] = entriesOf(replies[0], "XREVRANGE of changes");
      const [first] = entriesOf(replies[1], ASKED);
      return { id: before?.id ?? START, since: first === undefined ? null : msOf(first.id) + 1 };
    });
    const known = found.map(({ since }) => since).filter((since) => since !== null);
    const since = known.length === 0 ? asOf.now.getTime() : Math.max(...known);
    const answer = await after(
      found.map(({ id }) => id),
      { limit, to, isKept: true },
    );
    return { ...answer, exact: since <= from && !answer.gap, since: new Date(since) };
  }

  return {
    async changes(options = {}) {
      const { after: cursor, from, to, limit } = resolveChangesOptions(options);
      await open();
      if (view.scope !== undefined) await checkTold(context, view.scope);
      if (from !== undefined) return between(from, to, limit);
      if (cursor === undefined) return { changes: [], next: await endOf(context), gap: false, more: false };
      const ids = decodeChangesCursor(cursor, shards, view.mark);
      return after(ids, { limit, to, isKept: to !== undefined });
    },
  };
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

interface Part {
  readonly keys: ShardKeys;
  readonly view: View;
  /** The last time wanted, ms. With one, what is kept will do from the start on: the answer says `exact`. */
  readonly to: number | undefined;
  readonly isKept: boolean;
}

/** About `limit` changes: the last entry is not split. */
async function readChanges(
  read: ReaderContext["askPlain"],
  { keys, view, to, isKept }: Part,
  after: string,
  limit: number,
): Promise<ShardChanges> {
  const changes: Change[] = [];
  let at = after;
  let isCut = false;
  let count = COUNT_FIRST;
  if (to !== undefined && msOf(at) > to) return { changes, at, gap: false, more: false, isCut };
  for (let reads = 1; ; reads++) {
    const fromStart = at === START;
    const [found, length, totals] = await read([
      [
        "XRANGE",
        view.changes(keys),
        fromStart ? "-" : at,
        to === undefined ? "+" : String(to),
        "COUNT",
        String(fromStart ? count : count + 1),
      ],
      ...(fromStart
        ? [["XLEN", view.changes(keys)] as const, ["HMGET", keys.totals, view.cut] as const]
        : []),
    ]);
    const entries = entriesOf(found, ASKED);
    const isMissing = fromStart
      ? integer(length, "XLEN of changes") >= CHANGES_KEPT ||
        entries[0]?.fields[0] === REBUILT ||
        fieldsOf(totals ?? null, "HMGET of the totals", 1)[0] !== null
      : entries.shift()?.id !== at;
    if (fromStart && isKept) isCut = isMissing;
    else if (isMissing) return { changes: [], at, gap: true, more: false, isCut };
    let taken = 0;
    for (const { id, fields } of entries) {
      if (changes.length >= limit) break;
      for (const change of view.decode(id, fields)) changes.push(change);
      at = id;
      taken++;
    }
    const more = taken < entries.length || entries.length === count;
    if (!more || changes.length >= limit || reads === READS_MAX)
      return { changes, at, gap: false, more, isCut };
    count = Math.min(count * 2, COUNT_MAX);
  }
}

/** The changes of several shards in one list, by the time of their entries; changes of one entry stay together. */
function mergeChanges(parts: readonly (readonly Change[])[]): Change[] {
  if (parts.length === 1) return [...parts[0]!];
  return parts.flat().sort((a, b) => a.at.getTime() - b.at.getTime());
}
