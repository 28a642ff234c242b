/** What a recorder can be told, and the checks of it. */
import { KEY_OPTIONS, type KeyOptions, resolveKeyOptions } from "../core/key-options.ts";
import { TTL_MS, TTL_MS_MAX, TTL_MS_MIN } from "../core/limits.ts";
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

export interface RecorderOptions extends KeyOptions {
  /**
   * How long a process is believed after its last record, ms. 100 to 3,600,000, default 10,000. So long after a crash its
   * users go offline; a process that stalls for longer registers again and sends its full state.
   */
  readonly ttl?: number | undefined;
  /**
   * How often an idle process appends a record all the same, ms. 1 to half of `ttl`, default a third of it. Each costs one
   * request to Redis.
   */
  readonly heartbeat?: number | undefined;
  /**
   * How long users stay present after a dropped transport, ms, so that a reload or a tunnel is no change. 0 to 3,600,000,
   * default 0. It does not apply to a goodbye (`socket.disconnect()`) nor to a process that crashed.
   */
  readonly grace?: number | undefined;
  /**
   * Whether this process also calls the projector. Default true. With false nothing becomes visible until a projector of
   * your own runs: createProjector().run(), or a scheduled sweep.
   */
  readonly project?: boolean | undefined;
  /** Who reads the log, where this process projects; see ProjectorOptions.read. Default "group". */
  readonly read?: ReadMode | undefined;
  /**
   * How long operations may gather before they are visible, ms: fewer records and folds, which is what per-command billing
   * counts. 0 to `heartbeat`, default 0: visible at once.
   */
  readonly linger?: number | undefined;
  /** Told when appending or projecting begins to fail, and when it works again. Default: `console`, without `info`. */
  readonly logger?: Logger | undefined;
}

export const RECORDER_OPTIONS: Known<RecorderOptions> = {
  ...KEY_OPTIONS,
  ttl: true,
  heartbeat: true,
  grace: true,
  project: true,
  read: true,
  linger: true,
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
    logger: loggerOr(SILENT, options.logger),
  };
}
