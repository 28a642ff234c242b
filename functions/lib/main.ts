/** Runs a Node process until its work ends or it gets a signal. */
import { PresenceError } from "../../src/core/errors.ts";

/**
 * Runs `work` with a signal that fires on the first SIGTERM or SIGINT, or when `work` calls `fail`. The process exits with code 0 once nothing is left
 * open, or with code 1 and a message on stderr when `work` rejects.
 */
export async function main(work: (signal: AbortSignal, fail: () => void) => Promise<void>): Promise<void> {
  const stopping = new AbortController();
  // Once each: for a second signal the default applies, which ends the process at once.
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stopping.abort());
  try {
    await work(stopping.signal, () => stopping.abort());
  } catch (error) {
    // The cause may contain whole commands, so it is not printed.
    console.error(error instanceof PresenceError ? `${error.code}: ${error.message}` : stackOf(error));
    process.exitCode = 1;
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
