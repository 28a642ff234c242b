/** What a command has of the process, so that tests call it with their own. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Io {
  /** Data. */
  readonly stdout: Sink;
  /** Talk: progress, warnings, errors. */
  readonly stderr: Sink;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires on SIGINT, SIGTERM, and when nobody reads stdout any more. */
  readonly signal: AbortSignal;
}

/** Why the signal fires when nobody reads stdout any more: no failure. */
export const UNREAD = Symbol("nobody reads the output any more");

/** How long a command may take to close its connections once it is to end, ms. */
const END_MS = 2_000;

/** The io of this process. `rollcall users | head` ends with 0 and without a word: head has read what it wanted. */
export function processIo(): Io {
  const ending = new AbortController();
  const end = (code: number, reason?: symbol): void => {
    ending.abort(reason);
    setTimeout(() => process.exit(code), END_MS).unref();
  };
  // Once each: for a second signal the default applies, which ends the process at once.
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => end(130));
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      end(0, UNREAD);
    });
  const { stdout, stderr, stdin, env } = process;
  return { stdout, stderr, stdin, env, signal: ending.signal };
}
