/**
 * The projector as a loop: woken by the log and by the next deadline, never by polling.
 *
 * A loop sleeps until a record arrives or a deadline passes. Any number of loops may run, in any processes: the first that
 * wakes does the work, and the others find nothing left.
 */
import { pauseAfter } from "../core/backoff.ts";
import { isFinal, isLasting, listenerFailed, PresenceError } from "../core/errors.ts";
import { OutageLog } from "../core/outage-log.ts";
import type { Reporter } from "../core/outages.ts";
import { keysOf } from "../core/keys.ts";
import { LISTENER_QUIET_MS, SILENCE_MS, SOONEST_MS } from "../core/limits.ts";
import { Schedule, waitUntil } from "../core/schedule.ts";
import { attachTelemetry } from "../core/telemetry.ts";
import {
  type ProjectorOptions,
  resolveProjectorOptions,
  resolveRunOptions,
  type RunOptions,
} from "./options.ts";
import { pipelinedProjectorOver, type Projector } from "./projector.ts";
import { connect, type RedisInput } from "../redis/connect.ts";
import { Bell } from "../time/bell.ts";
import { firstOf } from "../time/first.ts";
import { pause } from "../time/pause.ts";
import { explained } from "../redis/errors.ts";
import { processRuntime } from "../time/runtime.ts";
import { tail } from "../follow/tail.ts";

