/** A clock that jumps from one timer to the next: hours of an idle process take a second. */
import { Random } from "../../rig/random.ts";
import type { Runtime } from "../../src/time/runtime.ts";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

export class Clock implements Runtime {
  #now = 0;
  readonly #random: Random;
  readonly #timers = new Set<Timer>();

  constructor(seed: string) {
    this.#random = new Random(seed);
  }

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.#random.next();
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Runs until `end`, ms. After each timer, `settled` is awaited. */
  async runUntil(end: number, settled: () => Promise<void>): Promise<void> {
    await settled();
    for (;;) {
      let at = Infinity;
      for (const timer of this.#timers) at = Math.min(at, timer.at);
      if (at > end) break;
      this.#now = Math.max(this.#now, at);
      for (const timer of Array.from(this.#timers)) {
        if (timer.at > this.#now || !this.#timers.delete(timer)) continue;
        timer.run();
      }
      await settled();
    }
    this.#now = end;
  }
}
