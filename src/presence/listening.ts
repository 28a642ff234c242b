/** Follows the cluster's changes while there are listeners; without one, no connection and no memory are used. */
import { PresenceError } from "../core/errors.ts";
import { UNHEARD_MS } from "../core/limits.ts";
import { follow, type FollowOptions, type Following, type Mirror } from "../follow/mirror.ts";
import { processRuntime } from "../time/runtime.ts";

export class Listening {
  readonly #options: FollowOptions;
  readonly #heard: () => boolean;
  readonly #ended: () => void;
  #following: Following | undefined;
  /** The mirror was used: it is kept until close(). */
  #kept = false;
  #closed = false;
  #cancel: (() => void) | undefined;
  #ending: Promise<unknown> = Promise.resolve();

  /** `heard` says whether there is a listener now; `ended` is called when following ends. */
  constructor(options: FollowOptions, heard: () => boolean, ended: () => void) {
    this.#ended = ended;
    this.#options = options;
    this.#heard = heard;
  }

  /** Call it whenever a listener was added or removed. */
  review(): void {
    if (this.#closed) return;
    if (this.#kept || this.#heard()) {
      this.#cancel?.();
      this.#cancel = undefined;
      this.#following ??= follow(this.#options);
    } else if (this.#following !== undefined) {
      const runtime = this.#options.runtime ?? processRuntime;
      this.#cancel ??= runtime.after(UNHEARD_MS, () => this.#end());
    }
  }

  #end(): void {
    this.#cancel = undefined;
    const ended = this.#following?.close();
    this.#following = undefined;
    this.#ended();
    this.#ending = Promise.all([this.#ending, ended]);
  }

  /** Whether somebody waits for changes: a listener, or who uses the mirror. */
  get listens(): boolean {
    return this.#following !== undefined;
  }

  /** Users in the mirror; undefined: there is none. */
  get users(): number | undefined {
    try {
      return this.#following?.mirror.size;
    } catch {
      // It was dropped.
      return undefined;
    }
  }

  /** Resolves when the current listeners receive every change from then on. */
  async ready(): Promise<void> {
    await this.#following?.ready;
  }

  /** Throws PresenceError CLOSED. */
  get mirror(): Mirror {
    if (this.#closed) throw new PresenceError("CLOSED", "this presence has been closed");
    this.#kept = true;
    this.review();
    return this.#following!.mirror;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    this.#end();
    await this.#ending;
  }
}
