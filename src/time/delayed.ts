/** A signal that fires `ms` after another; the same one for 0. Its timer keeps the process alive: whoever waits has work to finish. */
export function delayed(signal: AbortSignal, ms: number): AbortSignal {
  if (ms === 0) return signal;
  const later = new AbortController();
  const start = () => void setTimeout(() => later.abort(signal.reason), ms);
  if (signal.aborted) start();
  else signal.addEventListener("abort", start, { once: true });
  return later.signal;
}
