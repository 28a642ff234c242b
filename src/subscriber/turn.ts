/** The turn of one process on one shard, as far as it can know without asking: it ends by this machine's monotonic clock. */
import { processRuntime, type Runtime } from "../time/runtime.ts";
import type { Answer } from "./script.ts";

export class Turn {
  readonly #ms: number;
  readonly #runtime: Runtime;
  readonly #renew: (token: number) => Promise<Answer>;
  #token = 0;
  #ends = -Infinity;

  constructor(ms: number, renew: (token: number) => Promise<Answer>, runtime: Runtime = processRuntime) {
    this.#ms = ms;
    this.#renew = renew;
    this.#runtime = runtime;
  }

  get token(): number {
    return this.#token;
  }

  /** Whether it may still deliver. */
  get isHeld(): boolean {
    return this.#runtime.now() < this.#ends;
  }

  /** A call that was sent at `sent` has found that the turn is this process's: then at least half of it was left. */
  held(token: number, sent: number): void {
    this.#token = token;
    this.#ends = sent + this.#ms / 2;
  }

  /** A step of this process was noted, and the next one has this token. */
  stepped({ word, token }: Answer): void {
    if (word !== "lost") this.#token = token;
  }

  lost(): void {
    this.#ends = -Infinity;
  }

  /** Runs `work`, and renews the turn meanwhile. The signal that `work` gets fires when the turn is lost. */
  async during<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const ended = new AbortController();
    let isOver = false;
    let cancel = () => {};
    const lose = () => {
      this.lost();
      ended.abort(new Error("another process may have the turn now"));
    };
    const look = (): void => {
      const wait = Math.min(this.#ms / 6, Math.max(0, this.#ends - this.#runtime.now()));
      cancel = this.#runtime.after(wait, () => {
        if (!this.isHeld) return lose();
        const sent = this.#runtime.now();
        this.#renew(this.#token).then(
          ({ word }) => {
            if (isOver) return;
            if (word === "lost") lose();
            else this.held(this.#token, sent);
          },
          // Redis does not answer: the turn ends by itself.
          () => {},
        );
        look();
      });
    };
    look();
    try {
      return await work(ended.signal);
    } finally {
      isOver = true;
      cancel();
    }
  }
}
