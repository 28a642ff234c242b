/** A durable subscriber as a loop: woken by the changes and by what is due, with its own connections. */
import { pauseAfter } from "../core/backoff.ts";
import { isFinal, isLasting, PresenceError } from "../core/errors.ts";
import type { Reporter } from "../core/outages.ts";
import { keysOf } from "../core/keys.ts";
import { SILENCE_MS, TIMER_MS_MAX } from "../core/limits.ts";
import { abortSignal, type Known, refuseUnknown } from "../core/options.ts";
import { type Tail, tail } from "../follow/tail.ts";
import { connect, type RedisInput } from "../redis/connect.ts";
import { explained } from "../redis/errors.ts";
import { Bell } from "../time/bell.ts";
import { firstOf } from "../time/first.ts";
import { pause } from "../time/pause.ts";
import type { Handle, HandleBatch, ResolvedSubscriberOptions } from "./options.ts";
import type { ShardSubscriber } from "./shard.ts";
import {
  type Subscriber,
  type SubscriberInternals,
  subscriberOver,
  telemetryOfSubscriber,
} from "./subscriber.ts";

export interface SubscriberRunOptions {
  /** Ends run(). */
  readonly signal?: AbortSignal | undefined;
}

/** A subscriber that can also run by itself: over ioredis, whose connections can block. */
export interface LoopSubscriber extends Subscriber, AsyncDisposable {
  /**
   * Resolves when run() has found that Redis knows the subscriber in every shard: later changes will be delivered, whoever serves it then.
   * Rejects as run() does, and with CLOSED if close() comes first.
   */
  readonly ready: Promise<void>;
  /**
   * Serves the subscriber until the signal fires or close() is called; then resolves. If Redis is lost, it waits for as long as it takes. Rejects
   * with PresenceError: SHARDS_MISMATCH; at its start also PERMISSION, REDIS_TYPE and LIMIT_EXCEEDED; OPTIONS_INVALID; CLOSED after close().
   */
  run(options?: SubscriberRunOptions): Promise<void>;
  /**
   * Ends run() and closes the connections. The handler's signal fires; it is waited for up to 5 s. What is not done by then is repeated by
   * whoever serves the subscriber next. Idempotent.
   */
  close(): Promise<void>;
}

const SERVE_OPTIONS: Known<SubscriberRunOptions> = { signal: true };

