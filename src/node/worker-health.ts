/**
 * /health, /ready and /metrics of a worker, from the turns of its loops. Numbers and error codes only, no ids.
 *
 * /health  200 while the loop of each shard is where it should be: its next turn is not overdue. Redis being away is no reason to
 *          restart a worker: it waits, and its failed turns are turns.
 * /ready   200 when the last turn of each shard worked and Redis answers now. 503 otherwise, and once it is to end.
 */
import { PresenceError, type PresenceErrorCode } from "../core/errors.ts";
import type { FetchApp } from "../http/fetch.ts";
import { METRICS_TYPE } from "../http/metrics.ts";
import { Problem, problemOf, retryAfter } from "../http/problem.ts";
import type { LoopProjector } from "../projector/loop.ts";
import type { Turn } from "../projector/options.ts";
import { within } from "../time/deadline.ts";

/** How late a turn may be, ms: a call ends within 30 s, or its connection is given up. */
const LATE_MS = 60_000;
/** A turn is believed for so long, ms; then Redis is asked. */
const FRESH_MS = 5_000;
const ASK_MS = 5_000;

interface Last {
  readonly at: number;
  readonly turn: Turn;
}

const SUMS = {
  records: "Records folded.",
  operations: "Operations in them.",
  changes: "Users who came or went.",
  rejected: "Entries set aside that were not valid records.",
  fenced: "Processes fenced.",
  reaped: "Processes whose lease expired.",
} as const;

export class WorkerHealth {
  readonly #projector: Pick<LoopProjector, "shards" | "step">;
  readonly #signal: AbortSignal;
  readonly #started = performance.now();
  readonly #last = new Map<number, Last>();
  readonly #failures = new Map<PresenceErrorCode, number>();
  readonly #sums = Object.fromEntries(Object.keys(SUMS).map((name) => [name, 0])) as Record<
    keyof typeof SUMS,
    number
  >;
  #calls = 0;
  #asked: { readonly at: number; readonly answer: Promise<unknown> } | undefined;

  constructor(projector: Pick<LoopProjector, "shards" | "step">, signal: AbortSignal) {
    this.#projector = projector;
    this.#signal = signal;
  }

  /** For RunOptions.onTurn. */
  readonly heard = (turn: Turn): void => {
    this.#last.set(turn.shard, { at: performance.now(), turn });
    if (turn.failure !== null) this.#failures.set(turn.failure, (this.#failures.get(turn.failure) ?? 0) + 1);
    if (turn.result === null) return;
    this.#calls++;
    for (const name of Object.keys(SUMS) as (keyof typeof SUMS)[]) this.#sums[name] += turn.result[name];
  };

  readonly app: FetchApp = {
    fetch: async (request) => {
      const response = await this.#answer(request).catch((error: unknown) => problemOf(error).toResponse());
      response.headers.set("cache-control", "no-store");
      return response;
    },
  };

  async #answer(request: Request): Promise<Response> {
    if (request.method !== "GET" && request.method !== "HEAD")
      throw new Problem(405, "METHOD_NOT_ALLOWED", "this path accepts GET, HEAD", {
        headers: { allow: "GET, HEAD" },
      });
    switch (new URL(request.url).pathname) {
      case "/health":
        this.#refuseWhenStuck();
        return Response.json({ status: "ok" });
      case "/ready":
        await this.#refuseWhenNotReady();
        return Response.json({ status: "ready" });
      case "/metrics":
        return new Response(this.#metrics(), { headers: { "content-type": METRICS_TYPE } });
      default:
        throw new Problem(404, "NOT_FOUND", "no route at this path");
    }
  }

  #refuseWhenStuck(): void {
    const now = performance.now();
    for (let shard = 0; shard < this.#projector.shards; shard++) {
      const { at = this.#started, turn = { next: 0 } } = this.#last.get(shard) ?? {};
      if (now <= at + turn.next + LATE_MS) continue;
      throw new Problem(503, "PROJECTOR_STALE", `the loop of shard ${shard} is stuck`);
    }
  }

  async #refuseWhenNotReady(): Promise<void> {
    const headers = retryAfter;
    if (this.#signal.aborted) throw new Problem(503, "SHUTTING_DOWN", "this worker is to end", { headers });
    for (let shard = 0; shard < this.#projector.shards; shard++) {
      const last = this.#last.get(shard);
      if (last?.turn.failure === null) continue;
      const why = last === undefined ? "has not made a turn yet" : `cannot project: ${last.turn.failure}`;
      throw new Problem(503, "PROJECTOR_STALE", `shard ${shard} ${why}`, { headers });
    }
    await this.#ask();
  }

  /** An idle loop sleeps, and does not notice that Redis is away. Deadlines are left to it: it knows when they may be believed. */
  async #ask(): Promise<void> {
    const now = performance.now();
    const newest = Math.max(...Array.from(this.#last.values(), ({ at }) => at));
    if (now - newest < FRESH_MS) return;
    if (this.#asked === undefined || now - this.#asked.at > FRESH_MS)
      this.#asked = { at: now, answer: within(ASK_MS, this.#projector.step(0, { reap: false })) };
    try {
      await this.#asked.answer;
    } catch (error) {
      this.#asked = undefined;
      throw error instanceof PresenceError
        ? new Problem(503, "REDIS_UNAVAILABLE", `Redis does not let it project: ${error.code}`, {
            headers: retryAfter,
          })
        : error;
    }
  }

  #metrics(): string {
    const now = performance.now();
    const lasts = [...this.#last.values()];
    const left = lasts.reduce((sum, { turn }) => sum + (turn.result?.left ?? 0), 0);
    const failing = lasts.filter(({ turn }) => turn.failure !== null).length;
    const ages = Array.from({ length: this.#projector.shards }, (_, shard) =>
      Math.max(0, now - (this.#last.get(shard)?.at ?? this.#started)),
    );
    const blocks = [
      block("calls_total", "counter", "Calls of the script that worked.", this.#calls),
      ...Object.entries(SUMS).map(([name, help]) =>
        block(`${name}_total`, "counter", help, this.#sums[name as keyof typeof SUMS]),
      ),
      block("left_records", "gauge", "Records that the last calls had to leave.", left),
      block("failing_shards", "gauge", "Shards whose last turn failed.", failing),
      block("turn_age_seconds", "gauge", "Time since the last turn of the shard that waits longest.", Math.max(...ages) / 1_000),
      "# HELP rollcall_worker_errors_total Turns that failed, by code.\n# TYPE rollcall_worker_errors_total counter\n",
      ...Array.from(this.#failures, ([code, count]) => `rollcall_worker_errors_total{code="${code}"} ${count}\n`),
    ]; // prettier-ignore
    return blocks.join("");
  }
}

function block(name: string, type: "gauge" | "counter", help: string, value: number): string {
  return `# HELP rollcall_worker_${name} ${help}\n# TYPE rollcall_worker_${name} ${type}\nrollcall_worker_${name} ${value}\n`;
}
