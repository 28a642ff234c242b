/**
 * How data is printed: JSON where asked for; tables with headings on a terminal; without a terminal, lines of fields separated by tabs,
 * without headings, for `cut` and `awk`. What people and strangers have chosen, ids and names, is escaped, so that it can neither
 * move the cursor of a terminal nor look like two fields.
 */
import { styleText } from "node:util";
import type { Io, Sink } from "./io.ts";

type Style = "bold" | "dim" | "red" | "yellow" | "green";

/** Control characters (C0, DEL, C1), what turns the direction of text around, line separators, lone surrogates; and the backslash that marks them. */
const UNSAFE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Cs}\\]/gu;
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

/** `ann\tb` for an id with a tab in it. */
export function escaped(text: string): string {
  return text.replaceAll(
    UNSAFE,
    (character) => SHORT[character] ?? `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** The same for one line of ours that quotes somebody; backslashes of ours stay as they are. */
export function safe(text: string): string {
  return escaped(text).replaceAll("\\\\", "\\");
}

/** The same for several lines. */
export function safeLines(text: string): string {
  return text.split("\n").map(safe).join("\n");
}

/** What JSON leaves as it is although a terminal takes it for a command, such as CSI in one character, or turns text around because of it. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function jsonOf(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    UNSAFE_IN_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export function isTerminal({ isTTY }: Sink): boolean {
  return isTTY === true;
}

/** FORCE_COLOR and NO_COLOR decide, then whether it is a terminal that can. */
export function hasColors(sink: Sink, env: Io["env"]): boolean {
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined && forced !== "") return forced !== "0" && forced !== "false";
  if ((env["NO_COLOR"] ?? "") !== "") return false;
  return isTerminal(sink) && env["TERM"] !== "dumb";
}

export interface Column {
  readonly title: string;
  readonly isNumber?: true;
}

export interface Cell {
  readonly text: string;
  readonly style?: Style | undefined;
}

/** Null: there is no such value; `-` on a terminal, empty without one. */
export type Field = string | number | boolean | null | Cell;

export class Printer {
  readonly #io: Io;
  readonly #isTerminal: boolean;
  readonly #hasColors: boolean;

  constructor(io: Io) {
    this.#io = io;
    this.#isTerminal = isTerminal(io.stdout);
    this.#hasColors = hasColors(io.stdout, io.env);
  }

  get isTerminal(): boolean {
    return this.#isTerminal;
  }

  /** As it is: whoever calls it escapes what is not ours. */
  line(text: string): void {
    this.#io.stdout.write(`${text}\n`);
  }

  json(value: unknown): void {
    this.line(jsonOf(value));
  }

  style(style: Style | undefined, text: string): string {
    if (style === undefined || !this.#hasColors) return text;
    // The environment was asked above.
    return styleText(style, text, { validateStream: false });
  }

  /** Talk. */
  say(text: string): void {
    this.#io.stderr.write(`${safeLines(text)}\n`);
  }

  #plain(field: Field): string {
    if (field === null) return this.#isTerminal ? "-" : "";
    if (typeof field === "object") return escaped(field.text);
    return escaped(String(field));
  }

  /** One line of fields, as in a table without one. */
  fields(fields: readonly Field[]): void {
    this.line(fields.map((field) => this.#plain(field)).join("\t"));
  }

  /** All rows at once: the columns are as wide as they need to be. */
  table(columns: readonly Column[], rows: readonly (readonly Field[])[]): void {
    if (!this.#isTerminal) {
      for (const row of rows) this.fields(row);
      return;
    }
    const texts = rows.map((row) => row.map((field) => this.#plain(field)));
    const widths = columns.map(({ title }, i) =>
      Math.max(title.length, ...texts.map((row) => row[i]!.length)),
    );
    const padded = (text: string, i: number) => {
      if (columns[i]!.isNumber === true) return text.padStart(widths[i]!);
      return i === columns.length - 1 ? text : text.padEnd(widths[i]!);
    };
    const heads = columns.map(({ title }, i) => this.style("dim", padded(title, i)));
    this.line(heads.join("  ").trimEnd());
    for (const [at, row] of texts.entries()) {
      const cells = row.map((text, i) => {
        const field = rows[at]![i]!;
        const style = typeof field === "object" && field !== null ? field.style : undefined;
        return this.style(style, padded(text, i));
      });
      this.line(cells.join("  ").trimEnd());
    }
  }

  /** The heading of rows that are printed as they come. */
  heading(text: string): void {
    this.line(this.style("dim", text));
  }

  /** A row below such a heading: a number, then text of any length. */
  aligned(width: number, number: Field, text: string): void {
    this.line(`${this.#plain(number).padStart(width)}  ${this.#plain(text)}`);
  }

  /** A line on the terminal that the next one replaces; nothing without a terminal. `undefined` removes it. */
  progress(text: string | undefined): void {
    if (!isTerminal(this.#io.stderr)) return;
    this.#io.stderr.write(`\r\u001B[K${safe(text ?? "")}`);
  }
}
