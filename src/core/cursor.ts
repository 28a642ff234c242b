/**
 * Cursors are opaque to callers. They are plain URL-safe text, so that they are readable in a log.
 */
import { PresenceError } from "./errors.ts";
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

/** Throws PresenceError CURSOR_INVALID for text that encodePageCursor cannot return for this number of shards. */
export function decodePageCursor(text: string, shards: number): PageCursor {
  const [, shard, scan, changes] = /^p(\d{1,4})\.(\d{1,20})\.([\d_-]+)$/.exec(text) ?? [];
  const ids = changes?.split("_") ?? [];
  const isOurs =
    Number(shard) < shards &&
    BigInt(scan ?? 0) <= 0xffff_ffff_ffff_ffffn &&
    ids.length === shards &&
    ids.every((id) => isStreamId(id));
  if (!isOurs) throw new PresenceError("CURSOR_INVALID", "invalid cursor; start again without one");
  return { shard: Number(shard), scan: scan!, changes: changes! };
}

/** A position in `changes`: the id of the last entry read, per shard. */
export function encodeChangesCursor(ids: readonly string[]): string {
  return ids.join("_");
}

/** Throws PresenceError CURSOR_INVALID for text that encodeChangesCursor cannot return for this number of shards. */
export function decodeChangesCursor(text: string, shards: number): string[] {
  const ids = text.split("_");
  if (ids.length !== shards || !ids.every((id) => isStreamId(id))) {
    throw new PresenceError("CURSOR_INVALID", "invalid cursor; take one from a snapshot");
  }
  return ids;
}
