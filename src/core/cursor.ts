/**
 * Cursors are opaque to whoever holds them. They are plain URL-safe text, so that one can be read in a log.
 */
import { PresenceError } from "./errors.ts";
import { isStreamId } from "./stream-id.ts";

/** A place in `users`: which shard, and the cursor of Redis's HSCAN inside it. */
export interface PageCursor {
  readonly shard: number;
  readonly scan: string;
}

export const FIRST_PAGE: PageCursor = { shard: 0, scan: "0" };

export function encodePageCursor(cursor: PageCursor): string {
  return `p${cursor.shard}.${cursor.scan}`;
}

/** Throws PresenceError CURSOR_INVALID for text that encodePageCursor cannot have made for this many shards. */
export function decodePageCursor(text: string, shards: number): PageCursor {
  const match = /^p(\d{1,4})\.(\d{1,20})$/.exec(text);
  const shard = Number(match?.[1]);
  if (match === null || shard >= shards || BigInt(match[2]!) > 0xffff_ffff_ffff_ffffn) {
    throw new PresenceError("CURSOR_INVALID", "this cursor is none of ours; start again without one");
  }
  return { shard, scan: match[2]! };
}

/** A place in `changes`: the id of the last entry seen, shard by shard. */
export function encodeChangesCursor(ids: readonly string[]): string {
  return ids.join("_");
}

/** Throws PresenceError CURSOR_INVALID for text that encodeChangesCursor cannot have made for this many shards. */
export function decodeChangesCursor(text: string, shards: number): string[] {
  const ids = text.split("_");
  if (ids.length !== shards || !ids.every((id) => isStreamId(id))) {
    throw new PresenceError("CURSOR_INVALID", "this cursor is none of ours; take one from a snapshot");
  }
  return ids;
}
