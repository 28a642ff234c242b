/** Several signals as one. */

export interface First {
  /** Fires when the first of them does, with its reason. */
  readonly signal: AbortSignal;
  /** Removes what it has put on them: a signal may live as long as the process. */
  release(): void;
}

/**
 * What AbortSignal.any() is for. That of Node 24 holds its sources weakly, and after a garbage collection it was seen not to fire; this
 * one is held by its sources until it is released.
 */
export function firstOf(...signals: readonly (AbortSignal | undefined)[]): First {
  const first = new AbortController();
  const undo: (() => void)[] = [];
  const release = () => {
    for (const one of undo.splice(0)) one();
  };
  for (const signal of signals) {
    if (signal === undefined) continue;
    const fire = () => {
      release();
      first.abort(signal.reason);
    };
    if (signal.aborted) {
      fire();
      break;
    }
    signal.addEventListener("abort", fire);
    undo.push(() => signal.removeEventListener("abort", fire));
  }
  return { signal: first.signal, release };
}
