/** The sleeps of one loop, which end early when it is woken. */
import type { Runtime } from "../time/runtime.ts";

export class Sleeper {
  readonly #runtime: Runtime;
  #wake: (() => void) | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Ends the current sleep, if any. */
  wake(): void {
    this.#wake?.();
  }

  /** Ends early when woken. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#runtime.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Ends early only when woken after the signal has fired, so that a failed attempt is not retried sooner. */
  async pause(ms: number, signal: AbortSignal): Promise<void> {
    const until = this.#runtime.now() + ms;
    while (!signal.aborted && this.#runtime.now() < until) await this.sleep(until - this.#runtime.now());
  }
}
