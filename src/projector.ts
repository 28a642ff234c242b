/**
 * The projector: the only writer of the projection.
 *
 * One `step()` is one bounded, atomic script call a shard. It keeps nothing in memory that matters, so a caller may die
 * between any two steps, and any number of callers may step at once: whoever calls, the log is folded in order and
 * exactly once. Hence the same function serves a Socket.IO process after it appended, a long-running worker (run.ts),
 * and a scheduled function with a budget.
 */
import { PresenceError } from "./core/errors.ts";
import { keysOf, type ShardKeys } from "./core/keys.ts";
import { project } from "./lua/generated.ts";
import { type ProjectorOptions, resolveProjectorOptions } from "./options.ts";
import { redisError } from "./redis/errors.ts";
import { type Command, type Reply, ReplyError, type WritePort } from "./redis/port.ts";
import { evaluate, evalsha } from "./redis/scripts.ts";
import { checkShards } from "./redis/shards.ts";
import { verifyShards, type VerifyOptions, type VerifyReport } from "./verify.ts";

/** What one call did, and when there is next something to do. Mirrors the reply of src/lua/project.lua. */
export interface StepResult {
  /** The clock of Redis at that moment, ms. */
  readonly now: number;
  /** The earliest deadline of a lease or of a grace, ms on that clock; null: only a new record can bring work. */
  readonly due: number | null;
  /** The budget ended before the work did. */
  readonly more: boolean;
  readonly foldedId: string;
  readonly records: number;
  readonly operations: number;
  /** Records that had been folded before, or of a process that has ended. */
  readonly skipped: number;
  /** Processes fenced. */
  readonly fenced: number;
  /** Entries set aside in `rejected`. */
  readonly rejected: number;
  /** Processes whose lease was found expired. */
  readonly reaped: number;
  /** Users taken off ended processes. */
  readonly givenBack: number;
  /** Transitions appended to `changes`. */
  readonly changes: number;
  /** Expired leases left alone because reaping was held. */
  readonly held: number;
}

export interface SweepBudget {
  /** Most script calls, over all shards. Default 1,000. */
  readonly calls?: number | undefined;
  /** No call starts later than this after the sweep began, ms. Default 30,000. */
  readonly ms?: number | undefined;
}

