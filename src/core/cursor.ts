/**
 * Cursors are opaque to callers. They are plain URL-safe text, so that they are readable in a log.
 *
 * Those of a scope begin with its mark: positions in `moves` look like positions in `changes`, and where a listing of one scope stands
 * means nothing in another. A cursor that is used elsewhere is an error, and never brings other changes than it stands for.
 */
import { PresenceError } from "./errors.ts";
import { fnv1a } from "./shard.ts";
import { isStreamId } from "./stream-id.ts";

/** A position in `users`: the shard and the HSCAN cursor inside it; and the position in `changes` at the first page. */
export interface PageCursor {
  readonly shard: number;
  readonly scan: string;
  readonly changes: string;
}

export function encodePageCursor({ shard, scan, changes }: PageCursor): string {
  return `p${shard}.${scan}.${changes}`;
}

/** Throws PresenceError CURSOR_INVALID for text that encodePageCursor cannot return for this number of shards and this mark. */
export function decodePageCursor(text: string, shards: number, mark = ""): PageCursor {
  const [, shard, scan, changes = ""] = /^p(\d{1,4})\.(\d{1,20})\.(.*)$/.exec(text) ?? [];
  const isOurs =
    Number(shard) < shards &&
    BigInt(scan ?? 0) <= 0xffff_ffff_ffff_ffffn &&
    idsOf(changes, shards, mark) !== undefined;
  if (!isOurs) throw new PresenceError("CURSOR_INVALID", "invalid cursor; start again without one");
  return { shard: Number(shard), scan: scan!, changes };
}

/** What the cursors of a scope begin with; empty for the whole. */
export function markOf(scope: string | undefined): string {
  return scope === undefined ? "" : `m${fnv1a(scope).toString(16).padStart(8, "0")}.`;
}

/** A position in `changes`, or with a mark in `moves`: the id of the last entry read, per shard. */
export function encodeChangesCursor(ids: readonly string[], mark = ""): string {
  return mark + ids.join("_");
}

/** Throws PresenceError CURSOR_INVALID for text that encodeChangesCursor cannot return for this number of shards and this mark. */
export function decodeChangesCursor(text: string, shards: number, mark = ""): string[] {
  const ids = idsOf(text, shards, mark);
  if (ids !== undefined) return ids;
  throw new PresenceError(
    "CURSOR_INVALID",
    mark === ""
      ? "invalid cursor; take one from a snapshot"
      : "invalid cursor; take one from a snapshot of the same namespace or room",
  );
}

function idsOf(text: string, shards: number, mark: string): string[] | undefined {
  if (!text.startsWith(mark)) return undefined;
  const ids = text.slice(mark.length).split("_");
  return ids.length === shards && ids.every((id) => isStreamId(id)) ? ids : undefined;
}
