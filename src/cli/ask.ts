/** Waits for an answer: no longer than --timeout, and not after Ctrl-C. */
import { within } from "../time/deadline.ts";
import { PresenceError } from "../core/errors.ts";
import { type Call, Interrupted } from "./command.ts";

export type Ask = <T>(answer: Promise<T>) => Promise<T>;

export function asking({ given, io: { signal } }: Call): Ask {
  const ms = given.number("timeout")!;
  const late = () =>
    new PresenceError(
      "REDIS_UNAVAILABLE",
      `no answer within ${ms} ms: check whether the server is stuck, or raise --timeout`,
    );
  return async (answer) => {
    // The loser of the race may still fail.
    answer.catch(() => {});
    if (signal.aborted) throw new Interrupted();
    let stop = () => {};
    const interrupted = new Promise<never>((_, reject) => {
      stop = () => reject(new Interrupted());
      signal.addEventListener("abort", stop, { once: true });
    });
    try {
      return await Promise.race([within(ms, answer, late), interrupted]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
}

/** The same for what is a list without an end: each item is an answer. */
export async function* each<T>(ask: Ask, items: AsyncIterable<T>): AsyncGenerator<T, void> {
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    const next = await ask(iterator.next());
    if (next.done === true) return;
    yield next.value;
  }
}
