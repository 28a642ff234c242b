/**
 * The mirror of one shard: the users this process has emitted as online. The emitted changes add up to it, so comparing it
 * with `users` shows which changes are still to be emitted, whatever was lost on the way (INV-13).
 *
 * Pure: src/follow/mirror.ts decides what is read and when. The order is
 *
 *   begin  → seen …  → read            who is present now, page by page, after a cursor was taken
 *          → apply …                   the changes after that cursor
 *          → gone or seen …  → settled who is absent, once all processes had time to register again
 *
 * and it may begin again at any point. A user who is found is emitted at once. One who is missing is emitted after settling:
 * after FLUSHALL everyone is missing until the processes have registered again. For the same reason departures wait.
 */
import type { Change } from "./change.ts";
import { LEVEL_CHUNK } from "./limits.ts";

/** Marks a user who was emitted as online and is gone, until that is emitted. */
const MISSING = 0;

type Phase =
  /** The users present are being read. */
  | "reading"
  /** They have been read; the processes of users who were not found may still register again. */
  | "settling"
  /** What was emitted equals `users`, up to the changes that are not read yet. */
  | "level";

export class MirrorState {
  /** User emitted as online → the last pass that found the user present, or MISSING. */
  readonly #told = new Map<string, number>();
  /** Departures that are waiting, with their causes. */
  readonly #held = new Map<string, Change>();
  readonly #emit: (change: Change) => void;
  #pass = MISSING;
  #phase: Phase = "reading";
  /** Until the first reading is complete nothing is emitted: users who are already present are not changes. */
  #silent = true;
  /** By how much `users` differed at the last level check; 0 for an accepted difference. */
  #off = 0;
  /** A difference that remained after a resync: another one would not help. */
  #accepted: number | "next" = 0;

  constructor(emit: (change: Change) => void) {
    this.#emit = emit;
  }

  /** Whether the user was last emitted as online. */
  has(user: string): boolean {
    return this.#told.has(user);
  }

  /** How many users were last emitted as online. */
  get size(): number {
    return this.#told.size;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Begins a reading: `seen` is called for each user present. */
  begin(): void {
    this.#pass++;
    this.#phase = "reading";
  }

  /** The user is in `users`. `at` and `id` are for the change, if one is emitted. */
  seen(user: string, at: Date, id: string): void {
    this.#held.delete(user);
    const known = this.#told.has(user);
    this.#told.set(user, this.#pass);
    if (!known && !this.#silent) this.#emit({ user, type: "online", cause: "resync", at, id });
  }

  /** All of `users` has been read. */
  read(): void {
    this.#phase = "settling";
  }

  /** Applies the next change of the stream. Returns false if it changes nothing: a user's changes alternate unless one is missing. */
  apply(change: Change): boolean {
    const { user } = change;
    const known = this.#told.has(user);
    if (change.type === "online") {
      this.#held.delete(user);
      this.#told.set(user, this.#pass);
      if (!known) this.#emit(change);
    } else if (known && this.#phase === "level") {
      this.#told.delete(user);
      this.#emit(change);
    } else if (known) {
      this.#told.set(user, MISSING);
      this.#held.set(user, change);
    }
    return known === (change.type === "offline");
  }

  /**
   * Users emitted as online who were not found, in chunks that can be empty: each takes a bounded time to collect.
   * The caller may call gone() and seen() for them while iterating.
   */
  *missing(): Generator<string[], void> {
    let chunk: string[] = [];
    let visited = 0;
    for (const [user, pass] of this.#told) {
      if (pass !== this.#pass) chunk.push(user);
      visited++;
      if (chunk.length < LEVEL_CHUNK && visited % (LEVEL_CHUNK * 10) !== 0) continue;
      yield chunk;
      chunk = [];
    }
    if (chunk.length > 0) yield chunk;
  }

  /** The user is not in `users`, and every process that could register the user again has had time to. */
  gone(user: string, at: Date, id: string): void {
    if (!this.#told.delete(user)) return;
    const change = this.#held.get(user) ?? { user, type: "offline", cause: "resync", at, id };
    this.#held.delete(user);
    if (!this.#silent) this.#emit(change);
  }

  /** All missing users have been emitted or found. */
  settled(): void {
    this.#phase = "level";
    this.#silent = false;
  }

  /**
   * The level check: compares the mirror's size with the number of users at the same position of the stream. Returns true,
   * begin again, when two checks find the same difference, which rules out a change in progress.
   */
  look(users: number): boolean {
    if (this.#phase !== "level") return false;
    const off = users - this.#told.size;
    if (this.#accepted === "next" || off === 0) this.#accepted = off;
    const seen = this.#off !== 0;
    this.#off = off === this.#accepted ? 0 : off;
    if (this.#off === 0 || !seen) return false;
    this.#off = 0;
    this.#accepted = "next";
    return true;
  }

  /** Forgets all users without emitting anything. */
  clear(): void {
    this.#told.clear();
    this.#held.clear();
  }
}
