/** The options of a recorder, and their checks. */
import { type KeepsHistory, resolveHistory } from "../core/history.ts";
import { type KeepOptions, resolveKeep } from "../core/keep.ts";
import { KEY_OPTIONS, type KeyOptions, resolveKeyOptions } from "../core/key-options.ts";
import { checkRecordKeys, type RecordKeyOptions } from "../core/mac.ts";
import { PACE_MS, PACE_MS_MAX, TTL_MS, TTL_MS_MAX, TTL_MS_MIN } from "../core/limits.ts";
import {
  boolean,
  invalid,
  type Known,
  type Logger,
  loggerOr,
  refuseUnknown,
  SILENT,
  whole,
} from "../core/options.ts";
import { type ReadMode, readModeOf } from "../projector/options.ts";

export interface RecorderOptions extends KeyOptions, RecordKeyOptions, KeepOptions, KeepsHistory {
  /**
   * The lease: how long a process counts after its last record, ms. 100 to 3,600,000, default 10,000. Users of a crashed
   * process go offline after it; a process that stalls for longer registers again and sends its full state.
   */
  readonly ttl?: number | undefined;
  /**
   * How often an idle process appends a record, ms. 1 to half of `ttl`, default a third of `ttl`. Each heartbeat costs one
   * request to Redis.
   */
  readonly heartbeat?: number | undefined;
  /**
   * How long users stay present after a dropped transport, ms, so that a reload or a tunnel does not flip them offline. 0 to
   * 3,600,000, default 0. It does not apply to a goodbye (`socket.disconnect()`) or to a crashed process.
   */
  readonly grace?: number | undefined;
  /**
   * Whether this process also calls the projector. Default true. If false, nothing becomes visible until another projector
   * runs: createProjector().run(), or a scheduled sweep.
   */
  readonly project?: boolean | undefined;
  /** How the projector reads the log; see ProjectorOptions.read. Default "group". */
  readonly read?: ReadMode | undefined;
  /**
   * How long operations may be gathered before they are visible, ms. A longer time means fewer records and folds, so fewer
   * commands where billing is per command. 0 to `heartbeat`, default 0: visible at once.
   */
  readonly linger?: number | undefined;
  /**
   * Under load, above about 150 operations a second in a shard, one process at a time folds for all, and records are sent together
   * at multiples of this, ms. It is the most latency this adds, and lets one fold serve many records. 0 to 40, default 20. 0
   * turns it off: each process always appends and folds at once. No effect when `linger` is set.
   */
  readonly pace?: number | undefined;
  /**
   * Receives one line when something begins to fail, with its reason, and one when it is over. A logger of pino's or bunyan's shape gets
   * (fields, text), any other, such as `console`, (text, fields). False: silent. Default: the text, to `console`.
   */
  readonly logger?: Logger | false | undefined;
}

export const RECORDER_OPTIONS: Known<RecorderOptions> = {
  ...KEY_OPTIONS,
  ttl: true,
  heartbeat: true,
  grace: true,
  project: true,
  read: true,
  linger: true,
  pace: true,
  keep: true,
  history: true,
  recordKeys: true,
  logger: true,
};

export type ResolvedRecorderOptions = ReturnType<typeof resolveRecorderOptions>;

/** Throws PresenceError OPTIONS_INVALID; where two options contradict each other, the message names both. */
export function resolveRecorderOptions(options: RecorderOptions) {
  refuseUnknown(options, RECORDER_OPTIONS, "a recorder");
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
  return {
    ...resolveKeyOptions(options),
    ttl,
    heartbeat,
    grace: whole("grace", options.grace ?? 0, 0, TTL_MS_MAX),
    project: boolean("project", options.project ?? true),
    read: readModeOf(options.read),
    linger,
    pace: whole("pace", options.pace ?? PACE_MS, 0, PACE_MS_MAX),
    keep: resolveKeep(options.keep),
    history: resolveHistory(options.history),
    recordKeys: checkRecordKeys(options.recordKeys),
    logger: loggerOr(SILENT, options.logger),
  };
}
