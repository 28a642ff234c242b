/**
 * The recorder: the only writer of records, one per Socket.IO process.
 *
 * It keeps a journal a shard and has one record in flight for each; what happens meanwhile gathers in the next. So an
 * idle process appends at once, and a stormed one sends few, full records. A record whose fate is unclear is sent
 * again with the same seq, for ever: the projector drops what it has seen.
 *
 * When the process stops here without a word, its lease runs out and the reaper gives its users back. When it only
 * stalled, or Redis lost what it had, the projector fences or ends it; the recorder finds that out with a heartbeat,
 * takes a fresh process id, states all it has and replaces the old one.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { Journal, type Fall } from "./core/journal.ts";
import { keysOf, type ShardKeys } from "./core/keys.ts";
import { encodeRecord, type RecordEntry } from "./core/record.ts";
import { shardOf } from "./core/shard.ts";
import { isBefore } from "./core/stream-id.ts";
import type { ResolvedRecorderOptions } from "./options.ts";
import { type Projector, projectorOver, type StepResult } from "./projector.ts";
import { backoff, type Connection } from "./redis/connect.ts";
import { redisError } from "./redis/errors.ts";
import { type Command, type Reply, ReplyError } from "./redis/port.ts";
import { checkShards } from "./redis/shards.ts";
import { pause } from "./tail.ts";
import { VERSION } from "./version.ts";

export interface RecorderContext {
  readonly connection: Pick<Connection, "port" | "ready" | "reconnectedAt" | "onReconnect">;
  readonly options: ResolvedRecorderOptions;
  /** `io.engine.clientsCount`. */
  readonly connections: () => number;
  /** Told once when appending begins to fail. Must not throw. */
  readonly onError: (error: Error) => void;
}

/** `MAXLEN ~` of the log: a bound for when nobody projects; what falls off heals by fencing. */
const RECORDS_KEPT = 200_000;
/** How long a process that lost Redis folds without reaping, ms (see ProjectorOptions.hold). */
const HOLD_MS = 3_000;
/** Several processes wake for the same deadline: the first that does spares the others, so they spread out, ms. */
const SPREAD_MS = 100;
const LATEST_MS = 2 ** 31 - 1;

export class Recorder {
  readonly #shards: readonly ShardRecorder[];

  constructor(context: RecorderContext) {
    const { options, connection } = context;
    const { port } = connection;
    const projector = options.project
      ? projectorOver(port, { prefix: options.prefix, shards: options.shards })
      : undefined;
    const name = `${hostname().slice(0, 64)}-${process.pid}`;
    const newId = () => `${name}.${randomBytes(6).toString("hex")}`;
    // One id for all shards, until one of them has to register afresh on its own.
    const first = newId();
    this.#shards = Array.from(
      { length: options.shards },
      (_, shard) => new ShardRecorder(shard, first, context, projector, newId),
    );
    connection.onReconnect = () => {
      for (const shard of this.#shards) shard.reconnected();
    };
  }

  connect(user: string): void {
    this.#of(user).journal.connect(user);
    this.#of(user).wake();
  }

  disconnect(user: string, fall: Fall): void {
    this.#of(user).journal.disconnect(user, fall);
    this.#of(user).wake();
  }

