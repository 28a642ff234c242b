/** Calls the command in this process, with an environment and streams of its own. */
import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import type { Io } from "../../../src/cli/io.ts";
import { main } from "../../../src/cli/main.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Settings {
  readonly env?: Record<string, string | undefined>;
  /** Whether all three streams are a terminal. Default: none is. */
  readonly isTTY?: boolean;
  /** Of a terminal. Default: not known. */
  readonly columns?: number;
  /** What is typed. */
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** Sees stdout as it is written. */
  readonly onOutput?: (all: string) => void;
}

export async function rollcall(args: readonly string[], settings: Settings = {}): Promise<Ran> {
  const {
    env = {},
    isTTY = false,
    columns,
    input = "",
    signal = new AbortController().signal,
    onOutput,
  } = settings;
  let stdout = "";
  let stderr = "";
  const stdin = Object.assign(new PassThrough(), { isTTY });
  stdin.end(input);
  const io: Io = {
    stdout: {
      isTTY,
      ...(columns !== undefined && { columns }),
      write: (text) => {
        stdout += text;
        onOutput?.(stdout);
      },
    },
    stderr: { isTTY, write: (text) => (stderr += text) },
    stdin,
    env,
    signal,
  };
  const code = await main(args, io);
  return { code, stdout, stderr };
}

/** Lines of fields. */
export const fieldsOf = (stdout: string): string[][] =>
  stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split("\t"));

export const plain = (text: string): string => stripVTControlCharacters(text);
