/** createSubscriber: a durable subscriber over ioredis or @upstash/redis. */
import { callable, refuseUnknown } from "../core/options.ts";
import type { RedisInput } from "../redis/connect.ts";
import { isUpstash, type UpstashClient, upstashWritePort } from "../redis/upstash.ts";
import { type LoopSubscriber, loopSubscriber } from "./loop.ts";
import {
  type Handle,
  type HandleBatch,
  resolveSubscriberOptions,
  SUBSCRIBER_INPUT,
  type SubscriberOptions,
} from "./options.ts";
import { type Subscriber, subscriberOver } from "./subscriber.ts";

/** The options of createSubscriber(). With `batch` the handler gets lists. */
export type SubscriberInput<Client extends RedisInput | UpstashClient> = Omit<SubscriberOptions, "batch"> & {
  /** A redis:// or rediss:// URL, an ioredis client or Cluster, or a client of @upstash/redis with write credentials. */
  readonly redis: Client;
} & (
    | { readonly batch?: undefined; readonly handle: Handle }
    | { readonly batch: number; readonly handle: HandleBatch }
  );

/**
 * A durable subscriber. Over @upstash/redis it has `deliver`, for scheduled functions; over ioredis also `run`, which needs blocking reads,
 * and `close`. Throws PresenceError OPTIONS_INVALID.
 *
 *   await using billing = createSubscriber({
 *     redis: "redis://127.0.0.1:6379",
 *     name: "billing",
 *     filter: { types: ["offline"] },
 *     handle: async (change, { id, signal }) => bill(change.user, { idempotencyKey: id, signal }),
 *   });
 *   await billing.run({ signal });
 */
export function createSubscriber(input: SubscriberInput<RedisInput>): LoopSubscriber;
export function createSubscriber(input: SubscriberInput<UpstashClient>): Subscriber;
export function createSubscriber(input: SubscriberInput<RedisInput | UpstashClient>): Subscriber {
  refuseUnknown(input, SUBSCRIBER_INPUT, "createSubscriber");
  const { redis, handle, ...given } = input;
  const options = resolveSubscriberOptions(given);
  callable("handle", handle, "a function of a delivery");
  if (isUpstash(redis)) return subscriberOver(upstashWritePort(redis), handle, options).subscriber;
  return loopSubscriber(redis, handle, options);
}