export function loopSubscriber(
  redis: RedisInput,
  handle: Handle | HandleBatch,
  options: ResolvedSubscriberOptions,
  internals: SubscriberInternals = {},
): LoopSubscriber {
  const { name, prefix, shards: count, logger, turn } = options;
  const telemetry = internals.telemetry ?? telemetryOfSubscriber(options);
  const onRestored = () => telemetry?.happened("reconnected", { connection: "subscriber" });
  const apart = telemetry?.apart ?? ((call) => call());
  const connection = connect(redis, { timeout: SILENCE_MS, name: "rollcall-subscriber", logger, onRestored });
  const served = subscriberOver(connection.port, handle, options, { ...internals, telemetry });
  const { subscriber, shards, outages } = served;
  const { patient = false } = internals;
  const opening: Reporter = {
    name: `subscriber ${name} opens`,
    cannot: `cannot serve ${JSON.stringify(name)}`,
    again: `serving ${JSON.stringify(name)} again`,
  };
  const begun = shards.map(() => Promise.withResolvers<void>());
  const ready = Promise.all(begun.map(({ promise }) => promise)).then(() => {});
  // Who does not ask for it need not handle it.
  ready.catch(() => {});
  const cannotBegin = (failure: unknown) => begun.forEach(({ reject }) => reject(failure));
  const closing = new AbortController();
  const running = new Set<Promise<void>>();
  const stream = options.scopes === null ? "changes" : "moves";
  const streams = shards.map((_, shard) => keysOf(prefix, shard, count)[stream]);

  /** Wakes the loops of this process when something changes, while it has a turn: the others wait for the turn. */
  class Waker {
    readonly #bells: readonly Bell[];
    #tail: Tail | undefined;
    /** Those that were closed before. */
    #ending: Promise<unknown> = Promise.resolve();

    constructor(bells: readonly Bell[]) {
      this.#bells = bells;
    }

    look(): void {
      const wanted = shards.some(({ isHolder }) => isHolder);
      if (wanted === (this.#tail !== undefined)) return;
      if (!wanted) return void this.close();
      const made = tail({
        redis,
        streams,
        telemetry,
        onEntries: (shard) => this.#bells[shard]!.ring(),
        onState: (error, group) => {
          const reporter: Reporter = {
            name: `subscriber ${name} waits ${group.join(" ")}`,
            cannot: `cannot wait for changes, so ${JSON.stringify(name)} gets them late`,
            again: "waiting for changes again",
            shard: group.length === 1 && count > 1 ? group[0] : undefined,
          };
          if (error === null) outages.worked(reporter);
          else outages.failed(reporter, error);
        },
      });
      this.#tail = made;
      // What came between the last round and the start of the tail wakes nobody.
      void made.ready.then(() => this.#bells.forEach((bell) => bell.ring()));
    }

    async close(): Promise<void> {
      const old = this.#tail;
      this.#tail = undefined;
      this.#ending = Promise.all([this.#ending, old?.close()]);
      await this.#ending;
    }
  }

  async function loop(own: ShardSubscriber, shard: number, bell: Bell, waker: Waker, signal: AbortSignal) {
    const reporter: Reporter = {
      name: `subscriber ${name} asks ${shard}`,
      cannot: `cannot serve ${JSON.stringify(name)}`,
      again: `serving ${JSON.stringify(name)} again`,
      shard: count > 1 ? shard : undefined,
    };
    const allowance = { signal, mayGoOn: () => true, handled() {} };
    let failures = 0;
    let hasWorked = false;
    while (!signal.aborted) {
      try {
        await connection.ready();
        const { state, ms } = await own.round(allowance);
        outages.worked(reporter);
        failures = 0;
        hasWorked = true;
        begun[shard]!.resolve();
        waker.look();
        if (state === "stopped") continue;
        // The turn is renewed in time, and looked for where it was given back.
        const most = turn / 3;
        await bell.sleep(Math.min(state === "held" || state === "wait" ? ms + 1 : most, most, TIMER_MS_MAX));
      } catch (error) {
        if (signal.aborted) return;
        const failure = explained(error, connection);
        const isRefused = isLasting(failure) || failure.code === "LIMIT_EXCEEDED";
        if (isFinal(failure) || (!hasWorked && isRefused && !patient)) throw failure;
        outages.failed(reporter, failure);
        await pause(pauseAfter(failure, ++failures), signal);
      }
    }
  }

  async function serve({ signal: outer }: SubscriberRunOptions): Promise<void> {
    const failed = new AbortController();
    const ended = firstOf(closing.signal, failed.signal, outer);
    const { signal } = ended;
    const bells = shards.map(() => new Bell());
    const ringAll = () => bells.forEach((bell) => bell.ring());
    signal.addEventListener("abort", ringAll);
    connection.onReconnect = ringAll;
    const waker = new Waker(bells);
    try {
      await opened(signal);
      const results = await Promise.allSettled(
        shards.map(async (own, shard) => {
          try {
            await loop(own, shard, bells[shard]!, waker, signal);
          } finally {
            failed.abort();
          }
        }),
      );
      // So that another process does not have to wait for it.
      await Promise.allSettled(shards.map((own) => own.leave()));
      const failure = results.find((result) => result.status === "rejected");
      if (failure !== undefined) throw failure.reason;
    } finally {
      ended.release();
      signal.removeEventListener("abort", ringAll);
      connection.onReconnect = undefined;
      await waker.close();
    }
  }

  /** Waits for Redis as long as it takes. */
  async function opened(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      try {
        await connection.ready();
        await served.open();
        return outages.worked(opening);
      } catch (error) {
        const failure = explained(error, connection);
        if (isFinal(failure) || (isLasting(failure) && !patient)) throw failure;
        outages.failed(opening, failure);
        await pause(pauseAfter(failure, ++failures), signal);
      }
    }
  }

  async function close(): Promise<void> {
    closing.abort();
    cannotBegin(new PresenceError("CLOSED", "this subscriber has been closed"));
    await Promise.allSettled(running);
    connection.close();
    outages.close();
    telemetry?.close();
  }

  return {
    ...subscriber,
    ready,
    async run(serveOptions = {}) {
      refuseUnknown(serveOptions, SERVE_OPTIONS, "run()");
      abortSignal("signal", serveOptions.signal);
      if (closing.signal.aborted) throw new PresenceError("CLOSED", "this subscriber has been closed");
      const promise = apart(() => serve(serveOptions));
      running.add(promise);
      const settled = () => running.delete(promise);
      promise.then(settled, (failure: unknown) => {
        settled();
        cannotBegin(failure);
      });
      return await promise;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
