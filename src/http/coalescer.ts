/**
 * Coalesces identical questions: simultaneous callers share one request to Redis, and its answer is reused for a moment.
 *
 * The first caller asks; the others wait for the outcome. A failure of Redis is everybody's outcome; an error of the caller, such
 * as an invalid cursor, is only the caller's (isOwn): the others then ask for themselves. In a Worker, the request that
 * asked can be cancelled together with its caller, and its promise then never settles. So each caller waits on a promise of its
 * own, and after a second the first of the waiting callers asks again. Redis gets one request per question every `reuse` ms, and
 * one a second while it is slow.
 *
 * Bounded by bytes: what is kept of questions and answers weighs at most `most`, the least recently used are dropped first, and
 * none older than `keep` is returned. Of a failure, only its code and our own message are kept: an error of a Redis client has the
 * whole command, and with it everything that the caller sent. Nothing is kept of a question whose error was the caller's.
 */
import { PresenceError } from "../core/errors.ts";

export interface CoalescerOptions {
  /** How long an answer is reused, ms; 0: only simultaneous callers share it. */
  readonly reuse: number;
  /** How long an answer is kept for when Redis does not answer, ms. */
  readonly keep: number;
  /** Most bytes of what is kept. */
  readonly most: number;
  /** The bytes of an answer, about. */
  readonly weigh: (value: unknown) => number;
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
  answer: { readonly at: number; readonly value: unknown } | undefined;
  /** Bytes of the key and the answer. */
  weight: number;
  readonly waiting: Set<() => void>;
}

/** About the bytes of a question besides its key and its answer. */
const QUESTION_BYTES = 1_024;

/** Keeps the answer to each question under the question's key (key.ts). */
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

  /** Number of known questions. */
  get size(): number {
    return this.#questions.size;
  }

  /** Bytes of what is kept, about. */
  get weight(): number {
    return this.#weight;
  }

  async #ask<T>(key: string, question: Question, ask: () => Promise<T>): Promise<T> {
    const { now } = this.#options;
    const turn = ++question.turn;
    question.askedAt = now();
    const [settled] = await Promise.allSettled([ask()]);
    if (turn === question.turn) question.askedAt = undefined;
    if (settled.status === "rejected" && isOwn(settled.reason)) {
      this.#forget(key, question);
      for (const wake of question.waiting) wake();
      throw settled.reason;
    }
    // Also when another request has taken over meanwhile: Redis may be slower than PATIENCE_MS, and the waiting callers need
    // this outcome. Not when the other request was faster: its outcome is newer.
    if (turn > (question.outcome?.turn ?? 0)) {
      const shared = settled.status === "fulfilled" ? settled : { ...settled, reason: lean(settled.reason) };
      question.outcome = { turn, at: now(), settled: shared };
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
      weight: QUESTION_BYTES + 2 * key.length,
      waiting: new Set(),
    };
    if (known === undefined) this.#weight += question.weight;
    // The least recently used question comes first in the map.
    this.#questions.delete(key);
    this.#questions.set(key, question);
    return question;
  }

  #keep(key: string, question: Question, value: unknown): void {
    if (this.#questions.get(key) !== question) return;
    const weight = QUESTION_BYTES + 2 * key.length + this.#options.weigh(value);
    this.#weight += weight - question.weight;
    question.weight = weight;
    question.answer = { at: this.#options.now(), value };
  }

  /** Drops a question that never had an answer. Callers who wait for it keep it. */
  #forget(key: string, question: Question): void {
    const isUsed = question.outcome !== undefined || question.askedAt !== undefined;
    if (isUsed || question.waiting.size > 0 || this.#questions.get(key) !== question) return;
    this.#drop(key, question);
  }

  #drop(key: string, question: Question): void {
    this.#questions.delete(key);
    this.#weight -= question.weight;
  }

  #bound(): void {
    const { most, now } = this.#options;
    for (const [key, question] of this.#questions) {
      if (this.#weight <= most) return;
      // A cancelled request would otherwise look pending for ever.
      if (question.askedAt !== undefined && now() - question.askedAt < PATIENCE_MS) continue;
      this.#drop(key, question);
    }
  }
}

/** Whether an error is about what its caller sent, and so no other caller's. */
function isOwn(error: unknown): boolean {
  const { status } = error as { readonly status?: unknown };
  if (typeof status === "number") return status < 500;
  if (!(error instanceof PresenceError)) return false;
  return OWN.has(error.code);
}

const OWN: ReadonlySet<string> = new Set([
  "CURSOR_INVALID",
  "USER_INVALID",
  "SCOPE_INVALID",
  "OPTIONS_INVALID",
  "TIME_INVALID",
]);

/** A failure without its cause. The caller whose request failed gets, and logs, the whole one. */
function lean(error: unknown): PresenceError {
  if (error instanceof PresenceError) return new PresenceError(error.code, error.message);
  return new PresenceError("INTERNAL", "a request for the same failed a moment ago; its own line says why");
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
