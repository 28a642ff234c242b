/**
 * Presence in React components, kept up to date. Components that ask the same share one stream, which is opened with the first and
 * closed a second after the last. Nothing is opened on a server: there the status is "connecting".
 */
import { useMemo, useSyncExternalStore } from "react";
import { type LiveScope, scopePairs } from "../client/ask.ts";
import { live, type LiveState, LOOKUP_MAX } from "../client/live.ts";
import { COUNTS_CONNECTING, liveCounts, type LiveCountsState } from "../client/live-counts.ts";
import { USERS_CONNECTING } from "../client/live-users.ts";
import { invalid } from "../core/options.ts";
import { ONLINE_CONNECTING, onlineSource, type OnlineState } from "./online.ts";
import { useClient } from "./provider.ts";
import { sharedSource, type Source } from "./shared.ts";

export type { LiveCountsState, LiveScope, LiveState, OnlineState };

/** Which users, and how many of them are kept. */
export interface UsersScope extends LiveScope {
  /** As in live(): with more online, `truncated` is true and only `count` is known. Default 10,000. */
  readonly max?: number | undefined;
}

/**
 * Whether each of these users is online, at most 1,000 ids; their order does not matter. All components with one provider share one
 * stream, which brings the changes of all their ids. Renders again when one of these ids changes, not when another does.
 *
 *   const { online, status } = useOnline(["alice", "bob"]);
 *   online.get("alice"); // true, false, or undefined until it is known
 */
export function useOnline(ids: readonly string[], scope: LiveScope = {}): OnlineState {
  const client = useClient("useOnline()");
  const sorted = useMemo(() => {
    const unique = [...new Set(ids)].sort();
    if (unique.length > LOOKUP_MAX)
      invalid(`useOnline() takes at most ${LOOKUP_MAX} ids, got ${unique.length}`);
    return JSON.stringify(unique);
  }, [ids]);
  const question = questionOf("online", scope);
  const source = useMemo(
    () => onlineSource(client, question, scope, JSON.parse(sorted) as readonly string[]),
    // The question says what the scope is.
    [client, question, sorted],
  );
  return useSource(source, ONLINE_CONNECTING);
}

/** Who is online: all, or in a namespace or room. */
export function useUsers({ max, ...scope }: UsersScope = {}): LiveState {
  const client = useClient("useUsers()");
  const question = questionOf(`users ${max ?? ""}`, scope);
  const source = useMemo(
    () => sharedSource(client, question, USERS_CONNECTING, () => live(client, { ...scope, max })),
    [client, question],
  );
  return useSource(source, USERS_CONNECTING);
}

/** The counts: of all, or of a namespace or room. */
export function useCounts(scope: LiveScope = {}): LiveCountsState {
  const client = useClient("useCounts()");
  const question = questionOf("counts", scope);
  const source = useMemo(
    () => sharedSource(client, question, COUNTS_CONNECTING, () => liveCounts(client, scope)),
    [client, question],
  );
  return useSource(source, COUNTS_CONNECTING);
}

function useSource<State>(source: Source<State>, initial: State): State {
  return useSyncExternalStore(source.subscribe, source.getSnapshot, () => initial);
}

/** The same for the same. Throws PresenceError SCOPE_INVALID while rendering, where an error boundary finds it. */
function questionOf(kind: string, scope: LiveScope): string {
  return JSON.stringify([kind, ...scopePairs(scope)]);
}
