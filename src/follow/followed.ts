/** What is kept for each view that is followed, and the bound of their mirrors. Pure. */
import type { Change } from "../core/change.ts";
import { MirrorState } from "../core/mirror.ts";
import { STREAM_START } from "../core/stream-id.ts";
import type { View } from "../core/view.ts";

/** Why changes may be missing. */
export type GapReason =
  /** Entries after the last one read are gone: the stream was trimmed, flushed, or lost its end in a failover. */
  | "lost"
  /** The projection was rebuilt. */
  | "rebuilt"
  /** More than `mirrorMax` users are online: from now on lost changes are only reported as a gap. */
  | "full";

export interface Gap {
  readonly reason: GapReason;
}

/** Who is told about the changes of a view. Neither may throw. */
export interface Hearer {
  readonly onChange: (change: Change) => void;
  readonly onGap: (gap: Gap) => void;
}

/** One view in one shard. */
export interface Part {
  readonly state: MirrorState;
  /** It was read once: from then on the state emits. */
  started: boolean;
  /** It has to be read again, at the place where the stream is. */
  again: boolean;
  /** Entries up to this id were in what was read. */
  from: string;
  /** `from` was read on another connection: its entry has to be found where the stream is read. */
  unproved: boolean;
  /** While it is read beside the stream: the changes that came meanwhile. */
  beside: Change[] | undefined;
  /** When it may emit who is missing, on the runtime's clock. */
  settles: number;
  /** There were users, and their changes were not in the stream. */
  untold: boolean;
  /** Its users, as they count for the bound. */
  counted: number;
}

/** A view in every shard. */
export interface Followed {
  readonly view: View;
  readonly hearer: Hearer;
  /** One per shard. */
  readonly parts: readonly Part[];
  /** Its mirror is dropped: changes are passed through. */
  dropped: boolean;
  /** Nobody follows it any more. */
  removed: boolean;
  /** Settles when every part has been read: later changes will be emitted. */
  readonly started: PromiseWithResolvers<void>;
}

export function followedOf(view: View, shards: number, hearer: Hearer, isOver: () => boolean): Followed {
  const followed: Followed = {
    view,
    hearer,
    dropped: false,
    removed: false,
    started: Promise.withResolvers<void>(),
    parts: Array.from({ length: shards }, () => ({
      state: new MirrorState((change) => {
        if (!followed.removed && !isOver()) hearer.onChange(change);
      }),
      started: false,
      again: false,
      from: STREAM_START,
      unproved: false,
      beside: undefined,
      settles: 0,
      untold: false,
      counted: 0,
    })),
  };
  return followed;
}

/** Bounds the users of all mirrors together. The one that does not fit is dropped. */
export class Bound {
  readonly #max: number;
  #users = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** The part has changed. Returns true if its view was dropped just now. */
  exceeds(followed: Followed, part: Part): boolean {
    if (followed.dropped || followed.removed) return false;
    this.#users += part.state.size - part.counted;
    part.counted = part.state.size;
    if (this.#users <= this.#max) return false;
    followed.dropped = true;
    this.clear(followed);
    return true;
  }

  /** Forgets the users of a view. */
  clear({ parts }: Followed): void {
    for (const part of parts) {
      this.#users -= part.counted;
      part.counted = 0;
      part.state.clear();
    }
  }
}
