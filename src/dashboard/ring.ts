/** The numbers of the last minutes, one a second, as the stream of counts told them. */

export interface Sample {
  /** s since 1970, on Redis's clock. */
  readonly at: number;
  /** Null: nobody knew, because the API or Redis was away, or the numbers were old. */
  readonly users: number | null;
  readonly sockets: number | null;
}

/** Seconds kept: twice what is shown, so that a longer range has a tail too. */
const KEPT = 600;

export type Value = { readonly users: number; readonly sockets: number } | null;

export class Ring {
  readonly #samples: Sample[] = [];
  #value: Value = null;

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** What holds from this moment on. A stream tells each change, so until then the value before has held. */
  tell(ms: number, value: Value): void {
    const at = Math.floor(ms / 1000);
    this.#reach(at);
    this.#value = value;
    const { length } = this.#samples;
    const last = this.#samples[length - 1];
    // Later than what is here already: two clocks, or an answer that took long.
    if (last === undefined || at >= last.at) {
      if (last?.at === at) this.#samples.pop();
      this.#add(at);
    }
  }

  /** Up to now, nothing has changed. A page in the background is woken rarely: seconds it missed are made up for. */
  tick(ms: number): void {
    this.#reach(Math.floor(ms / 1000) + 1);
  }

  #reach(end: number): void {
    const last = this.#samples.at(-1);
    if (last === undefined) return;
    for (let at = Math.max(last.at + 1, end - KEPT); at < end; at++) this.#add(at);
  }

  #add(at: number): void {
    this.#samples.push({
      at,
      users: this.#value?.users ?? null,
      sockets: this.#value?.sockets ?? null,
    });
    if (this.#samples.length > KEPT) this.#samples.splice(0, this.#samples.length - KEPT);
  }
}
