/**
 * The recorder of one shard: a loop that sends one record after another. sender.ts sends a record, projecting.ts calls the
 * projector, registration.ts checks this process's registration.
 */
import { hostname } from "node:os";
import { pauseAfter } from "../core/backoff.ts";
import { isFinal, isLasting, orInternal, PresenceError } from "../core/errors.ts";
import { type Departure, Journal } from "../core/journal.ts";
import { keysOf } from "../core/keys.ts";
import { HOST_LENGTH_MAX } from "../core/limits.ts";
import type { Reporter } from "../core/outages.ts";
import type { RecordEntry } from "../core/record.ts";
import { earlier, hasCome, type Moment, waitUntil } from "../core/schedule.ts";
import type { GuardedOperation, RegistrationReason } from "../core/telemetry.ts";
import { VERSION } from "../core/version.ts";
import { processRuntime, type Runtime } from "../time/runtime.ts";
import { explained } from "../redis/errors.ts";
import type { SharedContext } from "./context.ts";
import { type RecordersProjector, ShardProjecting } from "./projecting.ts";
import type { Registration } from "./registration.ts";
import { RecordSender } from "./sender.ts";
import { Sleeper } from "./sleeper.ts";

/** As a part of `linger`: how long operations gather before they are appended. */
const GATHER = 0.4;
/** How long what befalls several shards, or one again and again, is one line, ms. */
const DOUBT_MS = 30_000;
const IN_DOUBT: Reporter = { name: "journal", cannot: "registering again", again: "no more doubt" };

export class ShardRecorder {
  readonly journal: Journal;
  readonly #shard: number;
  readonly #context: SharedContext;
  readonly #reporter: Reporter;
  readonly #runtime: Runtime;
  readonly #projecting: ShardProjecting;
  readonly #sender: RecordSender;
  readonly #sleeper: Sleeper;
  readonly #newId: () => string;
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;
  readonly #aborted = Promise.withResolvers<void>();
  #ready = Promise.withResolvers<void>();
  #hasRefused = false;
  #isStarted = false;
  /** A pause that lasts has lost its reason: Redis is back, or we are closing. */
  #hurried = false;
  #closing = false;
  #saidBye = false;
  /** Until when operations gather, ms of the runtime: a part of `linger`, or the next beat. */
  #leaveAt = 0;
  /** Whoever watches records waits for one since a socket connected, also if a departure has cancelled that. */
  #isAwaited = false;
  /** A record was made, and its outcome is not known yet. */
  #isInFlight = false;
  /** Until the full state is appended. */
  #registering: GuardedOperation<"register"> | undefined;

