/** The options of a projector and its methods, and their checks. */
import { checkRecordKeys, type RecordKeyOptions } from "../core/mac.ts";
import { type KeepsHistory, resolveHistory } from "../core/history.ts";
import { type KeepOptions, resolveKeep } from "../core/keep.ts";
import { KEY_OPTIONS, type KeyOptions, resolveKeyOptions } from "../core/key-options.ts";
import {
  BUDGET,
  BUDGET_MAX,
  BUDGET_MIN,
  HOLD_MS,
  SWEEP_MS,
  SWEEP_MS_MAX,
  SWEEP_REQUESTS,
  SWEEP_REQUESTS_MAX,
  TTL_MS_MAX,
} from "../core/limits.ts";
import {
  abortSignal,
  boolean,
  callable,
  type Known,
  type Logger,
  loggerOr,
  oneOf,
  refuseUnknown,
  whole,
} from "../core/options.ts";
import { type GuardedSink, resolveTelemetry, type TelemetryOptions } from "../core/telemetry.ts";
import { CONSOLE } from "../time/console.ts";
import type { PresenceErrorCode } from "../core/errors.ts";
import type { StepResult } from "./call.ts";

/** How a call reads the log; see ProjectorOptions.read. */
export const READ_MODES = ["group", "range", "auto"] as const;
export type ReadMode = (typeof READ_MODES)[number];

export interface ProjectorOptions
  extends KeyOptions, RecordKeyOptions, KeepOptions, KeepsHistory, TelemetryOptions {
  /**
   * Approximate limit on units of work per call of the script: an operation, a record, or a user checked or removed is one
   * each. It bounds how long one call blocks Redis (1,000: about 2 ms). 100 to 2,000, default 1,000.
   */
  readonly budget?: number | undefined;
  /**
   * How long run() folds without reaping after it lost Redis, ms, so that processes which lost it at the same moment can renew
   * their leases first. 0 to 3,600,000, default 3,000. With a longer hold, users of a process that crashed during an outage
   * stay present longer. step() and sweep() do not hold.
   */
  readonly hold?: number | undefined;
  /**
   * How a call reads the log. "group": through the consumer group. "range": from its head with XRANGE, for engines that do not
   * let scripts call XREADGROUP (Upstash). "auto": the first call finds out. Default "group", which rejects with READ_REFUSED
   * on such an engine. Both may be used on one prefix at the same time.
   */
  readonly read?: ReadMode | undefined;
  /**
   * Receives one line when run() begins to fail, with the reason, and one when it works again; see RecorderOptions.logger. False:
   * silent. Default: the text, to `console`.
   */
  readonly logger?: Logger | false | undefined;
}

const PROJECTOR_OPTIONS: Known<ProjectorOptions> = {
  ...KEY_OPTIONS,
  budget: true,
  hold: true,
  read: true,
  keep: true,
  history: true,
  recordKeys: true,
  logger: true,
  telemetry: true,
};

/** The option names of createProjector(). */
export const PROJECTOR_INPUT = { redis: true, ...PROJECTOR_OPTIONS } as const;

/** For tests and, `repeated`, for scheduled functions; not for applications. */
export interface ProjectorInternals {
  /** How many requests the client has retried so far: they count against a sweep's budget. */
  readonly repeated?: (() => number) | undefined;
  /** The clock of this machine, ms. */
  readonly clock?: (() => number) | undefined;
  /** The clock to use instead of Redis's, ms. */
  readonly now?: (() => number) | undefined;
  /** The caller's name, for the turn (pace). Default: none, and no turn is taken. */
  readonly caller?: string | undefined;
  /** Instead of the option `telemetry`. */
  readonly telemetry?: GuardedSink | undefined;
}

export function readModeOf(read: ReadMode = "group"): ReadMode {
  return oneOf("read", read, READ_MODES);
}

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveProjectorOptions(options: ProjectorOptions) {
  refuseUnknown(options, PROJECTOR_OPTIONS, "a projector");
  return {
    ...resolveKeyOptions(options),
    budget: whole("budget", options.budget ?? BUDGET, BUDGET_MIN, BUDGET_MAX),
    hold: whole("hold", options.hold ?? HOLD_MS, 0, TTL_MS_MAX),
    read: readModeOf(options.read),
    keep: resolveKeep(options.keep),
    history: resolveHistory(options.history),
    recordKeys: checkRecordKeys(options.recordKeys),
    logger: loggerOr(CONSOLE, options.logger),
    telemetry: resolveTelemetry(options.telemetry),
  };
}

