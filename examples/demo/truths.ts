/** What the clients knew about themselves in the last seconds: an answer is compared with what was so when it was read. */
import { pause } from "../../rig/pace.ts";
import type { Population } from "./population.ts";

const SAMPLE_MS = 50;
/** Longer than the answers of the edge are shared, ms. */
const KEPT_MS = 5_000;
/** How much earlier or later a client may notice something than Redis does, ms. */
const APART_MS = 250;

interface Sample {
  /** performance.now() */
  readonly at: number;
  readonly users: number;
  readonly sockets: number;
}

export class Truths {
  readonly #population: Population;
  readonly #samples: Sample[] = [];

  constructor(population: Population) {
    this.#population = population;
  }

  /** Takes samples for this long, ms. */
  async sample(ms: number, signal: AbortSignal): Promise<void> {
    const end = performance.now() + ms;
    do {
      this.take();
      await pause(SAMPLE_MS, signal);
    } while (performance.now() < end);
  }

  take(): void {
    const { users, sockets } = this.#population.truth();
    const at = performance.now();
    const last = this.#samples.at(-1);
    if (last?.users !== users.size || last.sockets !== sockets)
      this.#samples.push({ at, users: users.size, sockets });
    // The last one before the time that is kept is still the truth at its beginning.
    while (this.#samples.length > 1 && this.#samples[1]!.at < at - KEPT_MS) this.#samples.shift();
  }

  /** Whether these figures were so at a time, performance.now(), or close to it. */
  held({ users, sockets }: { readonly users: number; readonly sockets: number }, at: number): boolean {
    return this.#samples.some((sample, i) => {
      const until = this.#samples[i + 1]?.at ?? Infinity;
      const overlaps = sample.at <= at + APART_MS && until >= at - APART_MS;
      return overlaps && sample.users === users && sample.sockets === sockets;
    });
  }
}
