import { PresenceError } from "../core/errors.ts";
import { keysOf } from "../core/keys.ts";
import type { Reply, ReplyError } from "./port.ts";

type Ask = (command: readonly ["HMGET", string, string]) => Promise<Reply | ReplyError | undefined>;

/**
 * Throws SHARDS_MISMATCH when the prefix is in use with another number of shards. One shard and several shards use different
 * keys, so the check in the projector's script (same keys, another number) cannot detect that.
 */
export async function checkShards(ask: Ask, prefix: string, shards: number): Promise<void> {
  const other = keysOf(prefix, 0, shards === 1 ? 2 : 1);
  const reply = await ask(["HMGET", other.totals, "shards"]);
  const found = Array.isArray(reply) ? reply[0] : null;
  if (found !== null && found !== undefined) throw shardsMismatch(String(found), shards);
}

/** The error for a prefix that is in use with `found` shards. */
export function shardsMismatch(found: string, shards: number): PresenceError {
  return new PresenceError(
    "SHARDS_MISMATCH",
    `this prefix was opened with ${found} shard(s), not ${shards}: use the same \`shards\` everywhere, or another \`prefix\``,
  );
}
