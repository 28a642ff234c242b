/**
 * The projector: the only writer of the projection.
 *
 * One `step()` is one bounded, atomic script call on one shard. It keeps no essential state in memory, so a caller may die
 * between any two steps, and any number of callers may step concurrently: the log is folded in order and exactly once. So the
 * same function serves a Socket.IO process after an append, a long-running worker (loop.ts), and a scheduled function with a
 * budget.
 *
 * Steps are idempotent: if one runs twice because its reply was lost, the second finds nothing left.
 */
import { historyArgument } from "../core/history.ts";
import { keysOf, type ShardKeys } from "../core/keys.ts";
import { project } from "../lua/generated.ts";
import { orInternal } from "../core/errors.ts";
import { attachTelemetry, type FoldFacts, type GuardedOperation, typeOfError } from "../core/telemetry.ts";
import { CHANGES_KEPT } from "../core/limits.ts";
import { whole } from "../core/options.ts";
import { checkUser } from "../core/user.ts";
import { deriveRecordKeys, NO_KEYS, type RecordKeys, signedSlowly } from "./record-keys.ts";
import { parseReply, type StepResult } from "./call.ts";
import { checkProcess, evictFrom } from "./evict.ts";
import { type Forgotten, forgetUser } from "./forget.ts";
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
import { redisError } from "../redis/errors.ts";
import { type Reply, ReplyError, type ScriptCall, type WritePort } from "../redis/port.ts";
import { evaluate, evalsha } from "../redis/scripts.ts";
import { checkShards } from "../redis/shards.ts";
import { verifyShards, type VerifyReport } from "./verify.ts";

export type { StepOptions, StepResult };

/** `last`: the caller is closing, and gives the turn back. `listens`: it waits for changes, so beats are short (pace). */
type ResolvedStepOptions = ReturnType<typeof resolveStepOptions> & {
  readonly says?: "last" | "listens" | "";
};

/** Keeps the projection up to date; any number may work on one prefix at the same time. */
export interface Projector {
  /** The number of shards of the prefix. */
  readonly shards: number;
  /**
   * One bounded call on one shard (default 0). Rejects with PresenceError: REDIS_UNAVAILABLE (the call may have run or not; it
   * does not matter, call again), REDIS_TYPE, PERMISSION, SHARDS_MISMATCH, RECORD_KEYS_MISMATCH, VERSION_MISMATCH, READ_REFUSED (this engine requires
   * `read: "range"`), OPTIONS_INVALID.
   */
  step(shard?: number, options?: StepOptions): Promise<StepResult>;
  /**
   * Folds, reaps and expires shard by shard, until all are idle or the budget runs out: for scheduled functions. Rejects as
   * step() does.
   *
   *   const { idle, due } = await projector.sweep({ budget: { requests: 45, ms: 20_000 } });
   */
  sweep(options?: SweepOptions): Promise<SweepSummary>;
  /**
   * Audits the projection, and corrects it if asked, in bounded steps while the system runs. Rejects as step() does.
   *
   *   const { differences, examples } = await projector.verify();
   */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  /**
   * Ends a process by hand, in every shard: one that was forged, say. Its users get its grace and then go, with the cause `replace`; a
   * server that is really there registers again by itself. Resolves with whether it was there (live or fenced). An id that is
   * not known yet cannot register for an hour. Rejects as step() does; calling it again then does no harm.
   *
   *   await projector.evict("web-1.7f3a9c04b2d1");
   */
  evict(process: string): Promise<boolean>;
  /**
   * Removes what is kept about a user who is not present: from `changes` everything up to the last entry that names the user (a cursor
   * in there becomes a gap; servers that follow do not notice), from `rejected` every entry that does, or may, and what durable subscribers
   * have about the user. Resolves with how many entries were removed. Rejects as step() does, with USER_INVALID, and with USER_PRESENT,
   * grace included: disconnect the user's sockets first. If it fails half-way, or the user was here meanwhile, call it again.
   * docs/privacy.md says what it cannot reach.
   *
   *   await projector.forget("alice");
   */
  forget(user: string): Promise<Forgotten>;
}

