/**
 * How a recorder calls the projector for its shard: with its records where there is something to fold, by itself when a
 * deadline comes. A record that was appended stays appended whatever the projector answers: its failures are told and
 * retried here, and never hold up the appending.
 */
import { backoff } from "../core/backoff.ts";
import { orInternal } from "../core/errors.ts";
import type { ShardKeys } from "../core/keys.ts";
import { HOLD_MS, SPREAD_MS, UNFOLDED_MAX } from "../core/limits.ts";
import { hasCome, type Moment, Schedule } from "../core/schedule.ts";
import { isBefore } from "../core/stream-id.ts";
import type { PipelinedProjector, StepResult } from "../projector/projector.ts";
import type { Reply, ReplyError, ScriptCall } from "../redis/port.ts";
import type { Runtime } from "../time/runtime.ts";
import type { RecorderContext } from "./context.ts";

/** Of `linger`: how long until the fold of what was appended, at least and at most. */
const FOLD_LEAST = 0.4;
const FOLD_MOST = 0.5;
/** A call that failed is made again after a pause as long as after so many failures, about 1.5 s. */
const ATTEMPT = 10;

interface Step {
  readonly reap: boolean;
}

export interface ShardProjectingOptions {
  readonly shard: number;
  readonly keys: ShardKeys;
  readonly context: RecorderContext;
  readonly runtime: Runtime;
  /** Undefined: others project. */
  readonly projector: PipelinedProjector | undefined;
  /** Ends a series of steps. */
  readonly signal: AbortSignal;
}

export class ShardProjecting {
  readonly #own: ShardProjectingOptions;
  readonly #schedule = new Schedule({ hold: HOLD_MS, soonest: 1, spread: SPREAD_MS });
  /** Records appended and not known to be folded. */
  #unfolded = 0;
  #lastId = "0-0";
  #failing = false;

  constructor(options: ShardProjectingOptions) {
    this.#own = options;
  }

  /** When to call project(), if nothing happens before. */
  get next(): Moment {
    return this.#own.projector === undefined ? "never" : this.#schedule.next;
  }

  /** Is a fold to follow each record with news? Not while full ones follow each other: one serves many. */
  get mayWait(): boolean {
    return this.#unfolded < UNFOLDED_MAX;
  }

  /** Redis was lost: others lost it too. */
  lost(now: number): void {
    this.#schedule.lost(now);
    this.#schedule.callNow();
  }

  callNow(): void {
    this.#schedule.callNow();
  }

  /** The call to send along with a record; undefined: nothing is to be folded now. */
  callWith(wanted: boolean): { readonly command: ScriptCall; readonly step: Step } | undefined {
    const { projector, shard, runtime } = this.#own;
    const now = runtime.now();
    if (projector === undefined || (!wanted && !hasCome(this.#schedule.next, now))) return undefined;
    const step = this.#step(now);
    return { command: projector.command(shard, step), step };
  }

  /** A record was appended as the entry `id`. */
  appended(id: string): void {
    this.#lastId = id;
    this.#unfolded++;
  }

  /** Folds what was just appended before long: once for all that gathers meanwhile, and for other processes that do the same. */
  within(linger: number): void {
    const { runtime } = this.#own;
    const part = FOLD_LEAST + runtime.random() * (FOLD_MOST - FOLD_LEAST);
    this.#schedule.callBy(runtime.now() + linger * part);
  }

  /** What the reply to a call that was sent along says. Rejects with SHARDS_MISMATCH. */
  async settle(reply: Reply | ReplyError, step: Step): Promise<void> {
    try {
      await this.#finish(await this.#own.projector!.settle(this.#own.shard, reply, step), step);
    } catch (error) {
      this.#failed(error);
    }
  }

  /**
   * A deadline has come. Another process may have served it already: one cheap look before the call. Rejects with
   * SHARDS_MISMATCH.
   */
  async project(): Promise<void> {
    const { context, projector, shard, runtime } = this.#own;
    try {
      await context.connection.ready();
      const step = this.#step(runtime.now());
      if (this.#schedule.mayLook && (await this.#isServed())) return;
      await this.#finish(await projector!.projector.step(shard, step), step);
    } catch (error) {
      this.#failed(error);
    }
  }

  #step(now: number): Step {
    this.#schedule.lost(this.#own.context.connection.reconnectedAt);
    return { reap: this.#schedule.mayReap(now) };
  }

  async #isServed(): Promise<boolean> {
    const { context, keys, runtime } = this.#own;
    const reply = await context.connection.port.call(["HMGET", keys.totals, "due", "ran", "folded"]);
    const [due, ran, folded] = reply as [string | null, string | null, string | null];
    const sight = {
      due: due === null || due === "-1" ? null : Number(due),
      ran: ran === null ? null : Number(ran),
    };
    const isFolded = this.#unfolded === 0 || !isBefore(folded ?? "0-0", this.#lastId);
    const served = this.#schedule.seen(sight, runtime.now(), runtime.random());
    if (!isFolded || !served) return false;
    this.#unfolded = 0;
    return true;
  }

  /** Steps on until the work is done. */
  async #finish(first: StepResult, step: Step): Promise<void> {
    const { projector, shard, runtime, signal } = this.#own;
    let result = first;
    while (result.more && !signal.aborted) result = await projector!.projector.step(shard, step);
    this.#failing = false;
    this.#schedule.lost(this.#own.context.connection.reconnectedAt);
    if (!result.waits) this.#unfolded = 0;
    this.#schedule.answered(result, runtime.now(), runtime.random());
  }

  #failed(error: unknown): void {
    const { context, shard, runtime } = this.#own;
    const failure = orInternal(error);
    if (failure.code === "SHARDS_MISMATCH") throw failure;
    if (!this.#failing) {
      context.options.logger.warn(`shard ${shard}: cannot project: ${failure.message}`);
      context.onError(failure);
    }
    this.#failing = true;
    const now = runtime.now();
    this.#schedule.failed(now, now + backoff(ATTEMPT, () => runtime.random()));
  }
}
