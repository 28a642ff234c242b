/**
 * How a recorder calls the projector for its shard: together with its records when there is something to fold, and on its own
 * when a deadline passes. An appended record stays appended whatever the projector replies: the projector's failures are
 * reported and retried here, and never delay appending.
 */
import { backoff, pauseAfter } from "../core/backoff.ts";
import { isFinal, isLasting, type PresenceErrorCode } from "../core/errors.ts";
import type { ShardKeys } from "../core/keys.ts";
import { HOLD_MS, LISTENED_MS, SPREAD_MS, SPREAD_PART, UNFOLDED_MAX } from "../core/limits.ts";
import type { Reporter } from "../core/outages.ts";
import { Pace } from "../core/pace.ts";
import { earlier, hasCome, type Moment, Schedule, type Sight } from "../core/schedule.ts";
import { isBefore, msOf } from "../core/stream-id.ts";
import type { GuardedOperation } from "../core/telemetry.ts";
import type { PipelinedProjector, StepResult } from "../projector/projector.ts";
import { explained } from "../redis/errors.ts";
import type { Reply, ReplyError, ScriptCall } from "../redis/port.ts";
import type { Runtime } from "../time/runtime.ts";
import type { SharedContext } from "./context.ts";

/** As a part of `linger`: the shortest and longest time until appended records are folded. */
const FOLD_LEAST = 0.4;
const FOLD_MOST = 0.5;
/** A failed call is retried after the back-off of this many failures, about 1.5 s. */
const ATTEMPT = 10;

/** Of a heartbeat: how much later one is sent so that a call for a deadline goes along. */
const LATER_PART = 0.05;

interface Step {
  readonly reap: boolean;
  readonly check: false;
  readonly says: "last" | "listens" | "";
}

/** The projector of a recorder, and its caller name for turns; "": it takes none. */
export interface RecordersProjector extends Omit<PipelinedProjector, "lag"> {
  readonly caller: string;
}

export interface ShardProjectingOptions {
  readonly shard: number;
  readonly keys: ShardKeys;
  readonly context: SharedContext;
  readonly runtime: Runtime;
  /** Undefined: this process does not project. */
  readonly projector: RecordersProjector | undefined;
  /** Ends a series of steps. */
  readonly signal: AbortSignal;
  /** The projection was forgotten, or made again since its parts did not agree, and our registration with it. */
  readonly onRebuilt: () => void;
  /** What we appended last was folded and changed nothing: our registration is over. */
  readonly onUnheard: () => void;
}

export class ShardProjecting {
  /** Which process folds under load, and when records are sent. */
  readonly pace: Pace;
  readonly #own: ShardProjectingOptions;
  readonly #schedule: Schedule;
  readonly #reporter: Reporter;
  /** Records appended and not known to be folded. */
  #unfolded = 0;
  /** The last of ours that says something; a heartbeat may wait for the next deadline. */
  #lastId = "0-0";
  /** What a look found of the totals: they never count back, unless Redis has less than it had. */
  #counted: readonly [records: number, rebuilt: number] | undefined;
  /** Why the last call failed, and how often in a row for that reason; undefined: it did not. */
  #state: PresenceErrorCode | undefined;
  #failures = 0;
  /**
   * We may not project, or are too old to, until somebody changes something. No call is made before then, with a record or without;
   * records are appended all the same, and whoever else projects folds them. Ms of the runtime; undefined: nothing of the kind.
   */
  #blockedUntil: number | undefined;
  /** When the last call was made, ms of the runtime. */
  #sentAt = 0;
  /** When a call of ours last said that we listen, ms of the runtime. */
  #saidAt = -Infinity;

