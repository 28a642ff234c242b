import { PresenceError } from "../core/errors.ts";

/** Throws PresenceError OPTIONS_INVALID for what is not a whole number from 1 to `most`. */
export function checkCount(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new PresenceError(
    "OPTIONS_INVALID",
    `${name} must be a whole number from 1 to ${most}, got ${String(value)}`,
  );
}