/** A projector that can also run by itself: over ioredis, whose connections can block. */
export interface LoopProjector extends Projector {
  /**
   * Projects until the signal fires or close() is called; then resolves. If Redis is lost, it waits for as long as it takes.
   * Rejects with PresenceError: SHARDS_MISMATCH and RECORD_KEYS_MISMATCH, since waiting does not help; at its start, before the first
   * call has worked, also PERMISSION, VERSION_MISMATCH, READ_REFUSED and REDIS_TYPE. One that has worked logs these once, retries every
   * 15 to 30 s and goes on when the reason is gone. OPTIONS_INVALID; CLOSED after close().
   */
  run(options?: RunOptions): Promise<void>;
  /** Ends run() between two calls and closes the connections. Idempotent. */
  close(): Promise<void>;
  /** close(), for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A projector with its own connections, from a redis:// URL, an ioredis client or Cluster.
 * Throws PresenceError OPTIONS_INVALID.
 */
export function loopProjector(redis: RedisInput, options: ProjectorOptions): LoopProjector {
  const resolved = resolveProjectorOptions(options);
  const { prefix, shards, hold, logger } = resolved;
  const source = { prefix, levels: () => ({ lag: pipelined.lag }) };
  const telemetry = attachTelemetry(resolved.telemetry, source, logger);
  const onRestored = () => telemetry?.happened("reconnected", { connection: "projector" });
  const connection = connect(redis, { timeout: SILENCE_MS, name: "rollcall-projector", logger, onRestored });
  const pipelined = pipelinedProjectorOver(connection.port, options, { telemetry });
  const { projector } = pipelined;
  const closing = new AbortController();
  const running = new Set<Promise<void>>();
  const outages = new OutageLog({ logger, onError() {}, runtime: processRuntime });

  async function loop(
    shard: number,
    bell: Bell,
    signal: AbortSignal,
    { onStep, onTurn }: RunOptions,
  ): Promise<void> {
    const tell = (name: string, call: () => void) => {
      try {
        call();
      } catch (cause) {
        const failing: Reporter = { name, cannot: `${name} fails`, again: `${name} no longer fails` };
        outages.occurred(name, failing, listenerFailed(name, "threw", cause), LISTENER_QUIET_MS);
      }
    };
    const schedule = new Schedule({ hold, soonest: SOONEST_MS, spread: 0 });
    const reporter: Reporter = {
      name: `project ${shard}`,
      cannot: "cannot project",
      again: "projecting again",
      shard: shards > 1 ? shard : undefined,
    };
    let failures = 0;
    let state: string | undefined;
    let hasWorked = false;
    while (!signal.aborted) {
      try {
        // Decide once Redis is connected: a decision made before waiting for it could be out of date.
        await connection.ready();
        schedule.lost(connection.reconnectedAt);
        const result = await projector.step(shard, { reap: schedule.mayReap(performance.now()) });
        outages.worked(reporter);
        failures = 0;
        state = undefined;
        hasWorked = true;
        if (result.records + result.givenBack + result.changes > 0)
          tell("onStep", () => onStep?.(result, shard));
        const now = performance.now();
        if (!result.more) schedule.answered(result, now, 0);
        const next = result.more ? 0 : waitUntil(schedule.next, now);
        tell("onTurn", () => onTurn?.({ shard, result, failure: null, next }));
        if (result.more) continue;
        await bell.sleep(next);
      } catch (error) {
        if (signal.aborted) return;
        const failure = explained(error, connection);
        const isOver = isFinal(failure) || failure.code === "RECORD_KEYS_MISMATCH";
        if (isOver || (!hasWorked && isLasting(failure))) throw failure;
        outages.failed(reporter, failure);
        if (failure.code !== state && state !== undefined && isLasting(failure)) failures = 0;
        state = failure.code;
        failures++;
        const next = pauseAfter(failure, failures);
        tell("onTurn", () => onTurn?.({ shard, result: null, failure: failure.code, next }));
        await pause(next, signal);
        schedule.lost(performance.now());
      }
    }
  }

  /** While it fails, records do not wake the loops; deadlines still do. */
  function waits(error: PresenceError | null, group: readonly number[]): void {
    const reporter: Reporter = {
      name: `wait ${group.join(" ")}`,
      cannot: "cannot wait for records, so they are folded late",
      again: "waiting for records again",
      shard: group.length === 1 && shards > 1 ? group[0] : undefined,
    };
    if (error === null) outages.worked(reporter);
    else outages.failed(reporter, error);
  }

  async function project({ signal: outer, ...told }: RunOptions): Promise<void> {
    const failed = new AbortController();
    const ended = firstOf(closing.signal, failed.signal, outer);
    const { signal } = ended;
    const bells = Array.from({ length: shards }, () => new Bell());
    const ringAll = () => bells.forEach((bell) => bell.ring());
    signal.addEventListener("abort", ringAll);
    // Redis may be back with old leases, and no process left that appends.
    connection.onReconnect = ringAll;
    // From now on: the first step of each loop folds what is already there.
    const records = tail({
      redis,
      telemetry,
      streams: bells.map((_, shard) => keysOf(prefix, shard, shards).records),
      onEntries: (shard) => bells[shard]!.ring(),
      onState: (error, group) => waits(error, group),
    });
    try {
      const loops = bells.map(async (bell, shard) => {
        try {
          await loop(shard, bell, signal, told);
        } finally {
          failed.abort();
        }
      });
      // Otherwise entries between a loop's first step and the tail's start would wake no loop.
      void records.ready.then(ringAll);
      const results = await Promise.allSettled(loops);
      const failure = results.find((result) => result.status === "rejected");
      if (failure !== undefined) throw failure.reason;
    } finally {
      ended.release();
      signal.removeEventListener("abort", ringAll);
      connection.onReconnect = undefined;
      await records.close();
    }
  }

  const apart = telemetry?.apart ?? ((call) => call());

  async function close(): Promise<void> {
    closing.abort();
    await Promise.allSettled(running);
    connection.close();
    outages.close();
    telemetry?.close();
  }

  return {
    ...projector,
    async run(runOptions = {}) {
      resolveRunOptions(runOptions);
      if (closing.signal.aborted) throw new PresenceError("CLOSED", "this projector has been closed");
      const promise = apart(() => project(runOptions));
      running.add(promise);
      const settled = () => running.delete(promise);
      promise.then(settled, settled);
      return await promise;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
