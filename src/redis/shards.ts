import { PresenceError } from "../core/errors.ts";
import { keysOf } from "../core/keys.ts";
import { checkAgreement } from "../core/mac.ts";
import type { Reply, ReplyError } from "./port.ts";

type Ask = (
  command: readonly ["HMGET", string, string, ...string[]],
) => Promise<Reply | ReplyError | undefined>;

/**
 * Throws SHARDS_MISMATCH when the prefix is in use with another number of shards. Shard 0 has the same keys whatever the number,
 * and its totals say it; the other shards of another number are other keys, where nothing would be found.
 * Throws REDIS_TYPE, with the name of the key, when those totals are none. `mac`: the keys of one that appends or folds records
 * (core/mac.ts); throws RECORD_KEYS_MISMATCH when the prefix is in use with others.
 */
export async function checkShards(ask: Ask, prefix: string, shards: number, mac?: string): Promise<void> {
  const { totals } = keysOf(prefix, 0, shards);
  const more = mac === undefined ? [] : ["mac"];
  const reply = await ask(["HMGET", totals, "shards", ...more]).catch((error: unknown) => {
    if (!(error instanceof PresenceError) || error.code !== "REDIS_TYPE") throw error;
    throw new PresenceError(
      "REDIS_TYPE",
      `${totals} holds a value that Rollcall did not write: rename or delete it`,
      { cause: error },
    );
  });
  const [found = null, theirs] = Array.isArray(reply) ? (reply as (string | null | undefined)[]) : [];
  if (found === null) return;
  if (found !== String(shards)) throw shardsMismatch(found, shards);
  if (mac !== undefined) checkAgreement(mac, theirs ?? "");
}

/** The error for a prefix that is in use with `found` shards. */
export function shardsMismatch(found: string, shards: number): PresenceError {
  return new PresenceError(
    "SHARDS_MISMATCH",
    `this prefix was opened with ${found} shard(s), not ${shards}: use the same \`shards\` everywhere, or another \`prefix\``,
  );
}
