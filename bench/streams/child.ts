/** What the processes of bench/streams.ts tell each other: one question, one answer, and what went wrong instead of silence. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";

/** How long a process may take for an answer, ms: a benchmark that waits for ever says nothing. */
const ANSWER_MS = 120_000;

/** CPU is user + system so far, µs. */
export interface Used {
  readonly rss: number;
  readonly cpu: number;
}

/** What became of the subscribers. */
export interface Received {
  readonly bytes: number;
  /** Subscribers that have every change. */
  readonly complete: number;
  /** Subscribers that miss changes and were told so by a `gap`. */
  readonly told: number;
  /** Subscribers that miss changes, or have some twice, without a word: a fault. */
  readonly wrong: number;
  /** Streams that ended or failed and were opened again. */
  readonly reopened: number;
}

/** What bench/streams.ts gets from one of its processes. */
export class Part implements Disposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  constructor(name: string, environment: Readonly<Record<string, string>>) {
    this.#name = name;
    this.#child = fork(new URL(`${name}.ts`, import.meta.url), { env: { ...process.env, ...environment } });
    this.#ended = once(this.#child, "exit").then(([code, signal]) => {
      throw new Error(`${name} has ended: ${code ?? signal}`);
    });
    this.#ended.catch(() => {});
  }

  /** Its next message. Rejects when it ends, or sends nothing for two minutes. */
  async next<T>(): Promise<T> {
    const late = AbortSignal.timeout(ANSWER_MS);
    const message = once(this.#child, "message", { signal: late }).catch((error: unknown) => {
      throw new Error(`${this.#name} has sent nothing for ${ANSWER_MS / 1000} s`, { cause: error });
    });
    const [value] = (await Promise.race([message, this.#ended])) as [T];
    return value;
  }

  /** Asks, and waits as next() does. */
  async ask<T>(question: unknown): Promise<T> {
    const answer = this.next<T>();
    this.#child.send(question as object);
    return answer;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

/** In a child: answers each question; when the benchmark has gone, so does the child. Sends nothing by itself. */
export function answering(answer: (question: unknown) => unknown): void {
  process.on("message", (question) => {
    void Promise.resolve(answer(question)).then((value) => process.send!(value));
  });
  process.on("disconnect", () => process.exit());
}

export function usedNow(): Used {
  const { user, system } = process.cpuUsage();
  return { rss: process.memoryUsage.rss(), cpu: user + system };
}
