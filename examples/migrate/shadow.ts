/** Asks the old and the new way at the same time, answers with the old, and says where they differ. */
import { isDeepStrictEqual } from "node:util";

/** What an application asks: each question takes an id or a room, or nothing. */
export type Questions = Readonly<Record<string, (about: string) => Promise<unknown>>>;

/** One way to answer. */
export interface Way {
  readonly ask: Questions;
  /** To be called while the sockets are still open. */
  close?(): Promise<void>;
  /** To be called when the last socket has been closed. */
  release?(): Promise<void>;
}

export interface Difference {
  readonly question: string;
  readonly about: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** While people come and go, two reads a millisecond apart may differ. What still differs after this is not that, ms. */
const AGAIN_MS = 1_000;

/**
 * The questions of `before`, each asked of `after` too. A difference that is still there a second later is told. A failure of `after`
 * is a difference; one of `before` rejects, as it did.
 */
export function shadow(
  before: Questions,
  after: Questions,
  differs: (difference: Difference) => void,
): Questions {
  const again = new Map<string, NodeJS.Timeout>();

  async function compare(question: string, about: string, isAgain: boolean): Promise<unknown> {
    const [old, now] = await Promise.allSettled([before[question]!(about), after[question]!(about)]);
    const is = now.status === "fulfilled" ? now.value : String(now.reason);
    if (old.status === "fulfilled" && !isDeepStrictEqual(old.value, is)) {
      const key = `${question} ${about}`;
      if (isAgain) differs({ question, about, before: old.value, after: is });
      else if (!again.has(key))
        again.set(key, setTimeout(() => void repeat(key, question, about), AGAIN_MS).unref());
    }
    if (old.status === "rejected") throw old.reason;
    return old.value;
  }

  async function repeat(key: string, question: string, about: string): Promise<void> {
    again.delete(key);
    await compare(question, about, true).catch(() => {}); // whoever asked has had this failure
  }

  return Object.fromEntries(
    Object.keys(before).map((question) => [question, (about: string) => compare(question, about, false)]),
  );
}
