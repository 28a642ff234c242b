/**
 * The projector: the only writer of the projection.
 *
 * One `step()` is one bounded, atomic script call a shard. It keeps nothing in memory that matters, so a caller may die
 * between any two steps, and any number of callers may step at once: whoever calls, the log is folded in order and
 * exactly once. Hence the same function serves a Socket.IO process after it appended, a long-running worker (loop.ts),
 * and a scheduled function with a budget.
 *
 * Steps are idempotent: one that is carried out twice, because its answer was lost, finds nothing left the second time.
 */
import { keysOf, type ShardKeys } from "../core/keys.ts";
import { project } from "../lua/generated.ts";
import { orInternal } from "../core/errors.ts";
import { whole } from "../core/options.ts";
import { type CallResult, parseReply, SCRIPT_READS, type StepResult, turnArguments } from "./call.ts";
import { Look } from "./look.ts";
import {
  type ProjectorInternals,
  type ProjectorOptions,
  resolveProjectorOptions,
  resolveStepOptions,
  resolveSweepOptions,
  resolveVerifyOptions,
  type StepOptions,
  type SweepOptions,
  type VerifyOptions,
} from "./options.ts";
import { type Looked, type Steps, type SweepSummary, sweepShards } from "./sweep.ts";
import { Turns } from "./turns.ts";
import { redisError } from "../redis/errors.ts";
import { type Reply, ReplyError, type ScriptCall, type WritePort } from "../redis/port.ts";
import { evaluate, evalsha } from "../redis/scripts.ts";
import { checkShards } from "../redis/shards.ts";
import { verifyShards, type VerifyReport } from "./verify.ts";

export type { StepOptions, StepResult };

type ResolvedStepOptions = ReturnType<typeof resolveStepOptions>;

/** What keeps the projection up to date; any number may work on one prefix at the same time. */
export interface Projector {
  /** How many shards the prefix has. */
  readonly shards: number;
  /**
   * One bounded call on one shard (default 0); in client-read mode with a read and a call before it. Rejects with
   * PresenceError: REDIS_UNAVAILABLE (whether the call was carried out is then unknown, and does not matter: call again),
   * REDIS_TYPE, SHARDS_MISMATCH, READ_REFUSED (this engine requires client-read mode), OPTIONS_INVALID.
   */
  step(shard?: number, options?: StepOptions): Promise<StepResult>;
  /**
   * Drains, reaps and expires shard by shard, until all are idle or the budget ends: for scheduled functions. Rejects as
   * step() does.
   *
   *   const { idle, due } = await projector.sweep({ budget: { requests: 45, ms: 20_000 } });
   */
  sweep(options?: SweepOptions): Promise<SweepSummary>;
  /**
   * Audits the projection, and corrects it if asked, in bounded steps while everything goes on. Rejects as step() does.
   *
   *   const { differences, examples } = await projector.verify();
   */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
}

/** What a recorder needs besides: its call of the projector travels with its record. */
export interface PipelinedProjector {
  readonly projector: Projector;
  /** The same call as step() makes, as a command for a pipeline. In client-read mode it does not fold yet. */
  command(shard: number, options: ResolvedStepOptions): ScriptCall;
  /** The result of the command's reply; steps anew if the server did not know the script. */
  settle(shard: number, reply: Reply | ReplyError, options: ResolvedStepOptions): Promise<StepResult>;
}

const REAPING: ResolvedStepOptions = { reap: true };

/** A projector over a port. Throws PresenceError OPTIONS_INVALID. */
export function projectorOver(
  port: WritePort,
  options?: ProjectorOptions,
  internals?: ProjectorInternals,
): Projector {
  return pipelinedProjectorOver(port, options, internals).projector;
}

