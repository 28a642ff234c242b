/** The keys of a durable subscriber as they are in Redis, in the form of the reference model. */
import type { Redis } from "ioredis";
import { inOrder, type PlainSubscriber } from "../model/subscriber.ts";
import { plain } from "../model/plain.ts";
import { type ShardKeys, subscriberKeysOf } from "../src/core/keys.ts";

/** Fields that hold text; the others hold numbers. */
const TEXTS = new Set(["holder", "entry", "error", "phase", "window", "begun", "disabled", "from", "of"]);
/** Where a comparison is: cursors of Redis. */
const INTERNAL = new Set(["scan", "pending", "inner", "failing"]);

export async function readSubscriber(redis: Redis, keys: ShardKeys, name: string): Promise<PlainSubscriber> {
  const { state, known, inbox, dead } = subscriberKeysOf(keys, name);
  const [fields, members, queue, letters, served] = await Promise.all([
    redis.hgetall(state),
    redis.smembers(known),
    redis.xrange(inbox, "-", "+"),
    redis.xrange(dead, "-", "+"),
    redis.zscore(keys.subscribers, name),
  ]);
  const said = Object.entries(fields).filter(
    ([field, value]) => !INTERNAL.has(field) && value !== "" && value !== "0",
  );
  return {
    ...(Object.keys(fields).length > 0 && {
      state: plain(said.map(([field, value]) => [field, TEXTS.has(field) ? value : Number(value)])),
    }),
    ...(served !== null && { served: Number(served) }),
    known: members.sort(),
    inbox: queue.map(([id, own]) => ({ id, fields: inOrder(own) })),
    dead: letters.map(([id, own]) => {
      const letter = plain(own.flatMap((field, i) => (i % 2 === 0 ? [[field, own[i + 1]!] as const] : [])));
      return {
        id,
        delivery: letter["delivery"] ?? "",
        error: letter["error"] ?? "",
        attempts: Number(letter["attempts"]),
      };
    }),
  };
}
