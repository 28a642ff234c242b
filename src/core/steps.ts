/** Steps of a history: a minute, an hour, a day, or a multiple; and the days of UTC. */
import { DAY_MS, HISTORY_PARTS_MAX, HISTORY_POINTS_MAX, HOUR_MS, MINUTE_MS } from "./limits.ts";
import { invalid } from "./options.ts";

/** `"minute"`, `"hour"`, `"day"`, or a multiple: `"5m"`, `"6h"`, `"7d"`. */
export type HistoryStep = "minute" | "hour" | "day" | `${number}${"m" | "h" | "d"}`;

/** Which stream has it, and how long it is, ms. */
export interface Step {
  readonly part: "minutes" | "hours" | "days";
  readonly partMs: number;
  readonly ms: number;
}

const PARTS = {
  m: { part: "minutes", partMs: MINUTE_MS },
  h: { part: "hours", partMs: HOUR_MS },
  d: { part: "days", partMs: DAY_MS },
} as const;
const NAMES: Readonly<Record<string, string>> = { minute: "1m", hour: "1h", day: "1d" };

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveStep(value: unknown): Step {
  const text = typeof value === "string" ? (NAMES[value] ?? value) : "";
  const [, count, unit] = /^([1-9]\d{0,3})([mhd])$/.exec(text) ?? [];
  if (count === undefined)
    return invalid('step must be "minute", "hour", "day" or a multiple such as "5m", "6h", "7d"');
  const { part, partMs } = PARTS[unit as keyof typeof PARTS];
  return { part, partMs, ms: Number(count) * partMs };
}

/** A time: a Date, or ms. Throws PresenceError OPTIONS_INVALID. */
export function resolveTime(name: string, value: unknown): number {
  const ms = value instanceof Date ? value.getTime() : value;
  if (typeof ms === "number" && Number.isInteger(ms) && ms >= 0 && ms <= 8.64e15) return ms;
  return invalid(`${name} must be a Date, or a whole number of ms since 1970`);
}

/** The points from `from` to `to`, both moved out to whole steps. Throws PresenceError OPTIONS_INVALID where there are too many. */
export function spanOf({ ms, partMs }: Step, from: number, to: number): { from: number; to: number } {
  const first = from - (from % ms);
  const last = Math.max(first, Math.ceil(to / ms) * ms);
  const points = (last - first) / ms;
  if (points > HISTORY_POINTS_MAX || (last - first) / partMs > HISTORY_PARTS_MAX)
    invalid(
      `from, to and step ask for ${points} points: take a longer step, or fewer than ${HISTORY_POINTS_MAX}`,
    );
  return { from: first, to: last };
}

/** A day in UTC as `2026-03-01`, or a Date in it; its start, ms. Throws PresenceError OPTIONS_INVALID. */
export function resolveDay(name: string, value: unknown): number {
  const ms =
    value instanceof Date
      ? value.getTime()
      : typeof value === "string" && /^\d{4}-\d\d-\d\d$/.test(value)
        ? Date.parse(value)
        : Number.NaN;
  // `2026-02-30` is 2 March to some engines.
  const isDay = ms >= 0 && (typeof value !== "string" || dayText(ms) === value);
  return isDay
    ? ms - (ms % DAY_MS)
    : invalid(`${name} must be a day such as "2026-03-01", in UTC, or a Date`);
}

export function dayText(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
