/** What a reader can be told, and the checks of it. */
import { KEY_OPTIONS, type KeyOptions, resolveKeyOptions } from "../core/key-options.ts";
import { STALE_AFTER_MS, STALE_AFTER_MS_MAX } from "../core/limits.ts";
import { type Known, refuseUnknown, whole } from "../core/options.ts";

export interface ReaderOptions extends KeyOptions {
  /**
   * How long the projector may be overdue before answers are marked `stale`, ms. 0 to 86,400,000, default 5,000, which
   * suits projectors in the Socket.IO processes or in a worker. With a scheduled function alone, use its interval and a
   * little. It changes only what answers say: a stale answer is still given.
   */
  readonly staleAfter?: number | undefined;
}

const READER_OPTIONS: Known<ReaderOptions> = { ...KEY_OPTIONS, staleAfter: true };

/** With `redis`: what createReader() takes. */
export const READER_INPUT = { redis: true, ...READER_OPTIONS } as const;

/** What tests bring: not for applications. */
export interface ReaderInternals {
  /** The clock to go by instead of this machine's, ms. */
  readonly now?: (() => number) | undefined;
}

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveReaderOptions(options: ReaderOptions) {
  refuseUnknown(options, READER_OPTIONS, "a reader");
  const { staleAfter = STALE_AFTER_MS } = options;
  return {
    ...resolveKeyOptions(options),
    staleAfter: whole("staleAfter", staleAfter, 0, STALE_AFTER_MS_MAX),
  };
}
