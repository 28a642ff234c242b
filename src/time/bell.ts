/** Sleeps that end early when woken; a wake while awake counts for the next sleep. */
export class Bell {
  #rung = false;
  #sleeper: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#sleeper?.();
  }

  async sleep(ms: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#sleeper = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#sleeper = undefined;
    this.#rung = false;
  }
}
