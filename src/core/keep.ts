/** How long what names users is kept after it happened: the option `keep`. */
import {
  CHANGES_KEPT,
  CHANGES_KEPT_MAX,
  CHANGES_KEPT_MIN,
  KEPT_MS,
  KEPT_MS_MAX,
  KEPT_MS_MIN,
} from "./limits.ts";
import { invalid, type Known, refuseUnknown, whole } from "./options.ts";

/** A time in ms, or as text in minutes, hours or days: `"90m"`, `"12h"`, `"7d"`. */
export type Duration = number | `${number}${"m" | "h" | "d"}`;

export interface Keep {
  /**
   * Entries of `changes`, each of which names who came and went. A cursor that is older is a gap. `"1m"` to `"3650d"`, default `"7d"`; and
   * about `max` entries at most, whatever their age.
   */
  readonly changes?: Duration | undefined;
  /** Entries of the log that were set aside, with their values. `"1m"` to `"3650d"`, default `"7d"`; and about 1,000 at most. */
  readonly rejected?: Duration | undefined;
  /**
   * About how many entries of `changes` there are at most in a shard, and as many of those of scopes; an entry has one or more changes.
   * 1,000 to 10,000,000, default 100,000. Fewer than 100,000 is seen to once a minute, and what is less than a minute old stays.
   */
  readonly max?: number | undefined;
}

export interface KeepOptions {
  /**
   * How long what names users is kept after it happened. Of several callers of the projector the strictest decides. Something has to call
   * the projector for it: a server, a worker, a scheduled function.
   */
  readonly keep?: Keep | undefined;
}

const KEEP: Known<Keep> = { changes: true, rejected: true, max: true };
const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Ms. Throws PresenceError OPTIONS_INVALID. */
export function resolveDuration(name: string, value: unknown): number {
  const [, count, unit] =
    typeof value === "string" ? (/^(\d{1,9})([mhd])$/.exec(value) ?? []) : ([] as string[]);
  const ms = unit === undefined ? value : Number(count) * UNITS[unit]!;
  if (typeof ms === "number" && Number.isInteger(ms) && ms >= KEPT_MS_MIN && ms <= KEPT_MS_MAX) return ms;
  return invalid(
    `${name} must be a time from "1m" to "3650d", or as many ms (${KEPT_MS_MIN} to ${KEPT_MS_MAX}), got ${typeof value === "string" ? JSON.stringify(value) : String(value)}`,
  );
}

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveKeep(keep: Keep = {}): {
  readonly changes: number;
  readonly rejected: number;
  readonly max: number;
} {
  refuseUnknown(keep, KEEP, "a projector", "keep");
  return {
    changes: resolveDuration("keep.changes", keep.changes ?? KEPT_MS),
    rejected: resolveDuration("keep.rejected", keep.rejected ?? KEPT_MS),
    max: whole("keep.max", keep.max ?? CHANGES_KEPT, CHANGES_KEPT_MIN, CHANGES_KEPT_MAX),
  };
}