/** What a recorder needs in addition: it sends the projector's call together with its record. */
export interface PipelinedProjector {
  readonly projector: Projector;
  /** Derives the keys of signed records, once. Before the first command(). */
  prepare(): Promise<RecordKeys>;
  /** The call of step() as a command for a pipeline. */
  command(shard: number, options: ResolvedStepOptions): ScriptCall;
  /** step(), with what a recorder may say. Rejects as step() does. */
  call(shard: number, options: ResolvedStepOptions): Promise<StepResult>;
  /** The result from the command's reply, which ends `folding`; calls step() if the server did not know the script. */
  settle(
    shard: number,
    reply: Reply | ReplyError,
    options: ResolvedStepOptions,
    folding?: GuardedOperation<"fold">,
  ): Promise<StepResult>;
  /** Records left in the log after the last call on each shard, as far as known. */
  readonly lag: number;
}

const NOTHING: FoldFacts = { records: 0, operations: 0, rejected: 0, fenced: 0, reaped: 0, changes: 0 };

/** Of several calls. Those that failed did nothing. */
function sumOf(replies: readonly (Reply | ReplyError)[]): FoldFacts {
  const sum: { -readonly [Name in keyof FoldFacts]: number } = { ...NOTHING };
  for (const reply of replies) {
    if (reply instanceof ReplyError) continue;
    const result = parseReply(reply);
    for (const name of Object.keys(NOTHING) as (keyof FoldFacts)[]) sum[name] += result[name];
  }
  return sum;
}

