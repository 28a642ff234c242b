import { processRuntime, type Runtime } from "./runtime.ts";

/** Waits, or less if the signal fires. Never rejects. */
export function pause(
  ms: number,
  signal: AbortSignal,
  runtime: Pick<Runtime, "after"> = processRuntime,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = runtime.after(ms, done);
    signal.addEventListener("abort", done);
  });
}
