/**
 * Options: defaults with their units, checked against each other when something is constructed.
 */
import { PresenceError } from "./errors.ts";
import { TTL_MS_MAX } from "./protocol.ts";

/** Most units of work of one projector call: an operation, a record, a user given back or let out is one each. */
export const BUDGET = 1000;
const PREFIX = "presence";
const TTL_MS = 10_000;
const TTL_MS_MIN = 100;
const STALE_AFTER_MS = 5_000;
const HOLD_MS = 3_000;
const SHARDS_MAX = 1024;

export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** What every part of one presence has to agree on. */
export interface KeyOptions {
  /** Prefix of all keys, without braces. Default `presence`. */
  readonly prefix?: string | undefined;
  /** Over how many shards users are spread. The same for everybody who opens the prefix. Default 1. */
  readonly shards?: number | undefined;
}

export interface ReaderOptions extends KeyOptions {
  /**
   * How long the projector may be overdue before answers are marked stale, ms. Default 5,000, which suits projectors in
   * the nodes or a worker; with a scheduled function alone, its interval and a little.
   */
  readonly staleAfter?: number | undefined;
}

export interface ProjectorOptions extends KeyOptions {
  /** Most units of work of one call, which bounds how long it holds Redis. 100 to 2,000, default 1,000. */
  readonly budget?: number | undefined;
  /**
   * How long a long-running projector that lost Redis folds without reaping, ms: processes that lost it at the same
   * moment get to renew their leases first. Default 3,000; sweeps do not hold.
   */
  readonly hold?: number | undefined;
  /**
   * How a call reads the log: "group", through the consumer group; "range", from its head with XRANGE, for engines that let no
   * script call XREADGROUP; "auto": the first call finds out. Default "group".
   */
  readonly read?: ReadMode | undefined;
  readonly logger?: Logger | undefined;
}

export type ReadMode = "group" | "range" | "auto";

export interface RecorderOptions extends KeyOptions {
  /** How long a process is believed after its last record, ms. 100 to 3,600,000, default 10,000. */
  readonly ttl?: number | undefined;
  /** How often an idle process appends a record all the same, ms. At most half of ttl, default a third. */
  readonly heartbeat?: number | undefined;
  /** How long users stay present after a dropped transport, ms. 0 to 3,600,000, default 0. */
  readonly grace?: number | undefined;
  /** Whether this process also calls the projector. Default true. */
  readonly project?: boolean | undefined;
  /** How it reads the log then; see ProjectorOptions. Default "group". */
  readonly read?: ReadMode | undefined;
  /**
   * How long operations may gather before they are visible, ms: fewer records and folds, which is what a bill by the command
   * counts. 0 to the heartbeat, default 0: visible at once.
   */
  readonly linger?: number | undefined;
  readonly logger?: Logger | undefined;
}

function invalid(message: string): never {
  throw new PresenceError("OPTIONS_INVALID", message);
}

function whole(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    return invalid(`${name} must be a whole number from ${least} to ${most}, got ${String(value)}`);
  }
  return value;
}

function readMode(value: unknown): ReadMode {
  if (value === "group" || value === "range" || value === "auto") return value;
  return invalid(`read must be "group", "range" or "auto", got ${JSON.stringify(value)}`);
}

const silent: Logger = { info() {}, warn() {}, error() {} };

export function resolveKeyOptions({ prefix = PREFIX, shards = 1 }: KeyOptions) {
  if (typeof prefix !== "string" || prefix === "" || prefix.length > 128 || /[{}\s]/.test(prefix)) {
    invalid(
      `prefix must be 1 to 128 characters without braces and white space, got ${JSON.stringify(prefix)}`,
    );
  }
  return { prefix, shards: whole("shards", shards, 1, SHARDS_MAX) };
}

export function resolveReaderOptions(options: ReaderOptions) {
  return {
    ...resolveKeyOptions(options),
    staleAfter: whole("staleAfter", options.staleAfter ?? STALE_AFTER_MS, 0, 86_400_000),
  };
}

export function resolveProjectorOptions(options: ProjectorOptions) {
  return {
    ...resolveKeyOptions(options),
    budget: whole("budget", options.budget ?? BUDGET, 100, 2_000),
    hold: whole("hold", options.hold ?? HOLD_MS, 0, TTL_MS_MAX),
    read: readMode(options.read ?? "group"),
    logger: options.logger ?? silent,
  };
}

export type ResolvedRecorderOptions = ReturnType<typeof resolveRecorderOptions>;

export function resolveRecorderOptions(options: RecorderOptions) {
  const ttl = whole("ttl", options.ttl ?? TTL_MS, TTL_MS_MIN, TTL_MS_MAX);
  const heartbeat = whole("heartbeat", options.heartbeat ?? Math.floor(ttl / 3), 1, TTL_MS_MAX);
  if (heartbeat > ttl / 2) {
    invalid(
      `heartbeat (${heartbeat} ms) must be at most half of ttl (${ttl} ms), so that one lost heartbeat does not end the ` +
        "lease: lower heartbeat or raise ttl",
    );
  }
  const linger = whole("linger", options.linger ?? 0, 0, TTL_MS_MAX);
  if (linger > heartbeat) {
    invalid(
      `linger (${linger} ms) must be at most heartbeat (${heartbeat} ms), since a heartbeat takes along what has gathered: ` +
        "lower linger or raise heartbeat",
    );
  }
  if (options.project !== undefined && typeof options.project !== "boolean")
    invalid("project must be true or false");
  return {
    ...resolveKeyOptions(options),
    ttl,
    heartbeat,
    grace: whole("grace", options.grace ?? 0, 0, TTL_MS_MAX),
    project: options.project ?? true,
    read: readMode(options.read ?? "group"),
    linger,
    logger: options.logger ?? silent,
  };
}
