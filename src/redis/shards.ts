import { PresenceError } from "../core/errors.ts";
import { keysOf } from "../core/keys.ts";
import type { Reply, ReplyError } from "./port.ts";

type Ask = (command: readonly ["HMGET", string, string]) => Promise<Reply | ReplyError | undefined>;

/**
 * Throws SHARDS_MISMATCH when the prefix is in use with another number of shards. Shard 0 has the same keys whatever the number,
 * and its totals say it; the other shards of another number are other keys, where nothing would be found.
 */
export async function checkShards(ask: Ask, prefix: string, shards: number): Promise<void> {
  const reply = await ask(["HMGET", keysOf(prefix, 0, shards).totals, "shards"]);
  const found = Array.isArray(reply) ? reply[0] : null;
  if (found !== null && found !== undefined && found !== String(shards))
    throw shardsMismatch(String(found), shards);
}

/** The error for a prefix that is in use with `found` shards. */
export function shardsMismatch(found: string, shards: number): PresenceError {
  return new PresenceError(
    "SHARDS_MISMATCH",
    `this prefix was opened with ${found} shard(s), not ${shards}: use the same \`shards\` everywhere, or another \`prefix\``,
  );
}
