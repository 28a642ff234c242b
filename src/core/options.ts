/**
 * The checks of options, shared by everything that takes options, so that all reject in the same way. The options themselves
 * are in `options.ts` of each folder.
 *
 * Every function here throws PresenceError OPTIONS_INVALID; the message begins with the option's name. A message that shows
 * the value ends with `, got …` (withoutValue() removes that).
 */
import { PresenceError, type PresenceErrorCode } from "./errors.ts";

/** What a log line says besides its text. No user ids, no secrets. */
export interface LogFields {
  readonly code?: PresenceErrorCode;
  /** What Redis or the network called it: `ECONNREFUSED`, `WRONGPASS`, `OOM`. */
  readonly reason?: string;
  readonly host?: string;
  readonly port?: number;
  /** Several hosts, or a path. */
  readonly address?: string;
  readonly shard?: number;
  /** The id of the process in Redis. */
  readonly process?: string;
  /** How long it took or lasted. */
  readonly ms?: number;
  /** How often it failed. */
  readonly attempts?: number;
}

/**
 * Receives log lines about failures and recoveries. `console` is one, and so are the loggers of pino and bunyan: these take the
 * fields first, which is seen by their shape. All others get the text first and the fields second.
 */
export interface Logger {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** The names of a type's options. The compiler checks that the list is complete and has no other names. */
export type Known<Options> = Readonly<Record<keyof Options, true>>;

export function invalid(message: string): never {
  throw new PresenceError("OPTIONS_INVALID", message);
}

/** A whole number from `least` to `most`, both included. */
export function whole(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  return invalid(`${name} must be a whole number from ${least} to ${most}, got ${String(value)}`);
}

export function oneOf<const Choice extends string>(
  name: string,
  value: unknown,
  choices: readonly Choice[],
): Choice {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const quoted = choices.map((choice) => JSON.stringify(choice));
  return invalid(`${name} must be ${listed(quoted)}, got ${shown(value)}`);
}

export function boolean(name: string, value: unknown): boolean {
  return typeof value === "boolean" ? value : invalid(`${name} must be true or false, got ${shown(value)}`);
}

/** `what` says what the function is for: "a function of a socket that returns its user's id or null". */
export function callable<T>(name: string, value: T, what = "a function"): T {
  return typeof value === "function" ? value : invalid(`${name} must be ${what}, got ${typeof value}`);
}

/** An AbortSignal or undefined; recognised by its shape, because it may come from another realm. */
export function abortSignal<Signal>(name: string, value: Signal): Signal {
  const isSignal = typeof value === "object" && value !== null && "aborted" in value;
  if (isSignal || value === undefined) return value;
  return invalid(`${name} must be an AbortSignal, got ${shown(value)}`);
}

const LEVELS = ["info", "warn", "error"] as const;

/** Wraps a logger so that it never throws: it is called from the recorder's loop and from socket handlers. */
export function loggerOr(fallback: Logger, value: Logger | false | undefined): Logger {
  if (value === undefined) return fallback;
  if (value === false) return SILENT;
  const { missing, fieldsFirst } = shapeOf(value);
  if (missing !== undefined)
    invalid(`logger must be false, or have the functions info, warn and error; ${missing} is not a function`);
  const call = value as unknown as Record<(typeof LEVELS)[number], (...args: unknown[]) => unknown>;
  const safely = (level: (typeof LEVELS)[number]) => (message: string, fields?: LogFields) => {
    try {
      const args = fieldsFirst
        ? [fields ?? {}, message]
        : fields === undefined
          ? [message]
          : [message, fields];
      // One that writes later may fail later.
      quiet(call[level](...args));
    } catch {
      // A broken logger has nowhere to report to.
    }
  };
  return { info: safely("info"), warn: safely("warn"), error: safely("error") };
}

/** Which function a logger lacks, and whether it takes the fields first: pino has `bindings`, bunyan `addStream`. */
function shapeOf(value: unknown): { missing: string | undefined; fieldsFirst: boolean } {
  const has = (name: string): boolean => {
    try {
      return typeof (value as Record<string, unknown>)[name] === "function";
    } catch {
      return false;
    }
  };
  if (typeof value !== "object" && typeof value !== "function")
    return { missing: "info", fieldsFirst: false };
  const missing = LEVELS.find((level) => !has(level));
  return { missing, fieldsFirst: has("bindings") || has("addStream") };
}

/** Handles the rejection of what may be a promise. Throws what its `then` throws. */
export function quiet(result: unknown, failed: (cause: unknown) => void = () => {}): void {
  if (typeof result !== "object" || result === null || !("then" in result)) return;
  const { then } = result;
  if (typeof then === "function") then.call(result, undefined, failed);
}

export const SILENT: Logger = { info() {}, warn() {}, error() {} };

/**
 * Throws for an option that does not exist, with the nearest one that does: `unknown option hearbeat of createPresence: did
 * you mean heartbeat?`. Also throws when `options` is not an object. `where` names what takes the options.
 *
 *   refuseUnknown(options, { ttl: true, heartbeat: true } satisfies Known<Options>, "createPresence")
 */
export function refuseUnknown(
  options: unknown,
  known: Readonly<Record<string, true>>,
  where: string,
  path = "",
): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    const name = path === "" ? `the options of ${where}` : path;
    invalid(`${name} must be an object, got ${shown(options)}`);
  }
  const names = Object.keys(known);
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    const prefix = path === "" ? "" : `${path}.`;
    const near = nearest(name, names);
    const hint = near === undefined ? `it takes ${names.join(", ")}` : `did you mean ${prefix}${near}?`;
    invalid(`unknown option ${prefix}${name} of ${where}: ${hint}`);
  }
}

/** The name that `text` is most likely a typo of; undefined when none is near. Ignores case. */
export function nearest(text: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Infinity;
  for (const name of names) {
    const distance = editDistance(text.toLowerCase(), name.toLowerCase());
    // Allow few edits in a short name: `ttl` is not a typo of `url`.
    if (distance < least && distance <= Math.max(1, Math.ceil(Math.min(text.length, name.length) / 4))) {
      best = name;
      least = distance;
    }
  }
  return best;
}

/** Levenshtein's, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, above[j]! + 1, row[j - 1]! + 1));
    }
  }
  return row[b.length]!;
}

/** A message of these checks without the value, which may be a misplaced secret. */
export function withoutValue(message: string): string {
  const at = message.indexOf(", got ");
  return at === -1 ? message : message.slice(0, at);
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return typeof value === "function" ? "a function" : String(value);
}

/** `a`, `b` or `c`. */
function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}
