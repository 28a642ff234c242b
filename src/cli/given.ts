/** The flags of a call, from the command line or the environment, each checked by its row of the table. */
import type { Entry, Flag } from "./command.ts";
import { UsageError } from "./command.ts";
import { readTime } from "./time.ts";

export type Value = string | number | boolean | Date | readonly string[];

const YES: ReadonlySet<string> = new Set(["1", "true", "yes", "on"]);
const NO: ReadonlySet<string> = new Set(["0", "false", "no", "off"]);

/** The value of a flag's text. `where` names the flag or the variable. Throws UsageError, which never quotes the text: it may be a secret. */
export function valueOf(flag: Flag, text: string, where: string, now = Date.now()): Value {
  const wrong = (right: string): never => {
    throw new UsageError(`${where} must be ${right}`);
  };
  if (flag.choices !== undefined && !flag.choices.includes(text)) wrong(`one of ${flag.choices.join(", ")}`);
  if (flag.kind === "switch") {
    const word = text.toLowerCase();
    return YES.has(word) || (!NO.has(word) && wrong("1 or 0"));
  }
  if (flag.kind === "whole") {
    const { least = 0, most = Number.MAX_SAFE_INTEGER } = flag;
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= least && number <= most)) wrong(`a whole number from ${least} to ${most}`);
    return number;
  }
  if (flag.kind === "time") {
    return (
      readTime(text, now) ??
      wrong("a time: 2026-03-01T14:03:00Z, ms since 1970, or how long ago, such as 90s, 15m, 2h, 7d")
    );
  }
  return text;
}

/** What was given, by the names of the table. A name that the command does not have is a bug, and throws. */
export class Given {
  readonly positionals: readonly string[];
  readonly #entry: Entry;
  readonly #values: ReadonlyMap<string, Value>;
  /** Which of them came from the command line itself. */
  readonly #onLine: ReadonlySet<string>;

  constructor(
    entry: Entry,
    positionals: readonly string[],
    values: ReadonlyMap<string, Value>,
    onLine: ReadonlySet<string>,
  ) {
    this.#entry = entry;
    this.positionals = positionals;
    this.#values = values;
    this.#onLine = onLine;
  }

  #value(name: string): Value | undefined {
    if (!this.#entry.flags.some((flag) => flag.name === name))
      throw new Error(`rollcall ${this.#entry.name} has no flag ${name}`);
    return this.#values.get(name);
  }

  has(name: string): boolean {
    return this.#entry.flags.some((flag) => flag.name === name);
  }

  isOnLine(name: string): boolean {
    return this.#onLine.has(name);
  }

  on(name: string): boolean {
    return this.#value(name) === true;
  }

  text(name: string): string | undefined {
    const value = this.#value(name);
    return typeof value === "string" ? value : undefined;
  }

  number(name: string): number | undefined {
    const value = this.#value(name);
    return typeof value === "number" ? value : undefined;
  }

  time(name: string): Date | undefined {
    const value = this.#value(name);
    return value instanceof Date ? value : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.#value(name);
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }
}
