/** Follows GET /v1/counts as events: one stream after another, for as long as the page is open. */
import { type Client, type Counts, ProblemError } from "../client/client.ts";
import { itemsOf } from "../client/stream.ts";
import { pause } from "../time/pause.ts";

/** Three heartbeats of the server, ms. */
const SILENCE_MS = 45_000;
/** Between two streams, ms. */
const RETRY_MS = 500;
/** The longest wait after failures, ms: somebody is looking. */
const FAILURE_MS_MAX = 8_000;
/** ms */
const RETRY_AFTER_MS_MAX = 60_000;

export interface Hearing {
  readonly counts: (counts: Counts) => void;
  /** A sign of life without news. */
  readonly alive: () => void;
  /** The server says that its numbers may be old; null: they are not. */
  readonly stale: (stale: { readonly cause: string; readonly since: string | null } | null) => void;
  /** No stream, and when the next attempt is, ms since 1970. */
  readonly lost: (error: unknown, retryAt: number) => void;
}

/** Rejects with ProblemError for what trying again does not fix; ends with the signal. */
export async function followCounts(client: Client, hearing: Hearing, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    let wait = RETRY_MS;
    try {
      const headers = { accept: "text/event-stream" };
      const response = await client.fetch("/v1/counts", { headers, signal, cache: "no-store" });
      if (!response.ok) throw await ProblemError.of(response);
      let heard = 0;
      for await (const { event, data } of itemsOf(response, SILENCE_MS, signal)) {
        heard++;
        failures = 0;
        if (event === "counts") hearing.counts(JSON.parse(data ?? "") as Counts);
        else if (event === "stale")
          hearing.stale(JSON.parse(data ?? "") as { cause: string; since: string | null });
        else if (event === "fresh") hearing.stale(null);
        else hearing.alive();
      }
      // A server that is ending answers with a stream that ends at once.
      if (heard === 0) wait = waitAfter(++failures);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ProblemError && error.status >= 400 && error.status < 500 && error.status !== 429)
        throw error;
      wait = waitAfter(++failures);
      if (error instanceof ProblemError)
        wait = Math.max(wait, Math.min(RETRY_AFTER_MS_MAX, error.retryAfter ?? 0));
      hearing.lost(error, Date.now() + wait);
    }
    await pause(wait, signal);
  }
}

/** Jittered: every open page loses a server at the same moment. */
function waitAfter(failures: number): number {
  return Math.min(FAILURE_MS_MAX, 500 * 2 ** Math.min(failures - 1, 8)) * (0.6 + Math.random() * 0.4);
}
