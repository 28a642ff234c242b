/** Waits for presence to agree with the clients, and writes down how far it was off until then. */
import type { Ledger } from "./ledger.ts";
import type { Sample } from "./witness.ts";

/** Twice in a row: once may be luck. */
const AGREEMENTS = 2;
/** After the bound has passed: does it heal at all? ms. Then the run ends. */
const PATIENCE_MS = 30_000;

interface Waiting {
  readonly since: number;
  /** The same as the clock of Redis has it. */
  readonly sinceWall: number;
  readonly done: (ms: number) => void;
  first: number;
  agreements: number;
  problem: string;
}

export interface Healing {
  readonly onSample: (sample: Sample) => void;
  /** Resolves with how long it took, ms. Rejects when it never heals, or with the signal's reason. */
  readonly healed: (bound: number) => Promise<number>;
}

export function healing(
  ledger: Ledger,
  stage: () => string,
  signal: AbortSignal,
  fail: (text: string) => void,
): Healing {
  let waiting: Waiting | undefined;
  return {
    onSample(sample) {
      if (sample.problem === undefined) return;
      ledger.off(stage(), sample.usersOff, sample.socketsOff);
      if (waiting === undefined || sample.at < waiting.since) return;
      const problem =
        sample.problem ?? (sample.renewedAt < waiting.sinceWall ? "a node has not been heard of" : null);
      if (problem !== null) {
        waiting.problem = problem;
        waiting.agreements = 0;
        return;
      }
      if (waiting.agreements++ === 0) waiting.first = sample.at;
      if (waiting.agreements >= AGREEMENTS) waiting.done(waiting.first - waiting.since);
    },
    async healed(bound) {
      signal.throwIfAborted();
      const name = stage();
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const now: Waiting = {
        since: performance.now(),
        sinceWall: Date.now(),
        done: resolve,
        first: 0,
        agreements: 0,
        problem: "not asked yet",
      };
      waiting = now;
      const onAbort = () => reject(signal.reason as Error);
      signal.addEventListener("abort", onAbort, { once: true });
      const late = setTimeout(() => fail(`"${name}" did not heal within ${bound} ms: ${now.problem}`), bound);
      const never = setTimeout(() => {
        reject(new Error(`"${name}" did not heal within ${bound + PATIENCE_MS} ms: ${now.problem}`));
      }, bound + PATIENCE_MS); // prettier-ignore
      try {
        const ms = await promise;
        ledger.healed(name, ms, bound);
        return ms;
      } finally {
        waiting = undefined;
        clearTimeout(late);
        clearTimeout(never);
        signal.removeEventListener("abort", onAbort);
      }
    },
  };
}
