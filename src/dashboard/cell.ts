/** A value that components follow. Preact gathers what changed and renders it with the next frame (main.tsx). */
import { useLayoutEffect, useReducer } from "preact/hooks";

export class Cell<Value> {
  #value: Value;
  readonly #listeners = new Set<() => void>();

  constructor(value: Value) {
    this.#value = value;
  }

  get value(): Value {
    return this.#value;
  }

  set value(value: Value) {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of this.#listeners) listener();
  }

  /** Returns the function that ends it. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** The value of a cell; the component renders again when it changes. */
export function useCell<Value>(cell: Cell<Value>): Value {
  const [, again] = useReducer<number, void>((n) => n + 1, 0);
  useLayoutEffect(() => cell.listen(() => again()), [cell]);
  return cell.value;
}
