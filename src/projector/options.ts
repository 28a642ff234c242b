/** What a projector and its methods can be told, and the checks of it. */
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
  SILENT,
  whole,
} from "../core/options.ts";
import type { StepResult } from "./call.ts";

/** Who reads the log; see ProjectorOptions.read. */
export const READ_MODES = ["script", "client", "auto"] as const;
export type ReadMode = (typeof READ_MODES)[number];

export interface ProjectorOptions extends KeyOptions {
  /**
   * Most units of work of one call of the script: an operation, a record, a user given back or let out is one each. It
   * bounds how long one call holds Redis (3,000: about 3 ms). 200 to 100,000, default 3,000.
   */
  readonly budget?: number | undefined;
  /**
   * How long run() folds without reaping after it lost Redis, ms: processes that lost it at the same moment get to renew
   * their leases first. 0 to 3,600,000, default 3,000. A longer hold makes the users of a process that crashed during an
   * outage stay present longer. step() and sweep() do not hold.
   */
  readonly hold?: number | undefined;
  /**
   * Who reads the log. "script": the script that folds it, so that the data never leaves Redis. "client": for engines that
   * let no script call XREADGROUP (Upstash); this process reads and passes on, in turns with others. "auto": the first call
   * finds out. Default "script", which rejects with READ_REFUSED on such an engine.
   */
  readonly read?: ReadMode | undefined;
  /** Told when run() begins to fail and when it works again; `console` will do. Default: silent. */
  readonly logger?: Logger | undefined;
}

const PROJECTOR_OPTIONS: Known<ProjectorOptions> = {
  ...KEY_OPTIONS,
  budget: true,
  hold: true,
  read: true,
  logger: true,
};

/** With `redis`: what createProjector() takes. */
export const PROJECTOR_INPUT = { redis: true, ...PROJECTOR_OPTIONS } as const;

/** What tests bring, and `repeated` what a function does: not for applications. */
export interface ProjectorInternals {
  /** How many requests the client has sent again so far: those that a sweep may make are counted with them. */
  readonly repeated?: (() => number) | undefined;
  /** The clock of this machine, ms. */
  readonly clock?: (() => number) | undefined;
  /** The clock to go by instead of that of Redis, ms. */
  readonly now?: (() => number) | undefined;
  /** Entries of one read in client-read mode, 1 to 1,000; undefined: as many as prove to fit the budget. */
  readonly batch?: number | undefined;
  /** Whose turns ours are in client-read mode. Two of one name share their turns. */
  readonly name?: string | undefined;
}

export function readModeOf(read: ReadMode = "script"): ReadMode {
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
    logger: loggerOr(SILENT, options.logger),
  };
}

export interface StepOptions {
  /** May expired leases be reaped, and graces end? False for a while after Redis was lost. Default true. */
  readonly reap?: boolean | undefined;
}

const STEP_OPTIONS: Known<StepOptions> = { reap: true };

export function resolveStepOptions(options: StepOptions) {
  refuseUnknown(options, STEP_OPTIONS, "step()");
  return { reap: boolean("reap", options.reap ?? true) };
}

/** What a sweep may use up. */
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
  /** Where it stops. What is left then is told in the summary, and the next sweep takes it up. */
  readonly budget?: SweepBudget | undefined;
  /** Ends it before its next request. It resolves then as when the budget ends. */
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
   * Whether to correct what differs. A user who thereby comes or goes is told in `changes`, with the cause `repair`.
   * Default false: it only reports.
   */
  readonly repair?: boolean | undefined;
  /** Ends it between two calls; what was found until then is returned, with `complete: false`. */
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
  /** Called after each step that did something, with its result and its shard, for logs and metrics. If it throws, that is logged. */
  readonly onStep?: ((result: StepResult, shard: number) => void) | undefined;
}

const RUN_OPTIONS: Known<RunOptions> = { signal: true, onStep: true };

export function resolveRunOptions(options: RunOptions): RunOptions {
  refuseUnknown(options, RUN_OPTIONS, "run()");
  abortSignal("signal", options.signal);
  if (options.onStep !== undefined) callable("onStep", options.onStep);
  return options;
}
