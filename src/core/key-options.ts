/** The options that everything which opens a prefix must agree on: recorder, projector and reader extend them. */
import { PREFIX, PREFIX_LENGTH_MAX, SHARDS_MAX } from "./limits.ts";
import { invalid, type Known, whole } from "./options.ts";

export interface KeyOptions {
  /**
   * The prefix of all keys, so that several applications can share one Redis. 1 to 128 characters, without braces and white
   * space. Default `presence`.
   */
  readonly prefix?: string | undefined;
  /**
   * The number of shards that users are spread over. More than one is for a Redis Cluster, or for more changes than one log
   * can take. 1 to 1,024, default 1. It cannot be changed while the prefix is in use: SHARDS_MISMATCH.
   */
  readonly shards?: number | undefined;
}

export const KEY_OPTIONS: Known<KeyOptions> = { prefix: true, shards: true };

/** Throws PresenceError OPTIONS_INVALID. Checks only these options. */
export function resolveKeyOptions({ prefix = PREFIX, shards = 1 }: KeyOptions) {
  const isText = typeof prefix === "string" && prefix !== "" && prefix.length <= PREFIX_LENGTH_MAX;
  if (!isText || /[{}\s]/.test(prefix)) {
    invalid(
      `prefix must be 1 to ${PREFIX_LENGTH_MAX} characters without braces and white space, got ${JSON.stringify(prefix)}`,
    );
  }
  return { prefix, shards: whole("shards", shards, 1, SHARDS_MAX) };
}
