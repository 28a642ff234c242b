/** Does long work in slices, so that the process answers its clients in between. */

/**
 * Runs a generator, one slice a turn of the event loop: the first one now, so that short work is done when this returns. At most
 * one runs at a time.
 */
export class Slices {
  #next: NodeJS.Immediate | undefined;
  #stopped = false;

  /** Does nothing while earlier work goes on. `work` must not throw. */
  start(work: () => Iterator<void>): void {
    if (this.#next === undefined && !this.#stopped) this.#slice(work());
  }

  #slice(work: Iterator<void>): void {
    this.#next = undefined;
    if (work.next().done !== true && !this.#stopped) this.#next = setImmediate(() => this.#slice(work));
  }

  /** For good, also when called by the work itself. */
  stop(): void {
    this.#stopped = true;
    clearImmediate(this.#next);
    this.#next = undefined;
  }
}
