/** The keys of the live demo, and what was asked for with them. */
import type { ReadStream } from "node:tty";

export type Wish = "kill" | "drain";

export const KEYS_HELP = "k kills a node · d drains one · p pauses · q ends";

/** What a person has asked for and the story has not done yet: at most one act, since each takes seconds. */
export class Wishes {
  #wish: Wish | undefined;
  #isPaused = false;
  #wake = (): void => {};

  /** While paused, the tabs stay as they are and nothing happens by itself. Acts that are asked for still do. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** The act that comes next, if one was asked for. */
  get waiting(): Wish | undefined {
    return this.#wish;
  }

  ask(wish: Wish): void {
    this.#wish = wish;
    this.#wake();
  }

  pause(): void {
    this.#isPaused = !this.#isPaused;
    this.#wake();
  }

  take(): Wish | undefined {
    const wish = this.#wish;
    this.#wish = undefined;
    return wish;
  }

  /**
   * Waits until something is asked for or `ms` have passed; the time does not count while paused, and starts anew after a pause. Rejects
   * with the signal's reason when it fires.
   */
  async orLater(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let timer: NodeJS.Timeout | undefined;
    const look = () => {
      clearTimeout(timer);
      if (this.#wish !== undefined) resolve();
      else if (!this.#isPaused) timer = setTimeout(resolve, ms);
    };
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#wake = look;
    look();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#wake = () => {};
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/**
 * Passes key presses on, one by one, until it is called back. Ctrl-C, which a terminal in raw mode no longer turns into a signal, arrives
 * as SIGINT all the same, and so does `q`.
 */
export function listenForKeys(input: ReadStream, wishes: Wishes): () => void {
  if (!input.isTTY) return () => {};
  const interrupt = () => process.kill(process.pid, "SIGINT");
  const acts: Record<string, () => void> = {
    k: () => wishes.ask("kill"),
    d: () => wishes.ask("drain"),
    p: () => wishes.pause(),
    q: interrupt,
    "\u0003": interrupt,
  };
  const onData = (data: Buffer) => {
    // A sequence, such as that of an arrow key, is no key of ours.
    const text = data.toString();
    if (!text.startsWith("\u001b")) for (const key of text.toLowerCase()) acts[key]?.();
  };
  input.setRawMode(true);
  input.on("data", onData);
  input.resume();
  return () => {
    input.off("data", onData);
    input.pause();
    input.setRawMode(false);
  };
}
