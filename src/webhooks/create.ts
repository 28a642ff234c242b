/** createWebhook: a durable subscriber over ioredis or @upstash/redis that posts to a URL. On Node and Bun. */
import { refuseUnknown } from "../core/options.ts";
import type { RedisInput } from "../redis/connect.ts";
import { isUpstash, type UpstashClient, upstashWritePort } from "../redis/upstash.ts";
import { type LoopSubscriber, loopSubscriber } from "../subscriber/loop.ts";
import type { HandleBatch } from "../subscriber/options.ts";
import { type Subscriber, subscriberOver, telemetryOfSubscriber } from "../subscriber/subscriber.ts";
import { type HandlerInternals, webhookHandler } from "./handler.ts";
import { nodeSend, type NodeSendOptions } from "./node-send.ts";
import {
  type NamedWebhookOptions,
  resolveWebhookOptions,
  type ResolvedWebhook,
  WEBHOOK_INPUT,
} from "./options.ts";

/** The options of createWebhook(). */
export interface WebhookInput<Client extends RedisInput | UpstashClient> extends NamedWebhookOptions {
  /** A redis:// or rediss:// URL, an ioredis client or Cluster, or a client of @upstash/redis with write credentials. */
  readonly redis: Client;
}

/** For tests, and what a creator shares. */
export type WebhookInternals = Omit<NodeSendOptions, "allowed"> & Pick<HandlerInternals, "telemetry">;

/** The handler on Node: it sends to checked addresses only. */
export function nodeWebhookHandler(webhook: ResolvedWebhook, internals: WebhookInternals = {}): HandleBatch {
  const { telemetry, ...sending } = internals;
  return webhookHandler(webhook, nodeSend({ ...sending, allowed: webhook.allowed }), { telemetry });
}

/**
 * A webhook: a durable subscriber that sends each change to `url`, signed as Standard Webhooks 1.0 says (docs/webhooks.md). An answer with a
 * status from 200 to 299 is success; 410 disables it; anything else is repeated. Over @upstash/redis it has `deliver`, over ioredis also `run` and
 * `close`. Throws PresenceError OPTIONS_INVALID.
 *
 *   await using webhook = createWebhook({
 *     redis: "redis://127.0.0.1:6379",
 *     name: "crm",
 *     url: "https://crm.example/hooks/presence",
 *     secrets: [process.env.CRM_SECRET],
 *     types: ["user.offline"],
 *   });
 *   await webhook.run({ signal });
 */
export function createWebhook(input: WebhookInput<RedisInput>, internals?: WebhookInternals): LoopSubscriber;
export function createWebhook(input: WebhookInput<UpstashClient>, internals?: WebhookInternals): Subscriber;
export function createWebhook(
  input: WebhookInput<RedisInput | UpstashClient>,
  internals?: WebhookInternals,
): Subscriber {
  refuseUnknown(input, WEBHOOK_INPUT, "createWebhook");
  const { redis, ...given } = input;
  const { subscriber, ...webhook } = resolveWebhookOptions(given);
  const telemetry = telemetryOfSubscriber(subscriber);
  const handle = nodeWebhookHandler(webhook, { ...internals, telemetry });
  if (isUpstash(redis))
    return subscriberOver(upstashWritePort(redis), handle, subscriber, { telemetry }).subscriber;
  return loopSubscriber(redis, handle, subscriber, { telemetry });
}