export interface StepOptions {
  /** Whether expired leases may be reaped and graces may end. False for a while after Redis was lost. Default true. */
  readonly reap?: boolean | undefined;
  /** Run the level check in this call, not only once a second. Default false. */
  readonly check?: boolean | undefined;
}

const STEP_OPTIONS: Known<StepOptions> = { reap: true, check: true };

export function resolveStepOptions(options: StepOptions) {
  refuseUnknown(options, STEP_OPTIONS, "step()");
  return { reap: boolean("reap", options.reap ?? true), check: boolean("check", options.check ?? false) };
}

/** The budget of a sweep. */
export interface SweepBudget {
  /**
   * Most requests to Redis, over all shards. A request carries up to 512 calls of the script. The last step may take a few
   * more than are left, when the server did not know the script or the client asked twice. 1 to 1,000,000, default 1,000.
   */
  readonly requests?: number | undefined;
  /** No request starts later than this after the sweep began, ms. 0 to 86,400,000, default 30,000. */
  readonly ms?: number | undefined;
}

export interface SweepOptions {
  /** Where it stops. The summary says what is left, and the next sweep continues. */
  readonly budget?: SweepBudget | undefined;
  /** Ends it before its next request. It then resolves as when the budget ran out. */
  readonly signal?: AbortSignal | undefined;
}

const SWEEP_OPTIONS: Known<SweepOptions> = { budget: true, signal: true };
const SWEEP_BUDGET: Known<SweepBudget> = { requests: true, ms: true };

export function resolveSweepOptions(options: SweepOptions) {
  refuseUnknown(options, SWEEP_OPTIONS, "sweep()");
  const { budget = {}, signal } = options;
  refuseUnknown(budget, SWEEP_BUDGET, "sweep()", "budget");
  return {
    requests: whole("budget.requests", budget.requests ?? SWEEP_REQUESTS, 1, SWEEP_REQUESTS_MAX),
    ms: whole("budget.ms", budget.ms ?? SWEEP_MS, 0, SWEEP_MS_MAX),
    signal: abortSignal("signal", signal),
  };
}

export interface VerifyOptions {
  /**
   * Whether to correct differences. A user who comes or goes by a correction is in `changes`, with the cause `repair`.
   * Default false: it only reports.
   */
  readonly repair?: boolean | undefined;
  /** Ends it between two calls; returns what was found so far, with `complete: false`. */
  readonly signal?: AbortSignal | undefined;
}

const VERIFY_OPTIONS: Known<VerifyOptions> = { repair: true, signal: true };

export function resolveVerifyOptions(options: VerifyOptions) {
  refuseUnknown(options, VERIFY_OPTIONS, "verify()");
  return {
    repair: boolean("repair", options.repair ?? false),
    signal: abortSignal("signal", options.signal),
  };
}

export interface RunOptions {
  /** Ends it between two calls; run() then resolves. Default: it runs until close(). */
  readonly signal?: AbortSignal | undefined;
  /** Called after each step that did something, with its result and its shard, for logs and metrics. An error it throws is logged. */
  readonly onStep?: ((result: StepResult, shard: number) => void) | undefined;
  /** Called after each turn of a shard's loop, also one that did nothing or failed, for health checks. An error it throws is logged. */
  readonly onTurn?: ((turn: Turn) => void) | undefined;
}

/** One turn of the loop of a shard: a call of the script, or what kept it from being made. */
export interface Turn {
  readonly shard: number;
  /** null: it failed. */
  readonly result: StepResult | null;
  /** null: it worked. */
  readonly failure: PresenceErrorCode | null;
  /** The latest time of the next turn, ms from now. It comes earlier when there is something to do. */
  readonly next: number;
}

const RUN_OPTIONS: Known<RunOptions> = { signal: true, onStep: true, onTurn: true };

export function resolveRunOptions(options: RunOptions): RunOptions {
  refuseUnknown(options, RUN_OPTIONS, "run()");
  abortSignal("signal", options.signal);
  if (options.onStep !== undefined) callable("onStep", options.onStep);
  if (options.onTurn !== undefined) callable("onTurn", options.onTurn);
  return options;
}
