/** One subscriber on one shard: takes the turn, hands over what is due, notes it. One round at a time. */
import {
  type Delivery,
  type DeliverySource,
  encodeDelivery,
  membersInWindow,
  type Portion,
  Portions,
} from "../core/delivery.ts";
import { PresenceError } from "../core/errors.ts";
import { CLOSE_MS, DELIVERY_ERROR_MAX, ENTRIES_READ, LEVEL_CHUNK } from "../core/limits.ts";
import { retryAfter } from "../core/retries.ts";
import type { GuardedSink } from "../core/telemetry.ts";
import { integer, list } from "../redis/decode.ts";
import { redisError } from "../redis/errors.ts";
import { ReplyError, type WritePort } from "../redis/port.ts";
import { processRuntime, type Runtime } from "../time/runtime.ts";
import { DeliveryError } from "./delivery-error.ts";
import type { Handle, HandleBatch, ResolvedSubscriberOptions } from "./options.ts";
import { Recent } from "./recent.ts";
import type { Answer, SubscriberScript } from "./script.ts";
import { Turn } from "./turn.ts";

/** Of several caused by the same delivery the last one counts. */
export interface RoundResult {
  /**
   * `idle`: nothing is left. `held`: another process has the turn, for `ms`. `wait`: something is to be done in `ms`. `disabled`. `stopped`: by
   * the signal, or the budget is used up.
   */
  readonly state: "idle" | "held" | "wait" | "disabled" | "stopped";
  readonly ms: number;
}

/** What one round may use. */
export interface Allowance {
  /** Whether it may go on; asked before each request and each call of the handler. */
  mayGoOn(): boolean;
  handled(deliveries: number): void;
  readonly signal: AbortSignal;
}

/** What happened, for logs. */
export interface RoundReports {
  failed(error: PresenceError): void;
  worked(): void;
  buried(deliveries: number): void;
  disabled(reason: string): void;
}

export interface ShardContext {
  readonly port: WritePort;
  readonly script: SubscriberScript;
  readonly shard: number;
  readonly known: string;
  readonly caller: string;
  readonly options: ResolvedSubscriberOptions;
  readonly handle: Handle | HandleBatch;
  readonly reports: RoundReports;
  readonly telemetry?: GuardedSink | undefined;
  readonly runtime?: Runtime | undefined;
}

const STOPPED: RoundResult = { state: "stopped", ms: 0 };

export class ShardSubscriber {
  readonly #own: ShardContext;
  readonly #turn: Turn;
  readonly #runtime: Runtime;
  readonly #recent = new Recent();
  /** Redis knew this subscriber before: if it no longer does, it has lost it. */
  #wasKnown = false;
  #isHolder = false;
  /** The round under way. */
  #working: { readonly since: number } | undefined;

