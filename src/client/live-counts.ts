/** The counts as they change: a state to render. */
import { abortSignal, type Known, refuseUnknown } from "../core/options.ts";
import {
  errorOf,
  type LiveScope,
  type LiveStaleness,
  type LiveStatus,
  onAbort,
  requestOf,
  scopePairs,
  stalenessAfter,
} from "./ask.ts";
import type { Client, ScopeCounts } from "./client.ts";
import { eventsOf, silenceOf } from "./follow.ts";
import { type Live, Store, unlessEqual } from "./store.ts";

export interface LiveCountsOptions extends LiveScope {
  /** As in follow(). */
  readonly silence?: number | undefined;
  /** Closes it. */
  readonly signal?: AbortSignal | undefined;
}

/** As the API answers: of the whole with `connections`, of a namespace or room without. */
export interface AnyCounts extends ScopeCounts {
  readonly connections?: number;
}

export interface LiveCountsState {
  readonly status: LiveStatus;
  /** The last that is known; null: nothing yet. */
  readonly counts: AnyCounts | null;
  /** When `counts` was read, on the server's clock, ISO 8601. */
  readonly asOf: string | null;
  /** Why the counts may be out of date; null: they are not. */
  readonly stale: LiveStaleness | null;
  /** Why it failed, for good if the status is "closed"; undefined once it works again. */
  readonly error: Error | undefined;
}

const OPTIONS: Known<LiveCountsOptions> = { namespace: true, room: true, silence: true, signal: true };

export const COUNTS_CONNECTING: LiveCountsState = {
  status: "connecting",
  counts: null,
  asOf: null,
  stale: null,
  error: undefined,
};

/**
 * The counts of the whole, or of a namespace or room, as they change: at most one change a second, over one event stream that
 * reconnects by itself. Starts at once, and goes on until close() or the signal. A wrong token, or a namespace or room that is not
 * counted, closes it with the error. Throws PresenceError OPTIONS_INVALID or SCOPE_INVALID.
 */
export function liveCounts(client: Client, options: LiveCountsOptions = {}): Live<LiveCountsState> {
  refuseUnknown(options, OPTIONS, "liveCounts()");
  const request = requestOf(client, "liveCounts()");
  abortSignal("signal", options.signal);
  const silence = silenceOf(options.silence);
  const filter = scopePairs(options);
  let current = COUNTS_CONNECTING;
  const store = new Store<LiveCountsState>(current, (before) => unlessEqual(before, current));
  const closing = new AbortController();

  const apply = (next: Partial<LiveCountsState>) => {
    current = { ...current, ...next };
    const { counts, stale } = current;
    if (closing.signal.aborted) current = { ...current, status: "closed" };
    else if (stale !== null) current = { ...current, status: "stale" };
    else current = { ...current, status: counts === null ? "connecting" : "live" };
    store.changed();
  };
  const close = (error?: unknown) => {
    if (closing.signal.aborted) return;
    closing.abort();
    unlink();
    apply(error === undefined ? {} : { error: errorOf(error) });
    store.tell();
  };
  let unlink = () => {};
  unlink = onAbort(options.signal, () => close());

  async function run(): Promise<void> {
    const { signal } = closing;
    const told = eventsOf("/v1/counts", request, { filter, silence, signal, resumes: false });
    for await (const { event, counts, stale, error } of told) {
      if (signal.aborted) return;
      if (event === "counts") {
        const read = counts as unknown as AnyCounts;
        const isOverdue = stale === null && read.asOf.stale;
        const since = read.asOf.projectedAt;
        apply({
          counts: read,
          asOf: read.asOf.now,
          stale: isOverdue ? { cause: "projector", since } : stale,
          error: undefined,
        });
      } else if (error === undefined) apply({ stale, error: undefined });
      else apply({ stale: stalenessAfter(error, stale?.since ?? null), error: errorOf(error) });
    }
  }
  run().catch(close);
  return { getState: store.getState, subscribe: store.subscribe, close: () => close() };
}
