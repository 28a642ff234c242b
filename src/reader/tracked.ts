/** Whether a scope in which nobody is counts as empty, or is not known at all: an unknown number is never answered with 0. */
import { PresenceError } from "../core/errors.ts";
import { isTracked } from "../core/scope-patterns.ts";
import type { View } from "../core/view.ts";
import { texts } from "../redis/decode.ts";
import type { ShardAsOf } from "./as-of.ts";

const ASKED = "tracks of the totals";

/** What the process that registered last tracks, in any shard. */
export function patternsOf(parts: readonly Pick<ShardAsOf, "tracks">[]): string[] {
  const patterns = new Set<string>();
  for (const { tracks } of parts) {
    if (tracks === null || tracks === "") continue;
    let list: unknown;
    try {
      list = JSON.parse(tracks);
    } catch {
      // Only a manual edit can have caused it.
      continue;
    }
    if (Array.isArray(list)) for (const pattern of texts(list as string[], ASKED)) patterns.add(pattern);
  }
  return [...patterns];
}

/** `own`: what this process tracks. Throws PresenceError SCOPE_UNTRACKED. */
export function checkTracked({ scope }: View, parts: readonly ShardAsOf[], own: readonly string[]): void {
  if (scope === undefined || parts.some(({ users, sockets }) => users + sockets > 0)) return;
  const patterns = [...patternsOf(parts), ...own];
  const tracked = isTracked(patterns, scope);
  if (tracked === "yes") return;
  const message =
    patterns.length === 0
      ? "no scope is tracked under this prefix: set `rooms` in createPresence, on all servers (`rooms: []` for namespaces alone)"
      : tracked === "no"
        ? "this namespace or room is not tracked: add it to `rooms`, or its namespace to `namespaces`, on all servers"
        : "nobody is there, and a function or a RegExp decides what is tracked, so an empty room cannot be told from one that is not tracked: use names in `rooms`";
  throw new PresenceError("SCOPE_UNTRACKED", message);
}
