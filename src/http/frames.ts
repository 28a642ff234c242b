/**
 * Events as bytes. An event is serialised once, and all subscribers that get it share the same bytes.
 *
 * An event of changes has about EVENT_BYTES at most: more changes become several events. It is split between two entries of
 * `changes` only, so that the id of each part is a cursor: a client that reconnects in the middle misses nothing and gets
 * nothing twice. One entry can hold thousands of users; if it alone has more than EVENT_BYTES_MAX, a `gap` takes its place.
 */
import type { Change } from "../core/change.ts";
import { decodeChangesCursor, encodeChangesCursor } from "../core/cursor.ts";
import { EVENT_BYTES, EVENT_BYTES_MAX } from "../core/limits.ts";
import { shardOf } from "../core/shard.ts";

/** The names of events. */
export type EventName = "changes" | "gap" | "counts" | "stale" | "fresh" | "expired";

/** One event of a stream. */
export interface Event {
  /** Absent: only the id is sent, or a comment. The client gets no event, and its browser keeps the id for reconnecting. */
  readonly event?: EventName;
  readonly data?: unknown;
  readonly id?: string | undefined;
}

const encoder = new TextEncoder();

/** The bytes of an event. Neither a cursor nor JSON contains a line break. */
export function frame({ event, data, id }: Event): Uint8Array {
  return frameOf(event, event === undefined ? "" : JSON.stringify(data), id);
}

/** How long a client waits before it reconnects, ms. */
export function retryFrame(ms: number): Uint8Array {
  return encoder.encode(`retry: ${Math.round(ms)}\n\n`);
}

function frameOf(event: EventName | undefined, data: string, id: string | undefined): Uint8Array {
  const lines: string[] = [];
  if (id !== undefined) lines.push(`id: ${id}`);
  if (event !== undefined) lines.push(`event: ${event}`, `data: ${data}`);
  return encoder.encode(`${lines.length === 0 ? ":" : lines.join("\n")}\n\n`);
}

/** What one read brought: the changes after the cursor `after`, up to `next`. */
export class Batch {
  /** Rises by one with each read of the feed; -1: read for one subscriber that catches up. */
  readonly n: number;
  readonly after: string;
  readonly next: string;
  readonly changes: readonly Change[];
  /** Characters, roughly: what it takes to keep it. */
  readonly weight: number;
  readonly #shards: number;
  readonly #mark: string;
  #texts: (string | undefined)[] = [];
  #places: Map<string, number[]> | undefined;
  #all: readonly Uint8Array[] | undefined;

  /** `mark`: what its cursors begin with. */
  constructor(n: number, after: string, next: string, changes: readonly Change[], shards: number, mark = "") {
    this.n = n;
    this.after = after;
    this.next = next;
    this.changes = changes;
    this.#shards = shards;
    this.#mark = mark;
    this.weight = changes.reduce((sum, { user }) => sum + user.length + CHANGE_CHARACTERS, 0);
  }

  /** The events of all changes. Made once, then kept until forget(). */
  all(): readonly Uint8Array[] {
    return (this.#all ??= [...this.#frames(this.changes.keys())]);
  }

  /** The events of these users' changes, made one after another. */
  of(users: Iterable<string>): Iterable<Uint8Array> {
    return this.#frames(this.#placesOf(users));
  }

  /** These users' changes. */
  pick(users: Iterable<string>): readonly Change[] {
    return this.#placesOf(users).map((place) => this.changes[place]!);
  }

  #placesOf(users: Iterable<string>): number[] {
    if (this.#places === undefined) {
      this.#places = new Map();
      for (const [i, { user }] of this.changes.entries()) {
        const places = this.#places.get(user);
        if (places === undefined) this.#places.set(user, [i]);
        else places.push(i);
      }
    }
    const mine: number[] = [];
    for (const user of users) mine.push(...(this.#places.get(user) ?? []));
    return mine.sort((a, b) => a - b);
  }

  /** Drops what was made from the changes. It is made again if somebody still needs it. */
  forget(): void {
    this.#texts = [];
    this.#places = undefined;
    this.#all = undefined;
  }

  *#frames(places: Iterable<number>): Generator<Uint8Array, void> {
    const at = decodeChangesCursor(this.after, this.#shards, this.#mark);
    let parts: string[] = [];
    let size = 0;
    const flush = (next: string) => {
      const bytes = frameOf("changes", `{"changes":[${parts.join(",")}],"next":"${next}"}`, next);
      parts = [];
      size = 0;
      return bytes;
    };
    for (const { entry, last } of entriesIn(this.changes, places)) {
      const texts = entry.map((i) => (this.#texts[i] ??= JSON.stringify(this.changes[i])));
      const bytes = texts.reduce((sum, text) => sum + text.length, 0);
      const before = encodeChangesCursor(at, this.#mark);
      const { user, id } = this.changes[last]!;
      at[shardOf(user, this.#shards)] = id;
      if (size > 0 && size + bytes > EVENT_BYTES) yield flush(before);
      if (bytes > EVENT_BYTES_MAX) {
        const next = encodeChangesCursor(at, this.#mark);
        yield frameOf("gap", JSON.stringify({ next }), next);
        continue;
      }
      parts.push(...texts);
      size += bytes;
    }
    if (size > 0) yield flush(this.next);
  }
}

/** What a change takes besides its user, roughly. */
const CHANGE_CHARACTERS = 100;

/** The places of changes that lie in one entry of one shard, which are next to each other. */
function* entriesIn(
  changes: readonly Change[],
  places: Iterable<number>,
): Generator<{ readonly entry: readonly number[]; readonly last: number }, void> {
  let entry: number[] = [];
  for (const i of places) {
    const last = entry.at(-1);
    // Entries of two shards can have the same id, but they were read at different times: the objects differ.
    if (last !== undefined && changes[last]!.at !== changes[i]!.at) {
      yield { entry, last };
      entry = [];
    }
    entry.push(i);
  }
  if (entry.length > 0) yield { entry, last: entry.at(-1)! };
}
