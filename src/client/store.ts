/** One immutable state, and who is told when another one takes its place: the contract of React's useSyncExternalStore. */

/** What live() and liveCounts() return. Its functions need no `this`. */
export interface Live<State> {
  /** The state now. The same object until it changes. */
  getState(): State;
  /** Calls `listener` after each change, at most about once in 50 ms. Returns a function that ends it. */
  subscribe(listener: () => void): () => void;
  /** Ends it: no request, stream or timer is left. The last state stays, with the status "closed". */
  close(): void;
}

/** How far apart changes are told, ms. */
const APART_MS = 50;

export class Store<State> {
  #state: State;
  readonly #make: (before: State) => State;
  readonly #listeners = new Set<{ readonly listener: () => void }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #toldAt = -Infinity;

  /** `make` returns the state of this moment; `before` itself if nothing has changed. */
  constructor(initial: State, make: (before: State) => State) {
    this.#state = initial;
    this.#make = make;
  }

  readonly getState = (): State => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    const entry = { listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  };

  /** Something may have changed: told now, or together with what changes in the next moment. */
  changed(): void {
    const left = this.#toldAt + APART_MS - performance.now();
    if (left <= 0) this.tell();
    else this.#timer ??= setTimeout(() => this.tell(), left);
  }

  /** Tells it now. */
  tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const state = this.#make(this.#state);
    if (state === this.#state) return;
    this.#state = state;
    this.#toldAt = performance.now();
    for (const { listener } of this.#listeners)
      try {
        listener();
      } catch (error) {
        // As an event target does: the error is the listener's, and the others are called all the same.
        queueMicrotask(() => {
          throw error;
        });
      }
  }
}

/** `next` if a value differs, else `before`. */
export function unlessEqual<State extends object>(before: State, next: State): State {
  const isEqual = (Object.keys(next) as (keyof State)[]).every((name) => Object.is(before[name], next[name]));
  return isEqual ? before : next;
}
