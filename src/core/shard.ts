import { eachUtf8Byte } from "./utf8.ts";

/**
 * The shard of a user: FNV-1a, 32 bits, over the UTF-8 bytes of the id, modulo the number of shards.
 * Recorders in every language must agree on it (docs/protocol.md, "Shards"), so it never changes.
 */
export function shardOf(user: string, shards: number): number {
  return shards === 1 ? 0 : fnv1a(user) % shards;
}

/** FNV-1a, 32 bits, over the UTF-8 bytes of a text. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  eachUtf8Byte(text, (byte) => {
    hash = Math.imul(hash ^ byte, 0x01000193);
  });
  return hash >>> 0;
}
