/**
 * The mirror of one shard: the users this process has said are online. What listeners were told adds up to it, so comparing
 * it with `users` says what they are still to be told, whatever was lost on the way (INV-13).
 *
 * Pure: what is read and when is for src/follow/mirror.ts. The order is
 *
 *   begin  → seen …  → read            who is present now, page by page, after a cursor was taken
 *          → apply …                   the changes after that cursor
 *          → gone or seen …  → settled who is absent, once all had the time to register again
 *
 * and it may begin again at any point. A user who is found is told at once. One who is missing is told in the end: after
 * FLUSHALL everybody is missing until the processes have registered again. For the same reason departures wait meanwhile.
 */
import type { Change } from "./change.ts";
import { LEVEL_CHUNK } from "./limits.ts";

/** What a user has who was told online and has gone, as long as that is not told. */
const MISSING = 0;

type Phase =
  /** Who is present is being read. */
  | "reading"
  /** That has been read; those who were not found may still register again. */
  | "settling"
  /** What was told is what is so, up to the changes that are not read yet. */
  | "level";

export class MirrorState {
  /** User told online → the last pass that found the user present, or MISSING. */
  readonly #told = new Map<string, number>();
  /** Departures that wait, for their causes. */
  readonly #held = new Map<string, Change>();
  readonly #emit: (change: Change) => void;
  #pass = MISSING;
  #phase: Phase = "reading";
  /** Until the first reading is complete nothing is told: who is there already is no change. */
  #silent = true;
  /** By how much `users` differed at the last look, 0 for a difference that is accepted. */
  #off = 0;
  /** A difference that a resync left as it was: another one will not help. */
  #accepted: number | "next" = 0;

  constructor(emit: (change: Change) => void) {
    this.#emit = emit;
  }

  /** Whether the last thing told of the user was online. */
  has(user: string): boolean {
    return this.#told.has(user);
  }

  /** How many were last told online. */
  get size(): number {
    return this.#told.size;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** From here on `seen` says who is present. */
  begin(): void {
    this.#pass++;
    this.#phase = "reading";
  }

  /** The user is in `users`. `at` and `id` are of what is told, if it is told. */
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

  /** The next change of the stream. Returns whether it is one: each user's alternate, unless some are missing. */
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
   * Those who were told online and have not been found, in chunks that can be empty: each took a bounded time to collect.
   * Whoever iterates may call gone() and seen() of them.
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

  /** The user is not in `users`, and no process is left that could have wanted to register the user again. */
  gone(user: string, at: Date, id: string): void {
    if (!this.#told.delete(user)) return;
    const change = this.#held.get(user) ?? { user, type: "offline", cause: "resync", at, id };
    this.#held.delete(user);
    if (!this.#silent) this.#emit(change);
  }

  /** Whoever was missing has been told, or was found. */
  settled(): void {
    this.#phase = "level";
    this.#silent = false;
  }

  /**
   * Compares the mirror with how many users there are, at the same place of the stream. Returns whether to begin again: a
   * difference that two looks have found has not been a change under way.
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

  /** Forgets everybody, and tells nobody. */
  clear(): void {
    this.#told.clear();
    this.#held.clear();
  }
}
