/**
 * The recorder of one shard: a loop that sends one record after the other. How one is sent is in sender.ts, the calls of
 * the projector in projecting.ts, the look at our own registration in registration.ts.
 */
import { hostname } from "node:os";
import { backoff } from "../core/backoff.ts";
import { orInternal } from "../core/errors.ts";
import { type Fall, Journal } from "../core/journal.ts";
import { keysOf } from "../core/keys.ts";
import { HOST_LENGTH_MAX } from "../core/limits.ts";
import type { RecordEntry } from "../core/record.ts";
import { earlier, hasCome, type Moment, waitUntil } from "../core/schedule.ts";
import { VERSION } from "../core/version.ts";
import type { PipelinedProjector } from "../projector/projector.ts";
import { processRuntime, type Runtime } from "../time/runtime.ts";
import type { RecorderContext } from "./context.ts";
import { ShardProjecting } from "./projecting.ts";
import type { Registration } from "./registration.ts";
import { RecordSender } from "./sender.ts";
import { Sleeper } from "./sleeper.ts";

/** Of `linger`: how long operations gather before they are appended. */
const GATHER = 0.4;

export class ShardRecorder {
  readonly journal: Journal;
  /** Resolves when the first record is appended. Rejects with SHARDS_MISMATCH. */
  readonly ready: Promise<void>;
  readonly #shard: number;
  readonly #context: RecorderContext;
  readonly #runtime: Runtime;
  readonly #projecting: ShardProjecting;
  readonly #sender: RecordSender;
  readonly #sleeper: Sleeper;
  readonly #newId: () => string;
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;
  #closing = false;
  #saidBye = false;
  /** Since when operations gather, ms of the runtime. */
  #gathersSince = 0;

  constructor(
    shard: number,
    id: string,
    context: RecorderContext,
    projector: PipelinedProjector | undefined,
    newId: () => string,
  ) {
    const { options, runtime = processRuntime } = context;
    const keys = keysOf(options.prefix, shard, options.shards);
    const { signal } = this.#abort;
    this.#shard = shard;
    this.#context = context;
    this.#runtime = runtime;
    this.#newId = newId;
    this.#sleeper = new Sleeper(runtime);
    this.#projecting = new ShardProjecting({ shard, keys, context, runtime, projector, signal });
    this.#sender = new RecordSender({ keys, context, runtime, projecting: this.#projecting });
    const host = hostname().slice(0, HOST_LENGTH_MAX);
    this.journal = new Journal(id, {
      ttl: options.ttl,
      about: { host, pid: process.pid, version: VERSION, grace: options.grace },
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
    try {
      change();
    } catch (error) {
      // The journal disagrees with the sockets. What it does know is sent in full, under a fresh id.
      this.#context.onError(orInternal(error));
      this.#registerAfresh("in doubt");
    }
    if (!gathered) this.#gathersSince = this.#runtime.now();
    // While operations gather, the loop knows when to wake.
    if (!gathered || this.#appendAt === "now") this.#sleeper.wake();
  }

  /** When to append what no record holds yet. */
  get #appendAt(): Moment {
    const { linger } = this.#context.options;
    if (!this.journal.dirty) return "never";
    return linger === 0 || this.journal.urgent ? "now" : this.#gathersSince + linger * GATHER;
  }

  /** Redis is back, maybe with less than it had: renew the lease and look at our registration at once. */
  reconnected(): void {
    this.#sender.renew();
    this.#projecting.callNow();
    this.#sleeper.wake();
  }

  async #run(started: () => void): Promise<void> {
    let record: RecordEntry | undefined;
    let failures = 0;
    while (!this.#abort.signal.aborted) {
      const now = this.#runtime.now();
      const sendAt = earlier(this.#appendAt, this.#sender.heartbeatAt);
      if (record === undefined && !hasCome(sendAt, now) && !this.#closing) {
        const projectAt = this.#projecting.next;
        if (hasCome(projectAt, now)) await this.#projecting.project();
        else await this.#sleeper.sleep(waitUntil(earlier(sendAt, projectAt), now));
        continue;
      }
      try {
        record ??= this.journal.take({
          connections: this.#shard === 0 ? this.#context.connections() : undefined,
          bye: this.#closing,
        });
        this.#seen(await this.#sender.send(record, this.journal.full));
        if (failures > 0) this.#say("info", `appending again after ${failures} failures`);
        failures = 0;
        this.#saidBye = record.bye === true;
        record = undefined;
        started();
        if (this.#saidBye) return;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        this.#failed(error, failures === 0);
        failures++;
        const pause = backoff(failures, () => this.#runtime.random());
        await this.#sleeper.pause(pause, this.#abort.signal);
      }
    }
  }

  /** Throws SHARDS_MISMATCH, which no retry can help. */
  #failed(error: unknown, isFirst: boolean): void {
    const failure = orInternal(error);
    if (failure.code === "SHARDS_MISMATCH") {
      this.#context.onError(failure);
      throw failure;
    }
    if (isFirst) {
      this.#say("warn", `cannot append: ${failure.message}`);
      this.#context.onError(failure);
    }
    this.#sender.failed();
    this.#projecting.lost(this.#runtime.now());
  }

  #seen(registration: Registration | undefined): void {
    if (registration?.is === "over") this.#registerAfresh(registration.state ?? "gone");
    else if (registration?.is === "believed") this.journal.confirm();
    else if (registration?.is === "unknown") this.#projecting.callNow();
  }

  #registerAfresh(state: string): void {
    const before = this.journal.process;
    this.journal.restate(this.#newId());
    this.#say("info", `${before} is ${state}; registering afresh as ${this.journal.process}`);
  }

  #say(level: "info" | "warn", message: string): void {
    this.#context.options.logger[level](`shard ${this.#shard}: ${message}`);
  }

  /** Appends what is left and says goodbye, within `timeout` ms. Resolves true if it did. Idempotent. */
  async close(timeout: number): Promise<boolean> {
    this.#closing = true;
    this.#sleeper.wake();
    const cancel = this.#runtime.after(timeout, () => {
      this.#abort.abort();
      this.#sleeper.wake();
    });
    await this.#done;
    cancel();
    this.#abort.abort();
    return this.#saidBye;
  }
}