const REAPING: ResolvedStepOptions = { reap: true, check: false };

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
  const resolved = resolveProjectorOptions(options);
  const { prefix, shards, budget, read, keep, history, recordKeys } = resolved;
  const { now, caller = "", repeated = () => 0, clock = now ?? Date.now } = internals;
  const keys: ShardKeys[] = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));
  /** Requests made so far: a sweep has a budget of them. */
  let made = 0;
  const port: WritePort = {
    call: (command) => (made++, own.call(command)),
    pipeline: (calls) => (made++, own.pipeline(calls)),
  };
  const requests = () => made + repeated();
  const looks = keys.map((shardKeys) => new Look(shardKeys, shards, clock));
  const lags = keys.map(() => 0);
  const lag = () => lags.reduce((sum, left) => sum + left, 0);
  const telemetry =
    internals.telemetry ??
    attachTelemetry(resolved.telemetry, { prefix, levels: () => ({ lag: lag() }) }, resolved.logger);
  /** Whether the way of reading is known: found out by `auto`, or given. Kept as long as the projector. */
  let byRange = read === "range";
  let derived: RecordKeys | undefined = recordKeys === undefined ? NO_KEYS : undefined;
  const prepare = async () => (derived ??= await deriveRecordKeys(recordKeys, prefix));
  /** Shards on which every command that a call may need was checked. */
  const tried = new Set<number>();

  function argumentsOf(shard: number, { reap, check, says = "" }: ResolvedStepOptions): string[] {
    const time = now === undefined ? "" : String(now());
    const level = !tried.has(shard) ? "2" : check ? "1" : "";
    const how = byRange ? "range" : "group";
    const { argument } = derived!;
    const most = keep.max === CHANGES_KEPT ? "" : ` ${keep.max}`;
    const kept = `${keep.changes} ${keep.rejected}${most}${historyArgument(history)}`;
    return [
      String(shards),
      String(budget),
      reap ? "1" : "0",
      time,
      caller,
      how,
      level,
      says,
      kept,
      ...argument,
    ];
  }

  function heard(shard: number, result: StepResult): StepResult {
    tried.add(shard);
    looks[shard]!.heard(result);
    lags[shard] = result.left;
    return result;
  }

  async function call(shard: number, stepOptions: ResolvedStepOptions): Promise<StepResult> {
    return told(shard, async () => {
      const reply = await evaluate(port, project, keys[shard]!.list, argumentsOf(shard, stepOptions));
      const result = heard(shard, parseReply(reply));
      return [result, result];
    });
  }

  /** What `call` returns; the second item is what it did. */
  async function told<T>(shard: number, call: () => Promise<readonly [T, FoldFacts]>): Promise<T> {
    const folding = telemetry?.begin("fold", { shard });
    try {
      const [result, facts] = await call();
      folding?.done(facts);
      return result;
    } catch (error) {
      folding?.failed(typeOfError(error));
      throw error;
    }
  }

  /** The outcome, not a promise of it: in a Worker, a promise never settles if the request that started it has ended. */
  let checked = false;
  async function opened(): Promise<void> {
    if (checked) return;
    const { mac } = await prepare();
    await checkShards((command) => port.call(command), prefix, shards, mac);
    checked = true;
  }

  /** Errors that another call can resolve: the engine requires the other way of reading, or a key has another type. */
  async function again(shard: number, stepOptions: ResolvedStepOptions, error: unknown): Promise<StepResult> {
    // An error in a pipeline's reply is not decoded yet.
    const failure = error instanceof ReplyError ? redisError(error) : orInternal(error);
    if (read === "auto" && !byRange && failure.code === "READ_REFUSED") {
      byRange = true;
      return call(shard, stepOptions);
    }
    // A level check finds which key it is.
    if (failure.code === "REDIS_TYPE" && !stepOptions.check)
      return call(shard, { ...stepOptions, check: true });
    throw failure;
  }

  async function step(shard = 0, given: StepOptions = {}): Promise<StepResult> {
    const stepOptions = resolveStepOptions(given);
    whole("shard", shard, 0, shards - 1);
    return resolvedStep(shard, stepOptions);
  }

  async function resolvedStep(shard: number, stepOptions: ResolvedStepOptions): Promise<StepResult> {
    await opened();
    try {
      return await call(shard, stepOptions);
    } catch (error) {
      return again(shard, stepOptions, error);
    }
  }

  async function settle(
    shard: number,
    reply: Reply | ReplyError,
    stepOptions: ResolvedStepOptions,
    folding?: GuardedOperation<"fold">,
  ): Promise<StepResult> {
    if (!(reply instanceof ReplyError)) {
      try {
        const result = heard(shard, parseReply(reply));
        folding?.done(result);
        return result;
      } catch (error) {
        folding?.failed(typeOfError(error));
        throw error;
      }
    }
    // It has not folded anything: the call that follows is one of its own.
    if (reply.message.startsWith("NOSCRIPT")) return resolvedStep(shard, stepOptions);
    folding?.failed(redisError(reply).code);
    return again(shard, stepOptions, reply);
  }

  async function steps(shard: number, count: number): Promise<Steps> {
    const before = requests();
    if (count === 1) return { results: [await step(shard)], requests: requests() - before };
    // The same command many times, and no await per reply: a scheduled function has little CPU time for either.
    const one = evalsha(project, keys[shard]!.list, argumentsOf(shard, REAPING));
    const results: StepResult[] = [];
    const replies = await told(shard, async () => {
      const all = await port.pipeline(Array<ScriptCall>(count).fill(one));
      return [all, telemetry === undefined ? NOTHING : sumOf(all)];
    });
    for (const reply of replies) {
      if (!(reply instanceof ReplyError)) results.push(heard(shard, parseReply(reply)));
      else {
        results.push(await settle(shard, reply, REAPING));
        // The calls after a failed one failed too; do not retry each of them with a request of its own.
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
    async evict(process) {
      const id = checkProcess(process);
      await opened();
      const { signing } = await prepare();
      const sign = (fields: readonly string[], key: string) => signedSlowly(fields, key, signing);
      let found = false;
      for (const [shard, own] of keys.entries())
        found = (await evictFrom(port, own, id, () => resolvedStep(shard, REAPING), sign)) || found;
      return found;
    },
    async forget(user) {
      const id = checkUser(user);
      await opened();
      return forgetUser(port, keys, id, (shard) => resolvedStep(shard, REAPING));
    },
  };
  return {
    projector,
    get lag() {
      return lag();
    },
    call: resolvedStep,
    prepare,
    settle,
    command: (shard, stepOptions) => evalsha(project, keys[shard]!.list, argumentsOf(shard, stepOptions)),
  };
}
