/** What a command is: its flags, its help, and where its code is. The table of all of them is in table.ts. */
import type { Given } from "./given.ts";
import type { Io } from "./io.ts";

/** How the text of a flag is understood. A `switch` takes none. */
export type Kind = "text" | "whole" | "time" | "switch";

export interface Flag {
  /** Without the dashes. */
  readonly name: string;
  readonly kind: Kind;
  /** What stands for its value in the help: `url`. */
  readonly value?: string;
  readonly doc: string;
  /** The environment variable with the same meaning; null for what only a command line should say, such as what to delete. */
  readonly env: string | null;
  readonly fallback?: string | number;
  readonly choices?: readonly string[];
  /** Of a `whole`. */
  readonly least?: number;
  readonly most?: number;
  /** May be repeated. In the environment separated by commas. */
  readonly many?: true;
}

export interface Positional {
  readonly name: string;
  readonly doc: string;
  readonly optional?: true;
  /** Takes all that follow. */
  readonly many?: true;
  readonly choices?: readonly string[];
}

export interface Example {
  readonly line: string;
  readonly what: string;
}

/** One row of the table. */
export interface Entry {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** More, for its own help. */
  readonly about?: string;
  readonly positionals: readonly Positional[];
  readonly flags: readonly Flag[];
  readonly examples: readonly [Example, Example];
  /** What exit codes mean here beyond EXIT. */
  readonly codes?: string;
  /** For a program that reads the first line of stdout and the exit code: what both are when the command cannot run, whyever. */
  readonly fails?: (why: string) => { readonly line: string; readonly exit: number };
  /** Imports its code: only that of the command that runs is loaded. */
  readonly load: () => Promise<{ readonly run: Run }>;
}

/** A command as it was called. */
export interface Call {
  readonly entry: Entry;
  readonly given: Given;
  readonly io: Io;
}

/** Resolves with the exit code. Throws UsageError, PresenceError, ProblemError or Interrupted; failure.ts tells them. */
export type Run = (call: Call) => Promise<number>;

/** Exit codes of every command. */
export const EXIT = {
  ok: 0,
  /** The answer is no: a check failed, work is left, nobody of that name. */
  no: 1,
  usage: 2,
  unreachable: 3,
  /** Redis answered, and there is something to put right: a permission, a version, another number of shards. */
  refused: 4,
  bug: 70,
  interrupted: 130,
} as const;

/** The command line, or a variable, is wrong. `message` says what is right. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** SIGINT or SIGTERM came, or nobody reads the output any more. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}
