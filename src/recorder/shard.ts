/**
 * The recorder of one shard: a loop that appends one record after the other, and calls the projector where it is asked to.
 */
import { hostname } from "node:os";
import { backoff } from "../core/backoff.ts";
import { type Fall, Journal } from "../core/journal.ts";
import { keysOf, type ShardKeys } from "../core/keys.ts";
import { encodeRecord, type RecordEntry } from "../core/record.ts";
import { isBefore } from "../core/stream-id.ts";
import type { ResolvedRecorderOptions } from "../core/options.ts";
import type { Projector, StepResult } from "../projector/projector.ts";
import type { Connection } from "../redis/connect.ts";
import { redisError } from "../redis/errors.ts";
import { type Command, type Reply, ReplyError } from "../redis/port.ts";
import { checkShards } from "../redis/shards.ts";
import { VERSION } from "../core/version.ts";
import { processRuntime, type Runtime } from "../time/runtime.ts";

export interface RecorderContext {
  readonly connection: Pick<Connection, "port" | "ready" | "reconnectedAt" | "onReconnect">;
  readonly options: ResolvedRecorderOptions;
  /** `io.engine.clientsCount`. */
  readonly connections: () => number;
  /** Told once when appending begins to fail. Must not throw. */
  readonly onError: (error: Error) => void;
  /** For the simulation. */
  readonly runtime?: Runtime | undefined;
  /** Makes the ids of processes, each of them once and for all. Default: host name, process id and 48 random bits. */
  readonly newId?: (() => string) | undefined;
}

/** `MAXLEN ~` of the log: a bound for when nobody projects; what falls off heals by fencing. */
const RECORDS_KEPT = 200_000;
/** How long a process that lost Redis folds without reaping, ms (see ProjectorOptions.hold). */
const HOLD_MS = 3_000;
/** Several processes wake for the same deadline: the first that does spares the others, so they spread out, ms. */
const SPREAD_MS = 100;
const LATEST_MS = 2 ** 31 - 1;
/** Of `linger`: how long operations gather before they are appended, and how long at least and at most until the fold. */
const GATHER = 0.4;
const FOLD_LEAST = 0.4;
const FOLD_MOST = 0.5;
/** While full records follow each other, one fold serves so many of them: as many as the budget of one call takes. */
const UNFOLDED_MAX = 20;

export class ShardRecorder {
  readonly journal: Journal;
  readonly ready: Promise<void>;
  readonly #shard: number;
  readonly #keys: ShardKeys;
  readonly #context: RecorderContext;
  readonly #runtime: Runtime;
  readonly #projector: Projector | undefined;
  readonly #newId: () => string;
  readonly #abort = new AbortController();
  #closing = false;
  #saidBye = false;
  #done: Promise<void>;
  #wake: (() => void) | undefined;
  /** When the last record was appended and the last look at our own registration taken, ms of the runtime. */
  #appendedAt = -Infinity;
  #checkedAt: number;
  /** When a call last failed, ms of the runtime. */
  #failedAt = -Infinity;
  /** When the projector next has something to do, ms of the runtime. */
  #projectAt = -Infinity;
  #lastId = "0-0";
  /** Since when operations gather, ms of the runtime. */
  #gathersSince = 0;
  /** Records appended and not known to be folded. */
  #unfolded = 0;
  /** Clock of Redis minus performance.now(), ms; NaN before the first answer. */
  #clock = Number.NaN;
  #failing = false;
  /** The count of connections in the last record: it changes after the sockets did, and a heartbeat brings the rest. */
  #connections: number | undefined;

