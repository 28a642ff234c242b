/**
 * Who follows which users. Subscribers with the same filter form one group and share the bytes of their events; an index from
 * user to groups finds the groups that a change concerns, so that all others pay nothing for it.
 *
 * It holds plain data only, because in a Worker one request must not wait for another's promises.
 */
import type { Change } from "../core/change.ts";
import type { Batch } from "./frames.ts";

/** For so many of the latest batches, what was made from them is kept. A subscriber further behind has it made again. */
const RECENT_MAX = 16;

/** Subscribers with the same filter. */
export interface Group {
  /** The events of a batch that concern this group. */
  readonly frames: (batch: Batch) => Iterable<Uint8Array>;
  /** The changes of a batch that concern it. */
  readonly changes: (batch: Batch) => readonly Change[];
  /** One subscriber less. Call it once. */
  readonly leave: () => void;
}

interface Shared {
  readonly users: readonly string[];
  /** Subscribers. */
  size: number;
  /** The first batch that it was looked up for. */
  readonly from: number;
  made: { readonly batch: Batch; readonly frames: readonly Uint8Array[] } | undefined;
}

const NOTHING: readonly Uint8Array[] = [];
const EVERYBODY: Group = { frames: (batch) => batch.all(), changes: (batch) => batch.changes, leave() {} };
/** Of a grant without users. */
const NOBODY: Group = { frames: () => [], changes: () => [], leave() {} };

/** The groups of one feed. */
export class Followers {
  readonly #groups = new Map<string, Shared>();
  readonly #byUser = new Map<string, Set<Shared>>();
  /** The groups that each recent batch concerns, oldest first. */
  readonly #recent = new Map<Batch, Set<Shared>>();
  readonly #share: () => number;
  #next = 0;

  /** `share`: by how many it has to divide what it keeps. */
  constructor(share: () => number = () => 1) {
    this.#share = share;
  }

  /** Groups and users of the index, for tests of the bound. */
  get size(): { readonly groups: number; readonly users: number } {
    return { groups: this.#groups.size, users: this.#byUser.size };
  }

  /** One more subscriber of these users and no others. */
  joinOnly(users: readonly string[]): Group {
    return users.length === 0 ? NOBODY : this.join(users);
  }

  /** One more subscriber of these users; of all if none are given. */
  join(users: readonly string[]): Group {
    if (users.length === 0) return EVERYBODY;
    const own = [...new Set(users)].sort();
    const key = JSON.stringify(own);
    const group = this.#groups.get(key) ?? this.#add(key, own);
    group.size++;
    let isMember = true;
    return {
      // Who has left, perhaps too early, is not in the index any more.
      frames: (batch) => (isMember ? this.#framesOf(group, batch) : batch.of(own)),
      changes: (batch) => {
        const touched = isMember ? this.#touchedBy(group, batch) : undefined;
        return touched?.has(group) === false ? [] : batch.pick(own);
      },
      leave: () => {
        if (!isMember) return;
        isMember = false;
        if (--group.size === 0) this.#remove(key, group);
      },
    };
  }

  /** Finds the groups that a new batch concerns. */
  note(batch: Batch): void {
    this.#next = batch.n + 1;
    const touched = new Set<Shared>();
    if (this.#byUser.size > 0)
      for (const { user } of batch.changes)
        for (const group of this.#byUser.get(user) ?? []) touched.add(group);
    this.#recent.set(batch, touched);
    for (const old of this.#recent.keys()) {
      if (this.#recent.size <= Math.max(1, RECENT_MAX / this.#share())) return;
      old.forget();
      this.#recent.delete(old);
    }
  }

  #framesOf(group: Shared, batch: Batch): Iterable<Uint8Array> {
    const touched = this.#touchedBy(group, batch);
    if (touched?.has(group) === false) return NOTHING;
    if (group.made?.batch === batch) return group.made.frames;
    // For one subscriber they are made while it takes them, so that a slow one holds one event and not all.
    if (group.size === 1 || touched === undefined) return batch.of(group.users);
    group.made = { batch, frames: [...batch.of(group.users)] };
    return group.made.frames;
  }

  /** The groups that a batch concerns; undefined: that is not known of it, or not for this group. */
  #touchedBy(group: Shared, batch: Batch): ReadonlySet<Shared> | undefined {
    return batch.n < group.from ? undefined : this.#recent.get(batch);
  }

  #add(key: string, users: readonly string[]): Shared {
    const group: Shared = { users, size: 0, from: this.#next, made: undefined };
    this.#groups.set(key, group);
    for (const user of users) {
      const groups = this.#byUser.get(user);
      if (groups === undefined) this.#byUser.set(user, new Set([group]));
      else groups.add(group);
    }
    return group;
  }

  #remove(key: string, group: Shared): void {
    this.#groups.delete(key);
    for (const user of group.users) {
      const groups = this.#byUser.get(user);
      groups?.delete(group);
      if (groups?.size === 0) this.#byUser.delete(user);
    }
    for (const touched of this.#recent.values()) touched.delete(group);
  }
}
