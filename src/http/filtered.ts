/**
 * Answers about the changes of some users, in bytes. An index finds the changes of each user, and callers whose users have the same
 * changes share one answer: most friends lists have no news, and are all told so with the same bytes.
 */
import { FILTERED_BYTES_MAX } from "../core/limits.ts";
import type { ChangesAnswer } from "../reader/reader.ts";
import { type Answer, answerOf } from "./answer.ts";

/** More changes than that are not shared: their list, the key, would be long, and few callers have the same. */
const PLACES_MAX = 100;
/** About the bytes of an answer besides its JSON and its key. */
const ANSWER_BYTES = 512;

/** An answer to all, its changes by user, and the number that stands for it in keys. */
interface Indexed {
  readonly n: number;
  readonly places: ReadonlyMap<string, readonly number[]>;
}

interface Kept {
  readonly answer: Answer;
  readonly weight: number;
}

/** Bounded by bytes; the oldest answers are dropped first. */
export class FilteredAnswers {
  readonly #indexed = new WeakMap<ChangesAnswer, Indexed>();
  /** By the number of the answer and the places of its changes: nothing a caller sent is in a key. */
  readonly #kept = new Map<string, Kept>();
  readonly #most: number;
  #weight = 0;
  #n = 0;

  constructor(most = FILTERED_BYTES_MAX) {
    this.#most = most;
  }

  /** What is kept, for tests of the bound: answers, and about their bytes. */
  get kept(): { readonly answers: number; readonly bytes: number } {
    return { answers: this.#kept.size, bytes: this.#weight };
  }

  /** The part of an answer that is about these users. */
  async of(answer: ChangesAnswer, users: readonly string[]): Promise<Answer> {
    const { n, places } = this.#indexOf(answer);
    const found = [...new Set(users)].flatMap((user) => places.get(user) ?? []).sort((a, b) => a - b);
    const key = `${n}:${found.join(",")}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known.answer;
    const made = await answerOf({ ...answer, changes: found.map((place) => answer.changes[place]!) });
    if (found.length > PLACES_MAX) return made;
    // Another caller may have been faster. It is not waited for: in a Worker no request may wait for another's promise.
    const faster = this.#kept.get(key);
    if (faster !== undefined) return faster.answer;
    const weight = ANSWER_BYTES + 2 * key.length + made.bytes.byteLength;
    this.#kept.set(key, { answer: made, weight });
    this.#weight += weight;
    this.#bound();
    return made;
  }

  #indexOf(answer: ChangesAnswer): Indexed {
    const known = this.#indexed.get(answer);
    if (known !== undefined) return known;
    const places = new Map<string, number[]>();
    for (const [place, { user }] of answer.changes.entries()) {
      const own = places.get(user);
      if (own === undefined) places.set(user, [place]);
      else own.push(place);
    }
    const made = { n: ++this.#n, places };
    this.#indexed.set(answer, made);
    return made;
  }

  #bound(): void {
    for (const [key, { weight }] of this.#kept) {
      if (this.#weight <= this.#most) return;
      this.#kept.delete(key);
      this.#weight -= weight;
    }
  }
}
