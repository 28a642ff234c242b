/**
 * One question asked once for many: simultaneous askers share one request to Redis, and its answer is reused for a moment.
 *
 * Whoever comes first asks, the others wait for the outcome, failures included. In a Worker the request that asked can
 * be cancelled with its caller, and its promise then never settles: so nobody waits on another's promise but on one of
 * its own, and after a second the first of those who wait asks again. So Redis gets one request a question in
 * `reuse` ms, and while it is slow one a second.
 *
 * Bounded: at most `most` answers are kept, the least recently used go first, none older than `keep` is told.
 */
export interface CoalescerOptions {
  /** How long an answer is reused, ms; 0: only simultaneous askers share. */
  readonly reuse: number;
  /** How long an answer is kept to be shown when Redis does not answer, ms. */
  readonly keep: number;
  /** Most weight of answers kept. */
  readonly most: number;
  /** Clock, ms; for tests. */
  readonly now?: (() => number) | undefined;
}

interface Question {
  /** When the request under way began, ms; undefined: none is. */
  askedAt: number | undefined;
  /** How many have asked; one that was given up may still end. */
  turn: number;
  /** Of whom it is, when it came, and what. */
  outcome:
    | { readonly turn: number; readonly at: number; readonly settled: PromiseSettledResult<unknown> }
    | undefined;
  answer: { readonly at: number; readonly value: unknown; readonly weight: number } | undefined;
  readonly waiting: Set<() => void>;
}

/** How much of `most` an answer takes: about one for each item it lists. */
function weightOf(value: unknown): number {
  const lists = typeof value === "object" && value !== null ? Object.values(value).filter(Array.isArray) : [];
  return lists.reduce((sum, list) => sum + list.length, 1);
}

/** Keeps the answer of each question, by a key that names it, for all who ask the same. */
export class Coalescer {
  readonly #options: CoalescerOptions & { readonly now: () => number };
  readonly #questions = new Map<string, Question>();
  #weight = 0;

  constructor(options: CoalescerOptions) {
    this.#options = { ...options, now: options.now ?? (() => performance.now()) };
  }

  /** The answer to `key`, from `ask` or from whoever asks the same. Rejects as `ask` does. */
  async get<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const { reuse, now } = this.#options;
    const question = this.#questionOf(key);
    const before = question.outcome;
    for (;;) {
      const { outcome, askedAt } = question;
      // What came while we waited is for us, however short `reuse` is and whoever asks again by now.
      if (outcome !== undefined && (outcome !== before || now() - outcome.at < reuse)) {
        if (outcome.settled.status === "fulfilled") return outcome.settled.value as T;
        throw outcome.settled.reason;
      }
      if (askedAt === undefined || now() - askedAt >= PATIENCE_MS) return this.#ask(key, question, ask);
      await wokenOr(question.waiting, askedAt + PATIENCE_MS - now());
    }
  }

  /** The last answer to `key`, if it is recent. */
  recent(key: string): unknown {
    const answer = this.#questions.get(key)?.answer;
    if (answer === undefined || this.#options.now() - answer.at > this.#options.keep) return undefined;
    return answer.value;
  }

  /** Questions known at the moment, for tests of the bound. */
  get size(): number {
    return this.#questions.size;
  }

  async #ask<T>(key: string, question: Question, ask: () => Promise<T>): Promise<T> {
    const { now } = this.#options;
    const turn = ++question.turn;
    question.askedAt = now();
    const [settled] = await Promise.allSettled([ask()]);
    if (turn === question.turn) question.askedAt = undefined;
    // Also when another has taken over meanwhile: Redis may be slower than we are patient, or hang, and those who wait are
    // to hear of either. Not when the other was faster: what it was told is newer.
    if (turn > (question.outcome?.turn ?? 0)) {
      question.outcome = { turn, at: now(), settled };
      if (settled.status === "fulfilled") this.#keep(key, question, settled.value);
      for (const wake of question.waiting) wake();
      this.#bound();
    }
    if (settled.status === "rejected") throw settled.reason;
    return settled.value;
  }

  #questionOf(key: string): Question {
    const known = this.#questions.get(key);
    const question = known ?? {
      askedAt: undefined,
      turn: 0,
      outcome: undefined,
      answer: undefined,
      waiting: new Set(),
    };
    // The least recently used is the first of the map.
    this.#questions.delete(key);
    this.#questions.set(key, question);
    return question;
  }

  #keep(key: string, question: Question, value: unknown): void {
    if (this.#questions.get(key) !== question) return;
    const weight = weightOf(value);
    this.#weight += weight - (question.answer?.weight ?? 0);
    question.answer = { at: this.#options.now(), value, weight };
  }

  #bound(): void {
    const { most, now } = this.#options;
    for (const [key, question] of this.#questions) {
      // A question without an answer weighs one, so that failures are bounded as well.
      if (this.#weight <= most && this.#questions.size <= most) return;
      // One that was cancelled looks as if it were under way for ever.
      if (question.askedAt !== undefined && now() - question.askedAt < PATIENCE_MS) continue;
      this.#questions.delete(key);
      this.#weight -= question.answer?.weight ?? 0;
    }
  }
}

/** How long a request under way is waited for before another is made, ms: it may have been cancelled. */
const PATIENCE_MS = 1_000;

/** Waits until woken, at most `ms`, and no longer than the signal lets it. Promise and timer are of whoever waits. */
export function wokenOr(waiting: Set<() => void>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const done = () => {
      clearTimeout(timer);
      waiting.delete(done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    waiting.add(done);
    signal?.addEventListener("abort", done);
  });
}
