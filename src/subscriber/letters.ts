/** The dead letters of a subscriber: what was given up, to be looked at, tried again or dropped. */
import { decodeDelivery, type Delivery } from "../core/delivery.ts";
import { type ShardKeys, subscriberKeysOf } from "../core/keys.ts";
import { msOf } from "../core/stream-id.ts";
import { entriesOf, integer } from "../redis/decode.ts";
import { redisError } from "../redis/errors.ts";
import { ReplyError, type WritePort } from "../redis/port.ts";
import { type DeadLettersOptions, letterOf, resolveLettersOptions } from "./options.ts";
import type { SubscriberScript } from "./script.ts";

/** A delivery that was given up. */
export interface DeadLetter {
  /** Of the letter, for retry() and drop(): `<shard>.<stream id>`. */
  readonly id: string;
  readonly delivery: Delivery;
  /** How often it was tried. */
  readonly attempts: number;
  /** The message of the last error, at most 500 characters. */
  readonly error: string;
  /** When it was given up, on Redis's clock. */
  readonly at: Date;
}

export interface DeadLetterPage {
  /** By shard, the oldest first. */
  readonly letters: readonly DeadLetter[];
  /** For `after`; null: there are no more. */
  readonly next: string | null;
}

export interface DeadLetters {
  /** A page of them. Rejects with REDIS_UNAVAILABLE, OPTIONS_INVALID and as every command can. */
  list(options?: DeadLettersOptions): Promise<DeadLetterPage>;
  /** How many there are. */
  count(): Promise<number>;
  /**
   * Has it delivered again, with its own id, before the changes that come next. Resolves with false if it is not there any more.
   */
  retry(id: string): Promise<boolean>;
  /** Removes it. Resolves with false if it is not there any more. */
  drop(id: string): Promise<boolean>;
}

const ASKED = "XRANGE of dead letters";

export function deadLettersOf(
  port: WritePort,
  keys: readonly ShardKeys[],
  name: string,
  scripts: readonly SubscriberScript[],
  open: () => Promise<void>,
): DeadLetters {
  const streams = keys.map((own) => subscriberKeysOf(own, name).dead);
  const shards = keys.length;

  async function read(shard: number, from: string, count: number): Promise<DeadLetter[]> {
    const [reply] = await port.pipeline([["XRANGE", streams[shard]!, from, "+", "COUNT", String(count)]]);
    if (reply instanceof ReplyError) throw redisError(reply);
    return entriesOf(reply, ASKED).flatMap(({ id, fields }) => {
      const [, delivery = "", , error = "", , attempts = "0"] = fields;
      const decoded = decodeDelivery(delivery);
      if (decoded === null) return [];
      return [
        {
          id: `${shard}.${id}`,
          delivery: decoded,
          attempts: Number(attempts),
          error,
          at: new Date(msOf(id)),
        },
      ];
    });
  }

  return {
    async list(options = {}) {
      const { after, limit } = resolveLettersOptions(options);
      const start = after === undefined ? undefined : letterOf(after, shards);
      await open();
      const letters: DeadLetter[] = [];
      for (let shard = start?.shard ?? 0; shard < shards; shard++) {
        const from = shard === start?.shard ? `(${start.entry}` : "-";
        letters.push(...(await read(shard, from, limit + 1 - letters.length)));
        if (letters.length > limit) break;
      }
      const page = letters.slice(0, limit);
      return { letters: page, next: letters.length > limit ? page.at(-1)!.id : null };
    },
    async count() {
      await open();
      let all = 0;
      for (const stream of streams) {
        const [reply] = await port.pipeline([["XLEN", stream]]);
        if (reply instanceof ReplyError) throw redisError(reply);
        all += integer(reply, "XLEN of dead letters");
      }
      return all;
    },
    async retry(id) {
      const { shard, entry } = letterOf(id, shards);
      await open();
      return (await scripts[shard]!.retry(entry)).number === 1;
    },
    async drop(id) {
      const { shard, entry } = letterOf(id, shards);
      await open();
      return (await scripts[shard]!.drop(entry)).number === 1;
    },
  };
}
