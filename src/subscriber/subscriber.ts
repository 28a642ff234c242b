/**
 * A durable subscriber: each change is handled at least once, by one process at a time, in order for a user, whatever crashes.
 *
 * Where it stands, who has the turn and how often it was tried are in Redis, under a turn with a fencing token: all that a process does is
 * noted only while its token is the latest one. A process that crashes between handling and noting leaves one delivery to be repeated.
 */
import { OutageLog } from "../core/outage-log.ts";
import type { Reporter } from "../core/outages.ts";
import { PresenceError } from "../core/errors.ts";
import { keysOf, subscriberKeysOf } from "../core/keys.ts";
import { attachTelemetry, type GuardedSink } from "../core/telemetry.ts";
import type { WritePort } from "../redis/port.ts";
import { checkShards } from "../redis/shards.ts";
import { processRuntime, type Runtime } from "../time/runtime.ts";
import { deadLettersOf, type DeadLetters } from "./letters.ts";
import {
  type DeliverOptions,
  type Handle,
  type HandleBatch,
  resolveDeliverOptions,
  type ResolvedSubscriberOptions,
} from "./options.ts";
import { SubscriberScript } from "./script.ts";
import { type RoundReports, ShardSubscriber } from "./shard.ts";

/** What deliver() has done. */
export interface Delivered {
  /** Deliveries that were handled. */
  readonly handled: number;
  /** Whether nothing is left that is due now, and no other process is at work. */
  readonly idle: boolean;
  /** When to call again at the latest, ms from now, for what waits to be tried again; null: nothing does. */
  readonly due: number | null;
  /** Whether it is disabled. */
  readonly disabled: boolean;
}

/** A durable subscriber; any number of processes may serve the same name at the same time. */
export interface Subscriber {
  readonly name: string;
  /**
   * Delivers what is due, then gives the turn back: for scheduled functions. Rejects with PresenceError: REDIS_UNAVAILABLE, PERMISSION,
   * REDIS_TYPE, SHARDS_MISMATCH, LIMIT_EXCEEDED (100 subscribers), OPTIONS_INVALID. A handler that fails makes it not reject. While another call of it, or run(), works on a
   * shard in this process, it leaves that shard alone and is not `idle`.
   *
   *   const { idle } = await subscriber.deliver({ budget: { ms: 20_000 } });
   */
  deliver(options?: DeliverOptions): Promise<Delivered>;
  /** What was given up. */
  readonly deadLetters: DeadLetters;
  /** Delivers again after it was disabled, and what waits at once. Resolves with whether Redis knows it. */
  enable(): Promise<boolean>;
  /**
   * Removes all that Redis keeps of it, dead letters included. End the processes that serve it first: one that goes on begins anew.
   */
  remove(): Promise<void>;
}

export interface SubscriberInternals {
  readonly runtime?: Runtime | undefined;
  /** The clock instead of Redis's, ms. */
  readonly now?: (() => number) | undefined;
  /** The caller's name, unique in the cluster. */
  readonly caller?: string | undefined;
  readonly onError?: ((error: PresenceError) => void) | undefined;
  /** Instead of the option `telemetry`. */
  readonly telemetry?: GuardedSink | undefined;
  /** Whether run() tries again also what somebody has to change first. */
  readonly patient?: boolean | undefined;
}

/** What the loop needs in addition. */
export interface ServedSubscriber {
  readonly subscriber: Subscriber;
  readonly shards: readonly ShardSubscriber[];
  readonly outages: OutageLog;
  open(): Promise<void>;
}

export function subscriberOver(
  port: WritePort,
  handle: Handle | HandleBatch,
  options: ResolvedSubscriberOptions,
  internals: SubscriberInternals = {},
): ServedSubscriber {
  const { name, prefix, shards: count, logger } = options;
  const { runtime = processRuntime, now, caller = crypto.randomUUID(), onError = () => {} } = internals;
  const keys = Array.from({ length: count }, (_, shard) => keysOf(prefix, shard, count));
  const scripts = keys.map((own) => new SubscriberScript(port, own, name, now, options.scopes !== null));
  const outages = new OutageLog({ logger, onError, runtime });
  const telemetry = internals.telemetry ?? telemetryOfSubscriber(options);

  const shards = keys.map((own, shard) => {
    const { known } = subscriberKeysOf(own, name);
    const reports = reportsOf(outages, name, count > 1 ? shard : undefined);
    const script = scripts[shard]!;
    return new ShardSubscriber({
      port, script, shard, known, caller, options, handle, reports, telemetry, runtime,
    }); // prettier-ignore
  });

  let checked = false;
  async function open(): Promise<void> {
    if (checked) return;
    await checkShards((command) => port.call(command), prefix, count);
    checked = true;
  }

  async function deliver(given: DeliverOptions = {}): Promise<Delivered> {
    const budget = resolveDeliverOptions(given);
    const signal = budget.signal ?? new AbortController().signal;
    await open();
    const start = runtime.now();
    const before = scripts.reduce((all, { calls }) => all + calls, 0);
    let handled = 0;
    let runs = 0;
    const spent = () => scripts.reduce((all, { calls }) => all + calls, 0) - before + runs;
    const allowance = {
      signal,
      // Two are kept for noting what is under way and giving the turn back.
      mayGoOn: () =>
        runtime.now() - start < budget.ms && handled < budget.deliveries && spent() + 2 < budget.requests,
      handled(deliveries: number) {
        handled += deliveries;
        runs++;
      },
    };
    let idle = true;
    let disabled = false;
    let due: number | null = null;
    for (const shard of shards) {
      try {
        const { state, ms } = await shard.round(allowance);
        if (state !== "idle") idle = false;
        if (state === "disabled") disabled = true;
        if (state === "wait") due = Math.min(due ?? Infinity, ms);
      } finally {
        await shard.leave();
      }
    }
    return { handled, idle, due, disabled };
  }

  const subscriber: Subscriber = {
    name,
    deliver,
    deadLetters: deadLettersOf(port, keys, name, scripts, open),
    async enable() {
      await open();
      let known = false;
      for (const script of scripts) known = (await script.enable()).number === 1 || known;
      return known;
    },
    async remove() {
      await open();
      for (const script of scripts) await script.remove();
    },
  };
  return { subscriber, shards, outages, open };
}

/** Of a subscriber or webhook. Nothing of it is a level. */
export function telemetryOfSubscriber(
  options: Pick<ResolvedSubscriberOptions, "telemetry" | "prefix" | "logger">,
): GuardedSink | undefined {
  const { telemetry, prefix, logger } = options;
  return attachTelemetry(telemetry, { prefix, levels: () => ({}) }, logger);
}

function reportsOf(outages: OutageLog, name: string, shard: number | undefined): RoundReports {
  const quoted = JSON.stringify(name);
  const reporter: Reporter = {
    name: `subscriber ${name} ${shard ?? 0}`,
    cannot: `cannot deliver to ${quoted}`,
    again: `delivering to ${quoted} again`,
    shard,
  };
  return {
    failed: (error) => outages.failed(reporter, error),
    worked: () => outages.worked(reporter),
    buried: (deliveries) =>
      outages.note(
        `buried ${name}`,
        "warn",
        `${quoted} gave up ${deliveries === 1 ? "a delivery" : `${deliveries} deliveries`}: look at its dead letters`,
        {},
      ),
    disabled: (reason) =>
      outages.failed(
        reporter,
        new PresenceError("SUBSCRIBER_DISABLED", `it is disabled (${reason}); enable() lets it go on`),
      ),
  };
}