  constructor(
    shard: number,
    id: string,
    context: RecorderContext,
    projector: Projector | undefined,
    newId: () => string,
  ) {
    const { options } = context;
    this.#shard = shard;
    this.#keys = keysOf(options.prefix, shard, options.shards);
    this.#context = context;
    this.#runtime = context.runtime ?? processRuntime;
    this.#checkedAt = this.#runtime.now();
    this.#projector = projector;
    this.#newId = newId;
    this.journal = new Journal(id, {
      ttl: options.ttl,
      about: { host: hostname().slice(0, 64), pid: process.pid, version: VERSION, grace: options.grace },
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.ready.catch(() => {});
    this.#done = this.#run(resolve).catch(reject);
  }

  connect(user: string): void {
    this.#note(() => this.journal.connect(user));
  }

  disconnect(user: string, fall: Fall): void {
    this.#note(() => this.journal.disconnect(user, fall));
  }

  #note(change: () => void): void {
    const gathered = this.journal.dirty;
    change();
    if (!gathered) this.#gathersSince = this.#runtime.now();
    // While operations gather, the loop knows when to wake.
    if (!gathered || this.#appendAt === -Infinity) this.wake();
  }

  #backoff(attempt: number): number {
    return backoff(attempt, () => this.#runtime.random());
  }

  /** When to append what no record holds yet, ms of the runtime; Infinity: there is nothing. */
  get #appendAt(): number {
    const { linger } = this.#context.options;
    if (!this.journal.dirty) return Infinity;
    return linger === 0 || this.journal.urgent ? -Infinity : this.#gathersSince + linger * GATHER;
  }

  wake(): void {
    this.#wake?.();
  }

  /** Redis is back, maybe with less than it had: renew the lease and look at our registration at once. */
  reconnected(): void {
    this.#appendedAt = -Infinity;
    this.#checkedAt = -Infinity;
    this.#projectAt = -Infinity;
    this.wake();
  }

  /** From when on expired leases may be reaped: others lost Redis when we did, and renew theirs first. */
  get #reapFrom(): number {
    return Math.max(this.#failedAt, this.#context.connection.reconnectedAt) + HOLD_MS;
  }

  async #run(started: () => void): Promise<void> {
    const { heartbeat } = this.#context.options;
    let record: RecordEntry | undefined;
    let failures = 0;
    let opened = false;
    while (!this.#abort.signal.aborted) {
      // A first record at once: it opens the lease.
      const now = this.#runtime.now();
      const appendAt = Math.min(this.#appendAt, this.#appendedAt + heartbeat);
      if (record === undefined && now < appendAt && !this.#closing) {
        const projectAt = this.#projector === undefined ? Infinity : this.#projectAt;
        if (projectAt <= now) await this.#project();
        else await this.#sleep(Math.min(appendAt, projectAt) - now);
        continue;
      }
      record ??= this.journal.take({
        connections: this.#shard === 0 ? this.#context.connections() : undefined,
        bye: this.#closing,
      });
      try {
        // Whether to reap is decided once Redis is there, not before a wait for it.
        await this.#context.connection.ready();
        if (!opened) {
          const { prefix, shards } = this.#context.options;
          await checkShards((command) => this.#context.connection.port.call(command), prefix, shards);
          opened = true;
        }
        await this.#append(record);
        if (failures > 0)
          this.#context.options.logger.info(
            `shard ${this.#shard}: appending again after ${failures} failures`,
          );
        failures = 0;
        this.#saidBye = record.bye === true;
        record = undefined;
        started();
        if (this.#saidBye) return;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        const failure = redisError(error);
        if (failure.code === "SHARDS_MISMATCH") {
          this.#context.onError(failure);
          throw failure;
        }
        if (failures === 0) {
          this.#context.options.logger.warn(`shard ${this.#shard}: cannot append: ${failure.message}`);
          this.#context.onError(failure);
        }
        failures++;
        this.#failedAt = this.#runtime.now();
        this.#checkedAt = -Infinity;
        this.#projectAt = -Infinity;
        await this.#pause(this.#backoff(failures));
      }
    }
  }

  /** One round trip: the record, the projector's call if there is something to fold, and now and then a look at our own registration. */
  async #append(record: RecordEntry): Promise<void> {
    const now = this.#runtime.now();
    const { heartbeat, linger } = this.#context.options;
    const presses = record.seq === 1 || record.bye === true || record.replaces !== undefined;
    const news = presses || record.operations.length > 0 || record.connections !== this.#connections;
    const mayWait = !presses && this.#unfolded < UNFOLDED_MAX;
    // The next full record follows at once.
    const storms = mayWait && this.journal.full;
    const lingers = mayWait && linger > 0;
    const projects =
      this.#projector !== undefined && !storms && ((news && !lingers) || now >= this.#projectAt);
    const checks = record.seq > 1 && record.bye !== true && now - this.#checkedAt >= heartbeat;
    const step = { reap: now >= this.#reapFrom };

    const commands: Command[] = [
      ["XADD", this.#keys.records, "MAXLEN", "~", String(RECORDS_KEPT), "*", ...encodeRecord(record)],
    ];
    if (projects) commands.push(this.#projector.command(this.#shard, step));
    if (checks) {
      commands.push(["HMGET", this.#keys.process(record.process), "state", "seq"]);
      commands.push(["HMGET", this.#keys.totals, "folded", "shards"]);
    }
    const replies = await this.#context.connection.port.pipeline(commands);
    const id = replies[0]!;
    if (id instanceof ReplyError) throw redisError(id);
    this.#lastId = id as string;
    this.#connections = record.connections;
    this.#appendedAt = this.#runtime.now();
    this.#unfolded++;
    if (projects) await this.#settle(replies[1]!, step);
    else if (news) this.#projectWithin(linger);
    if (checks) {
      this.#checkedAt = now;
      this.#look(record, replies.at(-2)!, replies.at(-1)!);
    }
  }

  /** A record that was appended stays appended whatever the projector answers: its errors are told, not retried here. */
  async #settle(reply: Reply | ReplyError, step: { reap: boolean }): Promise<void> {
    try {
      this.#plan(await this.#finish(await this.#projector!.settle(this.#shard, reply, step), step));
    } catch (error) {
      this.#cannotProject(error);
    }
  }

  /** Steps on until the work is done. */
  async #finish(result: StepResult, step: { reap: boolean }): Promise<StepResult> {
    let last = result;
    while (last.more && !this.#abort.signal.aborted) last = await this.#projector!.step(this.#shard, step);
    return last;
  }

  #cannotProject(error: unknown): void {
    const failure = redisError(error);
    if (failure.code === "SHARDS_MISMATCH") throw failure;
    if (!this.#failing) {
      this.#context.options.logger.warn(`shard ${this.#shard}: cannot project: ${failure.message}`);
      this.#context.onError(failure);
    }
    this.#failing = true;
    this.#failedAt = this.#runtime.now();
    this.#projectAt = this.#runtime.now() + this.#backoff(10);
  }

  /** The fold of what was just appended: once for all that gathers meanwhile, and for other processes that do the same. */
  #projectWithin(linger: number): void {
    const part = FOLD_LEAST + this.#runtime.random() * (FOLD_MOST - FOLD_LEAST);
    this.#projectAt = Math.min(this.#projectAt, this.#runtime.now() + linger * part);
  }

  /** When to call the projector next, if nothing happens before. */
  #plan(result: StepResult): void {
    const now = this.#runtime.now();
    this.#failing = false;
    if (!result.waits) this.#unfolded = 0;
    this.#clock = result.now - now;
    this.#await(result.due, result.held > 0 ? this.#reapFrom - now : 0);
  }

  #await(due: number | null, least: number): void {
    const now = this.#runtime.now();
    const wait =
      due === null
        ? LATEST_MS
        : Math.max(due - this.#clock - now, least, 1) + this.#runtime.random() * SPREAD_MS;
    this.#projectAt = now + wait;
  }

  /** A deadline has come. Another process may have served it already: one cheap look before the call. */
  async #project(): Promise<void> {
    try {
      await this.#context.connection.ready();
      const step = { reap: this.#runtime.now() >= this.#reapFrom };
      if (!Number.isNaN(this.#clock) && this.#projectAt !== -Infinity) {
        const reply = await this.#context.connection.port.call([
          "HMGET", this.#keys.totals, "due", "ran", "folded",
        ]); // prettier-ignore
        const [due, ran, folded] = reply as [string | null, string | null, string | null];
        // The clock of Redis may have jumped since our last call: it is at least where the last call found it.
        this.#clock = Math.max(this.#clock, Number(ran ?? -1) - this.#runtime.now());
        const isFolded = this.#unfolded === 0 || !isBefore(folded ?? "0-0", this.#lastId);
        // A call whose budget ended, and whose caller may have died since, knows of no deadline.
        const nextDue = Number(due ?? -1);
        if (isFolded && nextDue - this.#clock > this.#runtime.now()) {
          this.#unfolded = 0;
          this.#await(nextDue, 0);
          return;
        }
      }
      this.#plan(await this.#finish(await this.#projector!.step(this.#shard, step), step));
    } catch (error) {
      this.#cannotProject(error);
    }
  }

  /** Has the projector fenced, ended or lost us? Then register afresh. */
  #look(record: RecordEntry, registration: Reply | ReplyError, totals: Reply | ReplyError): void {
    if (registration instanceof ReplyError || totals instanceof ReplyError) return;
    const [state, seq] = registration as (string | null)[];
    const [folded] = totals as (string | null)[];
    const lost =
      folded !== null &&
      folded !== undefined &&
      !isBefore(folded, this.#lastId) &&
      Number(seq ?? 0) < record.seq;
    if (state !== "fenced" && state !== "ended" && !lost) {
      if (state === "live") this.journal.confirm();
      // Not folded yet, or Redis was emptied: only a call of the projector can tell.
      else this.#projectAt = -Infinity;
      return;
    }
    const before = this.journal.process;
    this.journal.restate(this.#newId());
    this.#context.options.logger.info(
      `shard ${this.#shard}: ${before} is ${state ?? "gone"}; registering afresh as ${this.journal.process}`,
    );
  }

  /** Ends early when woken or closed. */
  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#runtime.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Ends early only when closed for good: what failed a moment ago is not tried again sooner. */
  async #pause(ms: number): Promise<void> {
    const until = this.#runtime.now() + ms;
    while (!this.#abort.signal.aborted && this.#runtime.now() < until) {
      await this.#sleep(until - this.#runtime.now());
    }
  }

  async close(timeout: number): Promise<boolean> {
    this.#closing = true;
    this.wake();
    const cancel = this.#runtime.after(timeout, () => {
      this.#abort.abort();
      this.wake();
    });
    await this.#done;
    cancel();
    this.#abort.abort();
    return this.#saidBye;
  }
}
