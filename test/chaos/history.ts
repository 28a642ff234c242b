/**
 * When a user was present, as reported by the user's own clients, and whether an `offline` for the user was right.
 * Pure: the time is an argument, ms since 1970.
 */
import type { ChangeCause } from "../../src/index.ts";

/** A time without any socket, from the fall of the last one to the next connect; Infinity: not over yet. */
export interface Absence {
  readonly from: number;
  readonly to: number;
  /** Did one of the sockets that fell last say goodbye? Then there is no grace. */
  readonly goodbye: boolean;
}

export class History {
  readonly #absences: Absence[];
  #sockets = 0;
  #goodbyeAt = -Infinity;

  /** Before `now`, the user was not there at all. */
  constructor(now: number) {
    this.#absences = [{ from: now, to: Infinity, goodbye: true }];
  }

  get absences(): readonly Absence[] {
    return this.#absences;
  }

  connected(now: number): void {
    this.#sockets++;
    if (this.#sockets > 1) return;
    const last = this.#absences.pop()!;
    this.#absences.push({ ...last, to: now });
  }

  /**
   * One socket is gone. Sockets of several nodes that fall at about the same time may be folded in another order, so a
   * goodbye of any of them within `blur` ms may be the one that counts.
   */
  disconnected(now: number, { goodbye, blur }: { goodbye: boolean; blur: number }): void {
    this.#sockets--;
    if (goodbye) this.#goodbyeAt = now;
    if (this.#sockets > 0) return;
    this.#absences.push({ from: now, to: Infinity, goodbye: now - this.#goodbyeAt <= blur });
  }
}

export interface Told {
  readonly user: string;
  readonly type: "online" | "offline";
  readonly cause: ChangeCause;
  /** When it was folded, ms on the clock of Redis, which is the clock of this machine. */
  readonly at: number;
  /** Id of the entry of `changes`. */
  readonly id: string;
}

export interface Verdict {
  readonly grace: number;
  readonly slack: number;
  /** How old the news may have been when it was folded, ms: Redis may have been away. */
  readonly late: number;
  readonly now: number;
}

/**
 * Whether the user was really away, without a goodbye for about as long as the grace. `reap` has no grace: it is right for a
 * user who is away at that moment. For a user who is still away, ask again when the grace is over.
 */
export function isFair(
  told: Told,
  absences: readonly Absence[],
  { grace, slack, late, now }: Verdict,
): boolean {
  return absences.some(({ from, to, goodbye }) => {
    const end = Math.min(to, now);
    if (from > told.at + slack || end < told.at - late) return false;
    if (told.cause === "reap" && from <= told.at + slack && end >= told.at - slack) return true;
    return goodbye || end - from >= grace - slack;
  });
}