  constructor(
    shard: number,
    id: string,
    context: SharedContext,
    projector: RecordersProjector | undefined,
    newId: () => string,
  ) {
    const { options, runtime = processRuntime } = context;
    const keys = keysOf(options.prefix, shard, options.shards);
    const { signal } = this.#abort;
    this.#shard = shard;
    this.#reporter = {
      name: `append ${shard}`,
      cannot: "cannot append",
      again: "appending again",
      shard: options.shards > 1 ? shard : undefined,
    };
    this.#context = context;
    this.#runtime = runtime;
    this.#newId = newId;
    this.#sleeper = new Sleeper(runtime);
    this.#projecting = new ShardProjecting({
      shard, keys, context, runtime, projector, signal,
      onRebuilt: () => this.#rebuilt(),
      onUnheard: () => this.#sender.renew(),
    }); // prettier-ignore
    this.#sender = new RecordSender({
      shard, keys, context, runtime,
      projecting: this.#projecting,
      onAppended: (entry) => context.records?.appended(shard, entry),
    }); // prettier-ignore
    const host = hostname().slice(0, HOST_LENGTH_MAX);
    this.journal = new Journal(id, {
      ttl: options.ttl,
      about: { host, pid: process.pid, version: VERSION, grace: options.grace, tracks: context.tracks },
      ids: context.ids,
    });
    this.#ready.promise.catch(() => {});
    signal.addEventListener("abort", () => this.#aborted.resolve());
    this.#registers("start");
    this.#done = this.#run().catch((error: unknown) => this.#ready.reject(error));
  }

  /**
   * Resolves when the first record is appended. Rejects with SHARDS_MISMATCH, and with what lasts until somebody changes something
   * (PERMISSION, REDIS_TYPE). Of these attempts go on: once one succeeds, it is a promise that has resolved.
   */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get isInFlight(): boolean {
    return this.#isInFlight;
  }

  connect(user: string): void {
    const gathered = this.journal.dirty;
    this.journal.connect(user);
    this.#isAwaited = this.#context.records !== undefined;
    this.#noted(gathered);
  }

  disconnect(user: string, departure: Departure): void {
    const gathered = this.journal.dirty;
    if (!this.journal.disconnect(user, departure))
      this.#doubt("a socket disconnected that had not connected");
    this.#noted(gathered);
  }

  /** Does nothing where no scopes are tracked. */
  join(scope: string, user: string): void {
    const gathered = this.journal.dirty;
    if (this.journal.join(scope, user)) this.#noted(gathered);
  }

  /** Does nothing where no scopes are tracked. */
  part(scope: string, user: string, departure: Departure): void {
    if (this.#context.tracks === undefined) return;
    const gathered = this.journal.dirty;
    if (!this.journal.part(scope, user, departure))
      this.#doubt("a socket left a scope that it had not joined");
    this.#noted(gathered);
  }

  /** Does nothing where ids are not kept. */
  opened(id: string, user: string, scopes: Iterable<string>): void {
    const gathered = this.journal.dirty;
    if (this.journal.opened(id, user, scopes)) this.#noted(gathered);
  }

  /** Does nothing where ids are not kept. */
  gone(id: string): void {
    const gathered = this.journal.dirty;
    if (this.journal.gone(id)) this.#noted(gathered);
  }

  /** The journal disagrees with the sockets. Send its full state under a new id. */
  #doubt(why: string): void {
    const failure = orInternal(new Error(why));
    this.#context.outages.occurred("journal in doubt", IN_DOUBT, failure, DOUBT_MS);
    this.#registerAfresh("in doubt", "doubt");
  }

  /** `gathered`: whether anything was pending before. */
  #noted(gathered: boolean): void {
    if (!gathered) {
      const { linger } = this.#context.options;
      const now = this.#runtime.now();
      this.#leaveAt = now + (linger > 0 ? linger * GATHER : this.#projecting.pace.untilAppend(now));
    }
    // While operations gather, the loop knows when to wake.
    if (!gathered || this.#appendAt === "now") this.#sleeper.wake();
  }

  /** When to append the pending operations. */
  get #appendAt(): Moment {
    if (!this.journal.dirty) return "never";
    return this.journal.urgent ? "now" : this.#leaveAt;
  }

  get #heartbeatAt(): Moment {
    return this.#isAwaited && !this.journal.dirty ? "now" : this.#sender.heartbeatAt;
  }

  /** Redis is back and may have lost data: renew the lease and check the registration at once. */
  reconnected(): void {
    this.#sender.renew();
    this.#projecting.reconnected();
    this.#hurried = true;
    this.#sleeper.wake();
  }

  async #run(): Promise<void> {
    let record: RecordEntry | undefined;
    let failures = 0;
    while (!this.#abort.signal.aborted) {
      const now = this.#runtime.now();
      const sendAt = earlier(this.#appendAt, this.#heartbeatAt);
      if (record === undefined && !hasCome(sendAt, now) && !this.#closing) {
        const projectAt = this.#projecting.next;
        if (hasCome(projectAt, now)) await this.#projecting.project();
        else await this.#sleeper.sleep(waitUntil(earlier(sendAt, projectAt), now));
        continue;
      }
      try {
        record ??= this.#take();
        this.#seen(await this.#sender.send(record, this.journal.dirty || this.#closing));
        this.#context.outages.worked(this.#reporter);
        failures = 0;
        this.#saidBye = record.bye === true;
        record = undefined;
        this.#isInFlight = false;
        this.#started();
        if (this.#saidBye) return;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        const failure = this.#failed(error);
        failures++;
        await this.#pause(failure, failures);
      }
    }
  }

  #take(): RecordEntry {
    this.#isAwaited = false;
    const record = this.journal.take({
      connections: this.#shard === 0 ? this.#context.connections() : undefined,
      bye: this.#closing,
    });
    this.#context.records?.taken(this.#shard);
    this.#isInFlight = true;
    return record;
  }

  /** The first record is appended. A promise that was rejected before stays so; who asks now gets another. */
  #started(): void {
    if (this.#hasRefused) this.#ready = Promise.withResolvers();
    this.#hasRefused = false;
    this.#isStarted = true;
    this.#ready.resolve();
    if (this.journal.restating || this.journal.seq === 0) return;
    this.#registering?.done({});
    this.#registering = undefined;
  }

  async #pause(failure: PresenceError, failures: number): Promise<void> {
    const ms = pauseAfter(failure, failures, () => this.#runtime.random());
    const { signal } = this.#abort;
    if (!isLasting(failure)) return this.#sleeper.pause(ms, signal);
    this.#hurried = false;
    const until = this.#runtime.now() + ms;
    while (!signal.aborted && !this.#hurried && this.#runtime.now() < until)
      await this.#sleeper.sleep(until - this.#runtime.now());
  }

  /**
   * Throws SHARDS_MISMATCH, and at the start RECORD_KEYS_MISMATCH, which a retry cannot fix. Later, another process may have been
   * the first after a flush, and this one goes on as soon as the keys agree again.
   */
  #failed(error: unknown): PresenceError {
    const failure = explained(error, this.#context.connection);
    const isKeys = failure.code === "RECORD_KEYS_MISMATCH" && !this.#isStarted;
    this.#context.outages.failed(this.#reporter, failure);
    if (isFinal(failure) || isKeys) throw failure;
    if (isLasting(failure) && !this.#isStarted) {
      this.#hasRefused = true;
      this.#ready.reject(failure);
    }
    this.#sender.failed();
    this.#projecting.lost(this.#runtime.now());
    return failure;
  }

  #seen(registration: Registration | undefined): void {
    if (registration?.is === "over") {
      const state =
        registration.state === "fenced" || registration.state === "ended" ? registration.state : "gone";
      this.#registerAfresh(registration.state ?? "gone", state);
    } else if (registration?.is === "believed") this.journal.confirm(registration.seq);
    else if (registration?.is === "unknown") this.#projecting.callNow();
  }

  #rebuilt(): void {
    this.#say("warn", "rebuilt", "the projection was rebuilt, because its parts did not agree");
    this.#sender.renew();
    this.#sleeper.wake();
  }

  #registers(reason: RegistrationReason): void {
    const { telemetry } = this.#context;
    const shard = this.#shard;
    this.#registering = telemetry?.apart(() => telemetry.begin("register", { shard, reason }));
  }

  #registerAfresh(state: string, reason: RegistrationReason): void {
    this.#registers(reason);
    this.#projecting.pace.reset();
    const before = this.journal.process;
    this.journal.restate(this.#newId());
    this.#say("info", "again", `${before} is ${state}; registering again as ${this.journal.process}`);
  }

  /** What befalls all shards at once is one line. */
  #say(level: "info" | "warn", kind: string, message: string): void {
    this.#context.outages.note(kind, level, message, { process: this.journal.process });
  }

  /** Appends pending operations and the departure of every open socket, and says goodbye, within `timeout` ms. Resolves true if it did. Idempotent. */
  async close(timeout: number): Promise<boolean> {
    this.#closing = true;
    this.#hurried = true;
    this.#sleeper.wake();
    const cancel = this.#runtime.after(timeout, () => {
      this.#abort.abort();
      this.#sleeper.wake();
    });
    // Nothing was ever sent, so nothing is there that a goodbye could end.
    if (this.#context.connection.wasUsable === false) this.#abort.abort();
    // What still waits for a connection ends when that is closed.
    await Promise.race([this.#done, this.#aborted.promise]);
    cancel();
    this.#abort.abort();
    this.#ready.reject(new PresenceError("CLOSED", "closed before this process was registered"));
    return this.#saidBye;
  }
}
