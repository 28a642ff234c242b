/** The life of a Node process: until its work ends, or a signal asks it to. */
import { PresenceError } from "../../src/core/errors.ts";

/**
 * Runs `work` with a signal that fires at the first SIGTERM or SIGINT. The process ends by itself with code 0 once
 * nothing is left open, or with code 1 after one line on stderr when `work` rejects.
 */
export async function main(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stopping = new AbortController();
  // Once each: at the second the default is back, which ends the process at once.
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stopping.abort());
  try {
    await work(stopping.signal);
  } catch (error) {
    // A cause may hold whole commands, so it is not printed.
    console.error(error instanceof PresenceError ? `${error.code}: ${error.message}` : stackOf(error));
    process.exitCode = 1;
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
