/**
 * Walks along a stream of transitions, in reads of a bounded size. Each read begins with the last entry of the one before: while that exists,
 * so does all that follows it.
 */
import { PAST_BYTES, PAST_ENTRIES_FIRST, PAST_ENTRIES_MAX } from "../core/limits.ts";
import { entriesOf } from "../redis/decode.ts";
import type { StreamEntry } from "../redis/entries.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";

const ASKED = "XRANGE of changes";

export interface Stretch {
  readonly entries: readonly StreamEntry[];
  /** To the commands read in the same transaction. */
  readonly replies: readonly Reply[];
  /** There is nothing behind it in this direction. */
  readonly isLast: boolean;
  /** The entry that it had to begin with is gone: what follows is not proven. */
  readonly isLost: boolean;
}

export interface Walk {
  readonly read: (commands: readonly ReadCommand[]) => Promise<readonly Reply[]>;
  readonly key: string;
  /** Where to begin, this included; "-" is the beginning. */
  readonly from: string;
  /** That it is the id of an entry which must still exist; it is then not among the entries of the first stretch. */
  readonly isProven: boolean;
  /** Commands for each read. */
  readonly beside: readonly ReadCommand[];
}

/** Forward. Ends with the last stretch, or a lost one. */
export async function* walk({ read, key, from, isProven, beside }: Walk): AsyncGenerator<Stretch, void> {
  let [at, overlaps, count] = [from, isProven, PAST_ENTRIES_FIRST];
  for (;;) {
    const asked = overlaps ? count + 1 : count;
    const [found, ...replies] = await read([["XRANGE", key, at, "+", "COUNT", String(asked)], ...beside]);
    const entries = entriesOf(found, ASKED);
    const isLast = entries.length < asked;
    const isLost = overlaps && entries.shift()?.id !== at;
    yield { entries: isLost ? [] : entries, replies, isLast, isLost };
    if (isLast || isLost) return;
    at = entries.at(-1)!.id;
    overlaps = true;
    count = countFor(entries, count);
  }
}

/** How many entries make about PAST_BYTES, if they are as large as these; at most twice as many as before. */
export function countFor(entries: readonly StreamEntry[], before: number): number {
  let characters = 1;
  for (const { fields } of entries) for (const field of fields) characters += field.length + 16;
  const fitting = Math.floor((PAST_BYTES * entries.length) / characters);
  return Math.max(1, Math.min(fitting, 2 * before, PAST_ENTRIES_MAX));
}