  #of(user: string): ShardRecorder {
    return this.#shards[shardOf(user, this.#shards.length)]!;
  }

  /** Process ids of the current incarnation, shard by shard. */
  get processes(): string[] {
    return this.#shards.map((shard) => shard.journal.process);
  }

  /** Entries kept in memory, over all shards: what INV-9 bounds. */
  get size(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.journal.size, 0);
  }

  /** Resolves when every shard has appended its first record. Rejects with SHARDS_MISMATCH. */
  async ready(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.ready));
  }

  /**
   * Appends what is left and says goodbye, within `timeout` ms. Resolves true if every shard did; otherwise the lease
   * runs out by itself. Idempotent.
   */
  async close(timeout: number): Promise<boolean> {
    return (await Promise.all(this.#shards.map((shard) => shard.close(timeout)))).every(Boolean);
  }
}

class ShardRecorder {
  readonly journal: Journal;
  readonly ready: Promise<void>;
  readonly #shard: number;
  readonly #keys: ShardKeys;
  readonly #context: RecorderContext;
  readonly #projector: Projector | undefined;
  readonly #newId: () => string;
  readonly #abort = new AbortController();
  #closing = false;
  #saidBye = false;
  #done: Promise<void>;
  #wake: (() => void) | undefined;
  /** When the last record was appended and the last look at our own registration taken, performance.now() ms. */
  #appendedAt = -Infinity;
  #checkedAt = performance.now();
  /** When a call last failed, performance.now() ms. */
  #failedAt = -Infinity;
  /** When the projector next has something to do, performance.now() ms. */
  #projectAt = -Infinity;
  #lastId = "0-0";
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
      const idle = performance.now() - this.#appendedAt;
      const beats = idle >= heartbeat;
      if (record === undefined && !this.journal.dirty && !beats && !this.#closing) {
        const untilDue = this.#projector === undefined ? LATEST_MS : this.#projectAt - performance.now();
        if (untilDue <= 0) await this.#project();
        else await this.#sleep(Math.min(heartbeat - idle, untilDue));
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
        this.#failedAt = performance.now();
        this.#checkedAt = -Infinity;
        this.#projectAt = -Infinity;
        await pause(backoff(failures), this.#abort.signal);
      }
    }
  }

  /** One round trip: the record, the projector's call if there is something to fold, and now and then a look at our own registration. */
  async #append(record: RecordEntry): Promise<void> {
    const now = performance.now();
    const { heartbeat } = this.#context.options;
    const news =
      record.operations.length > 0 ||
      record.seq === 1 ||
      record.bye === true ||
      record.replaces !== undefined ||
      record.connections !== this.#connections;
    const projects = this.#projector !== undefined && (news || now >= this.#projectAt);
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
    this.#appendedAt = performance.now();
    if (projects) await this.#settle(replies[1]!, step);
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
    this.#failedAt = performance.now();
    this.#projectAt = performance.now() + backoff(10);
  }

  /** When to call the projector next, if nothing happens before. */
  #plan(result: StepResult): void {
    const now = performance.now();
    this.#failing = false;
    this.#clock = result.now - now;
    this.#await(result.due, result.held > 0 ? this.#reapFrom - now : 0);
  }

  #await(due: number | null, least: number): void {
    const now = performance.now();
    const wait =
      due === null ? LATEST_MS : Math.max(due - this.#clock - now, least, 1) + Math.random() * SPREAD_MS;
    this.#projectAt = now + wait;
  }

  /** A deadline has come. Another process may have served it already: one cheap look before the call. */
  async #project(): Promise<void> {
    try {
      await this.#context.connection.ready();
      const step = { reap: performance.now() >= this.#reapFrom };
      if (!Number.isNaN(this.#clock) && this.#projectAt !== -Infinity) {
        const reply = await this.#context.connection.port.call(["HMGET", this.#keys.totals, "due", "ran"]);
        const [due, ran] = (reply as (string | null)[]).map((text) => Number(text ?? -1)) as [number, number];
        // The clock of Redis may have jumped since our last call: it is at least where the last call found it.
        this.#clock = Math.max(this.#clock, ran - performance.now());
        if (due - this.#clock > performance.now()) {
          this.#await(due, 0);
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

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, Math.max(0, Math.min(ms, LATEST_MS)));
      const wake = done;
      function done() {
        clearTimeout(timer);
        resolve();
      }
      this.#wake = wake;
    });
  }

  async close(timeout: number): Promise<boolean> {
    this.#closing = true;
    this.wake();
    const timer = setTimeout(() => {
      this.#abort.abort();
      this.wake();
    }, timeout);
    await this.#done;
    clearTimeout(timer);
    this.#abort.abort();
    return this.#saidBye;
  }
}