  constructor(own: ShardContext) {
    this.#own = own;
    this.#runtime = own.runtime ?? processRuntime;
    this.#turn = new Turn(
      own.options.turn,
      (token) => own.script.renew(token, own.options.turn),
      this.#runtime,
    );
  }

  /** Whether this process has the turn, as far as it knows. */
  get isHolder(): boolean {
    return this.#isHolder;
  }

  /**
   * Works until nothing is left, or it has to wait. Rejects as a port does; then call it again. Of two at once the second finds that the turn is
   * held: both would have the same one. A round that is never heard of again, as in a Worker whose invocation has ended, is so no longer
   * than its turn.
   */
  async round(allowance: Allowance): Promise<RoundResult> {
    if (this.#isWorking) return { state: "held", ms: this.#own.options.turn / 3 };
    const mine = { since: this.#runtime.now() };
    this.#working = mine;
    try {
      return await this.#work(allowance);
    } finally {
      if (this.#working === mine) this.#working = undefined;
    }
  }

  get #isWorking(): boolean {
    if (this.#working === undefined) return false;
    return this.#turn.isHeld || this.#runtime.now() < this.#working.since + this.#own.options.turn / 2;
  }

  async #work(allowance: Allowance): Promise<RoundResult> {
    for (;;) {
      if (!this.#mayGoOn(allowance)) return STOPPED;
      const sent = this.#runtime.now();
      const taken = await this.#take();
      if (taken.word === "behind") {
        await this.#own.script.amend(this.#recent.states(sent));
        continue;
      }
      if (taken.word === "held") {
        this.#isHolder = false;
        return { state: "held", ms: taken.number };
      }
      if (taken.word === "disabled") {
        this.#isHolder = false;
        this.#own.reports.disabled(taken.reason);
        return { state: "disabled", ms: 0 };
      }
      this.#isHolder = true;
      // Others have told since, and know better.
      if (taken.isFresh) this.#recent.clear();
      this.#turn.held(taken.token, sent);
      if (taken.word === "wait") return { state: "wait", ms: taken.number };
      if (taken.word === "idle") return { state: "idle", ms: 0 };
      if (taken.word === "page") this.#turn.stepped(await this.#own.script.page(taken.token));
      else {
        const wait = await this.#deliver(taken, taken.word === "inbox" ? "inbox" : "changes", allowance);
        if (wait !== undefined) return wait;
      }
    }
  }

  /** Gives the turn back. Rejects as a port does. */
  async leave(): Promise<void> {
    if (!this.#isHolder || this.#isWorking) return;
    this.#isHolder = false;
    this.#turn.lost();
    await this.#own.script.leave(this.#turn.token);
  }

  #mayGoOn(allowance: Allowance): boolean {
    return !allowance.signal.aborted && allowance.mayGoOn();
  }

  async #take(): Promise<Answer> {
    const { caller, options } = this.#own;
    const { turn, from, keep } = options;
    const begin = this.#wasKnown ? "again" : from;
    const taken = await this.#own.script.take({ caller, turn, count: ENTRIES_READ, from: begin, keep });
    this.#wasKnown = true;
    return taken;
  }

  /** Hands over what was read. Undefined: take again. */
  async #deliver(
    taken: Answer,
    source: DeliverySource,
    allowance: Allowance,
  ): Promise<RoundResult | undefined> {
    const { shard, options, script } = this.#own;
    const { entries, place, window } = taken;
    const reading = { source, shard, isScoped: options.scopes !== null, entries, place, window };
    const told = await this.#told(membersInWindow(reading));
    const portions = new Portions({
      ...reading,
      told,
      before: this.#recent,
      wants: (one) => this.#wants(one),
    });
    let { token } = taken;
    let failedBefore = taken.attempt;
    while (!portions.isOver) {
      const portion = portions.take(options.batch ?? 1);
      const isHandled = portion.deliveries.length === 0;
      // What had failed so often was told since.
      if (portion.isRepeat) failedBefore = 0;
      if (!isHandled) {
        if (!this.#mayGoOn(allowance)) return STOPPED;
        // Too long ago: ask again.
        if (!this.#turn.isHeld) return undefined;
        const failure = await this.#attempt(portion.deliveries, failedBefore + 1, allowance.signal);
        if (failure !== null) {
          if (allowance.signal.aborted) return STOPPED;
          return this.#failed(failure, token, failedBefore + 1, source, portion);
        }
        failedBefore = 0;
      }
      const sent = this.#runtime.now();
      // Before Redis is told: what it may never hear of counts most.
      this.#recent.add(portion.passed, sent);
      const noted = await script.note(token, options.turn, source, portion);
      if (noted.word === "lost") {
        this.#turn.lost();
        return undefined;
      }
      ({ token } = noted);
      this.#turn.held(token, sent);
      if (isHandled) continue;
      allowance.handled(portion.deliveries.length);
      this.#own.reports.worked();
    }
    return undefined;
  }

  #wants(delivery: Delivery): boolean {
    if (delivery.type === "gap") return true;
    try {
      const { scopes, filter } = this.#own.options;
      return (scopes?.(delivery) ?? true) && filter(delivery);
    } catch (cause) {
      // Rather too much than too little.
      this.#own.reports.failed(failureOf(this.#own.options.name, "the filter", "threw", cause));
      return true;
    }
  }

  /** Which of these members are present, as far as the subscriber was told. */
  async #told(members: readonly string[]): Promise<Set<string>> {
    const told = new Set<string>();
    for (let i = 0; i < members.length; i += LEVEL_CHUNK) {
      const some = members.slice(i, i + LEVEL_CHUNK);
      const [reply] = await this.#own.port.pipeline([["SMISMEMBER", this.#own.known, ...some]]);
      if (reply instanceof ReplyError) throw redisError(reply);
      const asked = "SMISMEMBER of a subscriber";
      for (const [k, is] of list(reply, asked, some.length).entries())
        if (integer(is, asked) === 1) told.add(some[k]!);
    }
    return told;
  }

  /** Null: handled. Never rejects. */
  async #attempt(
    deliveries: readonly Delivery[],
    attempt: number,
    closing: AbortSignal,
  ): Promise<{ readonly error: PresenceError; readonly cause: unknown } | null> {
    const { shard, options, handle, telemetry } = this.#own;
    const delivering = telemetry?.begin("deliver", {
      shard,
      subscriber: options.name,
      deliveries: deliveries.length,
      attempt,
    });
    return this.#turn.during(async (lost) => {
      // Not AbortSignal.any(): after a garbage collection that of Node 24 may not fire.
      const ended = new AbortController();
      const { signal } = ended;
      let isLate = false;
      const over = Promise.withResolvers<never>();
      const onLate = () => {
        const error = new Error(`not within ${options.timeout} ms`);
        isLate = true;
        ended.abort(error);
        over.reject(error);
      };
      const cancels = [this.#runtime.after(options.timeout, onLate)];
      // One that does not heed the signal does not hold up the end for long.
      const onClosing = () => {
        ended.abort(closing.reason);
        cancels.push(this.#runtime.after(CLOSE_MS, onLate));
      };
      closing.addEventListener("abort", onClosing, { once: true });
      lost.addEventListener("abort", () => ended.abort(lost.reason), { once: true });
      try {
        const info = { id: deliveries[0]!.id, attempt, signal };
        const given = options.batch === null ? deliveries[0]! : deliveries;
        const call = async () => (handle as (given: unknown, info: unknown) => unknown)(given, info);
        const called = delivering === undefined ? call() : delivering.within(call);
        await Promise.race([called, over.promise]);
        delivering?.done({});
        return null;
      } catch (cause) {
        const how = isLate ? "took too long" : "threw";
        delivering?.failed(isLate ? "timeout" : "DELIVERY_FAILED");
        return { error: failureOf(options.name, "the handler", how, cause), cause };
      } finally {
        closing.removeEventListener("abort", onClosing);
        for (const cancel of cancels) cancel();
      }
    });
  }

  async #failed(
    { error, cause }: { readonly error: PresenceError; readonly cause: unknown },
    token: number,
    attempt: number,
    source: DeliverySource,
    portion: Portion,
  ): Promise<RoundResult | undefined> {
    const { script, options, reports, telemetry } = this.#own;
    const said = cause instanceof DeliveryError ? cause : undefined;
    const why = textOf(cause);
    reports.failed(error);
    if (said?.disable === true) {
      this.#turn.stepped(await script.disable(token, why));
      return undefined;
    }
    const wait =
      said?.giveUp === true
        ? null
        : retryAfter(options.retries, attempt, this.#runtime.random(), said?.retryAfter);
    if (wait === null) {
      const letters = portion.deliveries.map(encodeDelivery);
      this.#recent.leave(portion.passed);
      const buried = await script.bury(token, letters, source, portion, why);
      this.#turn.stepped(buried);
      if (buried.word === "lost") return undefined;
      const deliveries = portion.deliveries.length;
      reports.buried(deliveries);
      telemetry?.happened("buried", { subscriber: options.name, deliveries });
      return undefined;
    }
    const failed = await script.fail(token, wait, why, source);
    this.#turn.stepped(failed);
    return failed.word === "lost" ? undefined : { state: "wait", ms: wait };
  }
}

function failureOf(name: string, what: string, how: string, cause: unknown): PresenceError {
  return new PresenceError("DELIVERY_FAILED", `${what} of subscriber ${JSON.stringify(name)} ${how}`, {
    cause,
  });
}

/** What is kept of an error: it is the application's own text. */
function textOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.toWellFormed().slice(0, DELIVERY_ERROR_MAX).toWellFormed();
}
