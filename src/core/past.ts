/**
 * The past is the present walked back: users now, minus who came, plus who went. Pure.
 *
 * For a user who came or went after a moment, the first of these changes says what was so at the moment: who came was absent, who
 * went was present. For everybody else it was as it is now. So the changes may be read in order, and the users at any time meanwhile: a
 * user without a change has not come or gone while they were listed.
 */
import type { Change } from "./change.ts";

export class Past {
  readonly #listed = new Set<string>();
  /** Of each user with a change: present at the moment, and now. */
  readonly #changed = new Map<string, { readonly was: boolean; is: boolean }>();

  /** A user who is present, from a listing that began after the moment. */
  list(user: string): void {
    this.#listed.add(user);
  }

  /** The next change after the moment, in order. */
  add({ user, type }: Pick<Change, "user" | "type">): void {
    const isOnline = type === "online";
    const known = this.#changed.get(user);
    if (known === undefined) this.#changed.set(user, { was: !isOnline, is: isOnline });
    else known.is = isOnline;
  }

  /** Users held. */
  get size(): number {
    return this.#listed.size + this.#changed.size;
  }

  /** Whether somebody is listed. */
  get isListed(): boolean {
    return this.#listed.size > 0;
  }

  /** How many are present after the last change: what the totals must say, or something was lost. */
  get now(): number {
    let count = 0;
    for (const user of this.#listed) if (!this.#changed.has(user)) count++;
    for (const { is } of this.#changed.values()) if (is) count++;
    return count;
  }

  /** Who was present at the moment, in any order. */
  *users(): Generator<string, void> {
    for (const user of this.#listed) if (!this.#changed.has(user)) yield user;
    for (const [user, { was }] of this.#changed) if (was) yield user;
  }
}
