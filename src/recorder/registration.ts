/**
 * A look at the registration of our own process in one shard: has the projector fenced, ended or lost us? Pure.
 */
import type { ShardKeys } from "../core/keys.ts";
import { isBefore } from "../core/stream-id.ts";
import type { ReadCommand, Reply, ReplyError } from "../redis/port.ts";

/**
 * `believed`: all is well. `unknown`: not folded yet, or Redis was emptied; only a call of the projector can tell. `over`:
 * register afresh; `state` is what the projector says of us, if it knows us. `unread`: Redis did not say.
 */
export type Registration =
  | { readonly is: "believed" | "unknown" | "unread" }
  | { readonly is: "over"; readonly state: string | null };

/** To be sent in the same round trip as our record of this seq, after it. */
export function registrationCommands(keys: ShardKeys, process: string): readonly ReadCommand[] {
  return [
    ["HMGET", keys.process(process), "state", "seq"],
    ["HMGET", keys.totals, "folded", "shards"],
  ];
}

/** What the replies say, after the record `seq` was appended as the entry `id`. */
export function readRegistration(
  [registration, totals]: readonly (Reply | ReplyError)[],
  { seq, id }: { readonly seq: number; readonly id: string },
): Registration {
  if (!Array.isArray(registration) || !Array.isArray(totals)) return { is: "unread" };
  const [state = null, folded] = registration as (string | null)[];
  const [foldedId] = totals as (string | null)[];
  const passed = typeof foldedId === "string" && !isBefore(foldedId, id);
  const lost = passed && Number(folded ?? 0) < seq;
  if (state === "fenced" || state === "ended" || lost) return { is: "over", state };
  return { is: state === "live" ? "believed" : "unknown" };
}