/** The same, for a recorder. Throws PresenceError OPTIONS_INVALID. */
export function pipelinedProjectorOver(
  own: WritePort,
  options: ProjectorOptions = {},
  internals: ProjectorInternals = {},
): PipelinedProjector {
  const { prefix, shards, budget, read } = resolveProjectorOptions(options);
  const { now, batch, name = crypto.randomUUID(), repeated = () => 0, clock = now ?? Date.now } = internals;
  const keys: ShardKeys[] = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));
  /** Made so far: a sweep has a budget of them. */
  let made = 0;
  const port: WritePort = {
    call: (command) => (made++, own.call(command)),
    pipeline: (calls) => (made++, own.pipeline(calls)),
  };
  const requests = () => made + repeated();
  const looks = keys.map((shardKeys) => new Look(shardKeys, shards, clock));
  /** `auto` has found out, or did not have to. Remembered as long as the projector. */
  let byClient = read === "client";

  function argumentsOf(
    shard: number,
    { reap }: ResolvedStepOptions,
    reading: readonly string[] = byClient ? turnArguments(name, undefined, []) : SCRIPT_READS,
  ): string[] {
    const time = now === undefined ? "" : String(now());
    return [keys[shard]!.process(""), String(shards), String(budget), reap ? "1" : "0", time, ...reading];
  }

  function heard(shard: number, called: CallResult): CallResult {
    looks[shard]!.heard(called.result);
    return called;
  }

  async function call(
    shard: number,
    stepOptions: ResolvedStepOptions,
    reading?: readonly string[],
  ): Promise<CallResult> {
    const reply = await evaluate(port, project, keys[shard]!.list, argumentsOf(shard, stepOptions, reading));
    return heard(shard, parseReply(reply));
  }

  const turns = keys.map((shardKeys) => new Turns({ port, keys: shardKeys, budget, batch }));

  /** The outcome, not a promise of it: in a Worker, a promise dies unsettled with the request that began it. */
  let checked = false;
  async function opened(): Promise<void> {
    if (checked) return;
    await checkShards((command) => port.call(command), prefix, shards);
    checked = true;
  }

  async function step(shard = 0, given: StepOptions = {}): Promise<StepResult> {
    const stepOptions = resolveStepOptions(given);
    whole("shard", shard, 0, shards - 1);
    await opened();
    try {
      if (!byClient) return (await call(shard, stepOptions)).result;
    } catch (error) {
      const failure = orInternal(error);
      if (read !== "auto" || failure.code !== "READ_REFUSED") throw failure;
      byClient = true;
    }
    return turns[shard]!.step((token, entries) =>
      call(shard, stepOptions, turnArguments(name, token, entries)),
    );
  }

  function resultOf(shard: number, reply: Reply): StepResult {
    const called = heard(shard, parseReply(reply));
    return byClient ? turns[shard]!.heard(called) : called.result;
  }

  async function settle(
    shard: number,
    reply: Reply | ReplyError,
    stepOptions: ResolvedStepOptions,
  ): Promise<StepResult> {
    if (!(reply instanceof ReplyError)) return resultOf(shard, reply);
    const failure = redisError(reply);
    const again =
      reply.message.startsWith("NOSCRIPT") || (read === "auto" && failure.code === "READ_REFUSED");
    if (again) return step(shard, stepOptions);
    throw failure;
  }

  async function steps(shard: number, count: number): Promise<Steps> {
    const before = requests();
    if (count === 1 || byClient) return { results: [await step(shard)], requests: requests() - before };
    // One call, many times over; and nothing is awaited reply by reply. A function has little CPU to spend on either.
    const one = evalsha(project, keys[shard]!.list, argumentsOf(shard, REAPING));
    const results: StepResult[] = [];
    for (const reply of await port.pipeline(Array<ScriptCall>(count).fill(one))) {
      if (!(reply instanceof ReplyError)) results.push(resultOf(shard, reply));
      else {
        results.push(await settle(shard, reply, REAPING));
        // Those after a call that failed did too, and one request for each of them is not what was asked for.
        break;
      }
    }
    return { results, requests: requests() - before };
  }

  async function look(shard: number): Promise<Looked> {
    const before = requests();
    const seen = looks[shard]!.see(await port.pipeline(looks[shard]!.commands));
    return { ...seen, requests: requests() - before };
  }

  const projector: Projector = {
    shards,
    step,
    async sweep(sweepOptions = {}) {
      return sweepShards(shards, { look, steps, clock }, resolveSweepOptions(sweepOptions));
    },
    async verify(verifyOptions = {}) {
      const resolved = resolveVerifyOptions(verifyOptions);
      await opened();
      return verifyShards(port, keys, resolved);
    },
  };
  return {
    projector,
    settle,
    command: (shard, stepOptions) => evalsha(project, keys[shard]!.list, argumentsOf(shard, stepOptions)),
  };
}