export interface SweepOptions {
  readonly budget?: SweepBudget | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The sums over a sweep's calls. */
export interface SweepSummary {
  readonly calls: number;
  readonly records: number;
  readonly operations: number;
  readonly fenced: number;
  readonly rejected: number;
  readonly reaped: number;
  readonly givenBack: number;
  readonly changes: number;
  /** Every shard was left with nothing to do; false: the budget ended or the signal fired first. */
  readonly idle: boolean;
  /** The earliest deadline over all shards, ms on the clock of Redis; null: none, or not known because not idle. */
  readonly due: number | null;
  /** How long the sweep took, ms. */
  readonly ms: number;
}

export interface StepOptions {
  /** May expired leases be reaped? Default true. */
  readonly reap?: boolean | undefined;
}

export interface Projector {
  readonly shards: number;
  /**
   * One bounded call on one shard (default 0). Rejects with PresenceError: REDIS_UNAVAILABLE (whether the call was
   * carried out is then unknown, and does not matter: call again), REDIS_TYPE, SHARDS_MISMATCH.
   */
  step(shard?: number, options?: StepOptions): Promise<StepResult>;
  /** The same call as a command, for a pipeline; read its reply with `settle`. */
  command(shard: number, options?: StepOptions): Command;
  /** The result of `command`'s reply; steps anew if the server did not know the script. */
  settle(shard: number, reply: Reply | ReplyError, options?: StepOptions): Promise<StepResult>;
  /** Drains, reaps and expires shard by shard, until all are idle or the budget ends. Rejects as step() does. */
  sweep(options?: SweepOptions): Promise<SweepSummary>;
  /** Audits the projection, and mends it if asked, in bounded steps while everything goes on. Rejects as step() does. */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
}

const SWEEP_CALLS = 1000;
const SWEEP_MS = 30_000;

function parse(reply: Reply): StepResult {
  if (!Array.isArray(reply) || reply.length !== 13) {
    throw new PresenceError(
      "REDIS_UNAVAILABLE",
      "the projector's script gave an answer of another version; update all processes",
    );
  }
  const number = (i: number) => Number(reply[i]);
  const due = number(1);
  return {
    now: number(0),
    due: due < 0 ? null : due,
    more: number(2) === 1,
    foldedId: String(reply[3]),
    records: number(4),
    operations: number(5),
    skipped: number(6),
    fenced: number(7),
    rejected: number(8),
    reaped: number(9),
    givenBack: number(10),
    changes: number(11),
    held: number(12),
  };
}

/**
 * A projector over a port. `now` is for tests: the clock to go by instead of that of Redis.
 * Throws PresenceError OPTIONS_INVALID.
 */
export function projectorOver(
  port: WritePort,
  options: ProjectorOptions & { readonly now?: (() => number) | undefined } = {},
): Projector {
  const { prefix, shards, budget } = resolveProjectorOptions(options);
  const { now } = options;
  const keys: ShardKeys[] = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));

  /** ARGV of project.lua. */
  function argumentsOf(shard: number, { reap = true }: StepOptions): string[] {
    return [
      keys[shard]!.process(""),
      String(shards),
      String(budget),
      reap ? "1" : "0",
      now === undefined ? "" : String(now()),
    ];
  }

  /** The outcome, not a promise of it: in a Worker, a promise dies unsettled with the request that began it. */
  let checked = false;
  async function opened(): Promise<void> {
    if (checked) return;
    await checkShards((command) => port.call(command), prefix, shards);
    checked = true;
  }

  async function step(shard = 0, stepOptions: StepOptions = {}): Promise<StepResult> {
    await opened();
    return parse(await evaluate(port, project, keys[shard]!.list, argumentsOf(shard, stepOptions)));
  }

  async function settle(
    shard: number,
    reply: Reply | ReplyError,
    stepOptions: StepOptions = {},
  ): Promise<StepResult> {
    if (!(reply instanceof ReplyError)) return parse(reply);
    if (reply.message.startsWith("NOSCRIPT")) return step(shard, stepOptions);
    throw redisError(reply);
  }

  async function sweep({ budget: limit = {}, signal }: SweepOptions = {}): Promise<SweepSummary> {
    const { calls: callsMax = SWEEP_CALLS, ms: msMax = SWEEP_MS } = limit;
    const began = performance.now();
    const sum = {
      calls: 0,
      records: 0,
      operations: 0,
      fenced: 0,
      rejected: 0,
      reaped: 0,
      givenBack: 0,
      changes: 0,
    };
    const dues: number[] = [];
    let idle = true;
    // From anywhere: a busy shard and a small budget must not starve the ones after it, sweep for sweep.
    const start = Math.floor(Math.random() * shards);
    for (let i = 0; i < shards && idle; i++) {
      const shard = (start + i) % shards;
      for (;;) {
        if (sum.calls >= callsMax || performance.now() - began >= msMax || signal?.aborted === true) {
          idle = false;
          break;
        }
        const result = await step(shard);
        sum.calls++;
        for (const name of [
          "records",
          "operations",
          "fenced",
          "rejected",
          "reaped",
          "givenBack",
          "changes",
        ] as const) {
          sum[name] += result[name];
        }
        if (result.more) continue;
        if (result.due !== null) dues.push(result.due);
        break;
      }
    }
    return {
      ...sum,
      idle,
      due: idle && dues.length > 0 ? Math.min(...dues) : null,
      ms: Math.round(performance.now() - began),
    };
  }

  return {
    shards,
    step,
    settle,
    sweep,
    async verify(verifyOptions) {
      await opened();
      return verifyShards(port, keys, verifyOptions);
    },
    command: (shard, stepOptions = {}) =>
      evalsha(project, keys[shard]!.list, argumentsOf(shard, stepOptions)),
  };
}
