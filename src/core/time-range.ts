/** Times that callers ask about. */
import { PresenceError } from "./errors.ts";

/** ms of a Date. Throws PresenceError TIME_INVALID for anything else. */
export function msOfTime(name: string, time: unknown): number {
  // By its method: a Date may come from another realm.
  const ms =
    typeof time === "object" && time !== null && "getTime" in time ? (time as Date).getTime() : Number.NaN;
  if (Number.isInteger(ms) && ms >= 0) return ms;
  throw new PresenceError("TIME_INVALID", `${name} must be a valid Date, not before 1970`);
}

/** Throws PresenceError TIME_INVALID for a time after `now`, which is on Redis's clock. */
export function checkPast(name: string, ms: number, now: number): void {
  if (ms <= now) return;
  throw new PresenceError(
    "TIME_INVALID",
    `${name} is in the future, on the clock of Redis: it is ${ms - now} ms ahead`,
  );
}

/** Throws PresenceError TIME_INVALID for a range that ends before it begins. */
export function checkOrder(from: number | undefined, to: number | undefined): void {
  if (from === undefined || to === undefined || from <= to) return;
  throw new PresenceError("TIME_INVALID", "`from` must not be after `to`");
}
