/**
 * What a process has passed of late, in bounds. When a failover takes both a change and the note that it was handled, nothing in Redis says
 * any more that the receiver knows of it; the process that told it still does.
 */
import type { Passed, PassedBefore } from "../core/delivery.ts";
import { RECENT_BYTES_MAX, RECENT_MAX, RECENT_MS } from "../core/limits.ts";
import { utf8Length } from "../core/utf8.ts";

interface Kept extends Passed {
  readonly at: number;
  readonly bytes: number;
}

export class Recent implements PassedBefore {
  /** By id, in order of time. */
  readonly #passed = new Map<string, Kept>();
  /** Member → the last one about him. */
  readonly #last = new Map<string, Kept>();
  #bytes = 0;

  /** `now`: ms on a monotonic clock. */
  add(passed: readonly Passed[], now: number): void {
    for (const one of passed) {
      this.#delete(one.id);
      const kept = { ...one, at: now, bytes: one.id.length + utf8Length(one.member) };
      this.#passed.set(one.id, kept);
      this.#last.set(one.member, kept);
      this.#bytes += kept.bytes;
    }
    for (const { id, at } of this.#passed.values()) {
      const isFull = this.#passed.size > RECENT_MAX || this.#bytes > RECENT_BYTES_MAX;
      if (!isFull && now - at < RECENT_MS) break;
      this.#delete(id);
    }
  }

  has(id: string): boolean {
    return this.#passed.has(id);
  }

  stateOf(member: string): boolean | undefined {
    return this.#last.get(member)?.isOnline;
  }

  /** Member → whether he is present by the last that was passed. */
  states(now: number): Map<string, boolean> {
    this.add([], now);
    return new Map([...this.#last].map(([member, { isOnline }]) => [member, isOnline]));
  }

  /** What was passed of these members' last changes was not told: it is given up, and a letter about it may be read or lost. */
  leave(passed: readonly Passed[]): void {
    for (const { member } of passed) this.#last.delete(member);
  }

  /** Another process may have told since, and knows better. */
  clear(): void {
    this.#passed.clear();
    this.#last.clear();
    this.#bytes = 0;
  }

  #delete(id: string): void {
    const kept = this.#passed.get(id);
    if (kept === undefined) return;
    this.#passed.delete(id);
    if (this.#last.get(kept.member) === kept) this.#last.delete(kept.member);
    this.#bytes -= kept.bytes;
  }
}