  constructor(options: ShardProjectingOptions) {
    this.#own = options;
    const { shard } = options;
    this.#reporter = {
      name: `project ${shard}`, cannot: "cannot project", again: "projecting again", still: "records are still appended",
      shard: options.context.options.shards > 1 ? shard : undefined,
    }; // prettier-ignore
    const spread = Math.min(SPREAD_MS, options.context.options.heartbeat * SPREAD_PART);
    this.#schedule = new Schedule({ hold: HOLD_MS, soonest: 1, spread });
    const paced = options.projector !== undefined && options.projector.caller !== "";
    this.pace = new Pace(paced ? options.context.options.pace : 0);
  }

  /** When to call project(), unless something happens before. */
  get next(): Moment {
    if (this.#own.projector === undefined) return "never";
    const next = earlier(this.#schedule.next, this.pace.foldAt ?? "never");
    if (this.#blockedUntil === undefined || next === "never") return next;
    return next === "now" ? this.#blockedUntil : Math.max(next, this.#blockedUntil);
  }

  /** Whether this process calls the projector, and may. */
  get isOurs(): boolean {
    return this.#own.projector !== undefined && this.#blockedUntil === undefined;
  }

  /** When to send a heartbeat that would come at `at`: a moment later if it can take a call along then. */
  withDeadline(at: number): number {
    const { along } = this.#schedule;
    const latest = at + this.#own.context.options.heartbeat * LATER_PART;
    return typeof along === "number" && along > at && along <= latest ? along : at;
  }

  /** Is a fold to follow each record with news? Not while full ones follow each other: one serves many. */
  get mayWait(): boolean {
    return this.#unfolded < UNFOLDED_MAX;
  }

  /** Redis was lost, probably for others too. */
  lost(now: number): void {
    this.pace.reset();
    this.#schedule.lost(now);
    this.#schedule.callNow();
  }

  /** Before the first call. */
  async prepare(): Promise<void> {
    await this.#own.projector?.prepare();
  }

  callNow(): void {
    this.#schedule.callNow();
  }

  /** Redis is back, perhaps as one where we may project. */
  reconnected(): void {
    if (this.#blockedUntil !== undefined) this.#blockedUntil = this.#own.runtime.now();
    this.#schedule.callNow();
  }

  /** The call to send along with a record; undefined: do not fold now. */
  callWith(wanted: boolean, last = false): { readonly command: ScriptCall; readonly step: Step } | undefined {
    const { projector, shard, runtime } = this.#own;
    const now = runtime.now();
    const { next, along } = this.#schedule;
    if (projector === undefined || (this.#blockedUntil !== undefined && now < this.#blockedUntil))
      return undefined;
    if (!wanted && !this.#hasToSay(now) && (this.hasServer || !hasCome(earlier(next, along), now)))
      return undefined;
    const step = this.#step(now, last);
    this.#sentAt = now;
    return { command: projector.command(shard, step), step };
  }

  /** Another process holds the turn, and with its folds it serves the deadlines of all. Ours is one: the totals say whether. */
  get hasServer(): boolean {
    return this.pace.state === "follows" && this.#schedule.mayLook;
  }

  /** Whether to read the next deadline with the turn: the one we know has come, and another process serves it. */
  get looksAlong(): boolean {
    const { next, along } = this.#schedule;
    return this.hasServer && hasCome(earlier(next, along), this.#own.runtime.now());
  }

  /** A record was appended as the entry `id`; `news`: somebody waits for it to be folded. */
  appended(id: string, news: boolean): void {
    if (news) this.#lastId = id;
    this.#unfolded++;
  }

  /** Takes the totals read with a record of ours: if the turn is no longer held, we fold at once. */
  turnSeen(id: string, reply: Reply | ReplyError, sentAt: number): void {
    const now = this.#own.runtime.now();
    this.pace.clock(msOf(id), sentAt, now);
    const [ends, folded, listened, due, ran] = Array.isArray(reply) ? (reply as (string | null)[]) : [];
    if (typeof folded === "string" && !isBefore(folded, id)) this.#unfolded = 0;
    const totals = { ends: Number(ends ?? 0), folded: folded ?? "0-0", listened: Number(listened ?? 0) };
    if (this.pace.appended(id, now, totals)) return this.#schedule.callNow();
    if (due === undefined) return;
    if (!this.#schedule.seen(sightOf(due, ran), now, this.#own.runtime.random())) this.#schedule.callNow();
  }

  /** A record went out without a call or a read of the turn: whoever holds it folds, as far as known. */
  turnTrusted(id: string, sentAt: number): void {
    if (this.pace.state !== "follows") return;
    const now = this.#own.runtime.now();
    this.pace.clock(msOf(id), sentAt, now);
    if (this.pace.trusted(id, now)) this.#schedule.callNow();
  }

  /** Folds appended records soon: once for all that gather meanwhile, other processes' included. */
  within(linger: number): void {
    const { runtime } = this.#own;
    const part = FOLD_LEAST + runtime.random() * (FOLD_MOST - FOLD_LEAST);
    this.#schedule.callBy(runtime.now() + linger * part);
  }

  /** What the reply to a call that was sent along says; undefined: it failed, and is made again. Rejects with SHARDS_MISMATCH. */
  async settle(
    reply: Reply | ReplyError,
    step: Step,
    folding?: GuardedOperation<"fold">,
  ): Promise<StepResult | undefined> {
    try {
      const result = await this.#own.projector!.settle(this.#own.shard, reply, step, folding);
      await this.#finish(result, step);
      return result;
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  /**
   * A deadline has passed. Another process may have served it already, so take a cheap look before calling. Rejects with
   * SHARDS_MISMATCH.
   */
  async project(): Promise<void> {
    const { context, projector, shard, runtime } = this.#own;
    try {
      await context.connection.ready();
      const step = this.#step(runtime.now());
      const isOurs = this.pace.state === "holds" && hasCome(this.pace.foldAt ?? "never", runtime.now());
      if (!isOurs && this.#schedule.mayLook && (await this.#isServed())) {
        if (this.#blockedUntil === undefined) context.outages.worked(this.#reporter);
        return;
      }
      this.#sentAt = runtime.now();
      const result = await projector!.call(shard, step);
      await this.#finish(result, step);
      if (result.unheard && result.foldedId === this.#lastId) this.#own.onUnheard();
    } catch (error) {
      this.#failed(error);
    }
  }

  #step(now: number, last = false): Step {
    const { connection, listens } = this.#own.context;
    this.#schedule.lost(connection.reconnectedAt);
    const isListening = !last && listens?.() === true;
    if (isListening) this.#saidAt = now;
    const says = last ? "last" : isListening ? "listens" : "";
    return { reap: this.#schedule.mayReap(now), check: false, says };
  }

  /** We listen, have not said so for a while, and are among those who take turns: others may be pacing for us. */
  #hasToSay(now: number): boolean {
    const { context, projector } = this.#own;
    return projector?.caller !== "" && now - this.#saidAt >= LISTENED_MS / 2 && context.listens?.() === true;
  }

  async #isServed(): Promise<boolean> {
    const { context, keys, runtime } = this.#own;
    const reply = await context.connection.port.call([
      "HMGET", keys.totals, "due", "ran", "folded", "records", "rebuilt",
    ]); // prettier-ignore
    const [due = null, ran = null, folded, records, rebuilt] = reply as (string | null)[];
    this.#compare(Number(records), Number(rebuilt));
    const isFolded = this.pace.isFolded(folded ?? "0-0") && !isBefore(folded ?? "0-0", this.#lastId);
    const served = this.#schedule.seen(sightOf(due, ran), runtime.now(), runtime.random());
    if (!isFolded || !served) return false;
    this.#unfolded = 0;
    return true;
  }

  /** Forgotten or made again since we looked: then so are we, most likely. */
  #compare(records: number, rebuilt: number): void {
    const [before, rebuiltBefore] = this.#counted ?? [records, rebuilt];
    this.#counted = [records, rebuilt];
    if (records < before || rebuilt !== rebuiltBefore) this.#own.onRebuilt();
  }

  /** Steps on until the work is done. */
  async #finish(first: StepResult, step: Step): Promise<void> {
    const { projector, shard, runtime, signal } = this.#own;
    let result = first;
    let { rebuilt } = first;
    while (result.more && !signal.aborted) {
      this.#sentAt = runtime.now();
      result = await projector!.call(shard, step);
      rebuilt ||= result.rebuilt;
    }
    if (rebuilt) this.#own.onRebuilt();
    this.#own.context.outages.worked(this.#reporter);
    this.#state = undefined;
    this.#failures = 0;
    this.#blockedUntil = undefined;
    this.#schedule.lost(this.#own.context.connection.reconnectedAt);
    // What we appended and this call did not fold, another one has.
    const shared = first.records < this.#unfolded;
    this.#unfolded = 0;
    const now = runtime.now();
    this.pace.clock(result.now, this.#sentAt, now);
    this.pace.answered(result, projector!.caller, now);
    this.#schedule.answered({ ...result, shared }, now, runtime.random());
    // Our own lease is a deadline. If there is none, leases were evicted; folding a heartbeat finds that.
    if (result.due === null) this.#schedule.callBy(now + this.#own.context.options.heartbeat);
  }

  #failed(error: unknown): void {
    const { context, runtime } = this.#own;
    const failure = explained(error, context.connection);
    context.outages.failed(this.#reporter, failure);
    if (isFinal(failure)) throw failure;
    const lasts = isLasting(failure);
    if (failure.code !== this.#state) this.#failures = 0;
    this.#state = failure.code;
    this.#failures++;
    const now = runtime.now();
    // Otherwise the fold of a turn, or a check that is due, would be tried again at once.
    this.pace.reset();
    const random = () => runtime.random();
    const again = now + (lasts ? pauseAfter(failure, this.#failures, random) : backoff(ATTEMPT, random));
    if (lasts) this.#blockedUntil = again;
    this.#schedule.failed(now, again);
  }
}

/** From the fields `due` and `ran` of the totals. */
function sightOf(due: string | null, ran: string | null | undefined): Sight {
  return {
    due: due === null || due === "-1" ? null : Number(due),
    ran: ran === null || ran === undefined ? null : Number(ran),
  };
}
