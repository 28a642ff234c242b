/**
 * Coalesces identical questions: simultaneous callers share one request to Redis, and its answer is reused for a moment.
 *
 * The first caller asks; the others wait for the outcome, failures included. In a Worker, the request that asked can be
 * cancelled together with its caller, and its promise then never settles. So each caller waits on a promise of its own, and
 * after a second the first of the waiting callers asks again. Redis gets one request per question every `reuse` ms, and one
 * a second while it is slow.
 *
 * Bounded: at most `most` answers are kept, the least recently used are dropped first, and none older than `keep` is
 * returned.
 */
export interface CoalescerOptions {
  /** How long an answer is reused, ms; 0: only simultaneous callers share it. */
  readonly reuse: number;
  /** How long an answer is kept for when Redis does not answer, ms. */
  readonly keep: number;
  /** Most weight of answers kept. */
  readonly most: number;
  /** Clock, ms; for tests. */
  readonly now?: (() => number) | undefined;
}

interface Question {
  /** When the pending request began, ms; undefined: there is none. */
  askedAt: number | undefined;
  /** Number of requests so far. An abandoned one may still complete. */
  turn: number;
  /** Which request it came from, when, and the result. */
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

/** Keeps the answer to each question under the question's key. */
export class Coalescer {
  readonly #options: CoalescerOptions & { readonly now: () => number };
  readonly #questions = new Map<string, Question>();
  #weight = 0;

  constructor(options: CoalescerOptions) {
    this.#options = { ...options, now: options.now ?? (() => performance.now()) };
  }

  /** The answer to `key`, from `ask` or from another caller's request. Rejects as `ask` does. */
  async get<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const { reuse, now } = this.#options;
    const question = this.#questionOf(key);
    const before = question.outcome;
    for (;;) {
      const { outcome, askedAt } = question;
      // An outcome that arrived while we waited is ours to use, however short `reuse` is.
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

  /** Number of known questions, for tests of the bound. */
  get size(): number {
    return this.#questions.size;
  }

  async #ask<T>(key: string, question: Question, ask: () => Promise<T>): Promise<T> {
    const { now } = this.#options;
    const turn = ++question.turn;
    question.askedAt = now();
    const [settled] = await Promise.allSettled([ask()]);
    if (turn === question.turn) question.askedAt = undefined;
    // Also when another request has taken over meanwhile: Redis may be slower than PATIENCE_MS, and the waiting callers need
    // this outcome. Not when the other request was faster: its outcome is newer.
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
    // The least recently used question comes first in the map.
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
      // A question without an answer counts as one, so that failures are bounded too.
      if (this.#weight <= most && this.#questions.size <= most) return;
      // A cancelled request would otherwise look pending for ever.
      if (question.askedAt !== undefined && now() - question.askedAt < PATIENCE_MS) continue;
      this.#questions.delete(key);
      this.#weight -= question.answer?.weight ?? 0;
    }
  }
}

/** How long to wait for a pending request before making another, ms: it may have been cancelled. */
const PATIENCE_MS = 1_000;

/** Waits until woken, for `ms`, or until the signal fires. The promise and the timer belong to the waiting caller. */
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
