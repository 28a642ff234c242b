/** A webhook over any port, sent by what the platform has: for functions. */
import type { WritePort } from "../redis/port.ts";
import { type Subscriber, subscriberOver, telemetryOfSubscriber } from "../subscriber/subscriber.ts";
import { webhookHandler } from "./handler.ts";
import { type NamedWebhookOptions, resolveWebhookOptions, type ResolvedWebhook } from "./options.ts";
import { type Send, sendByFetch } from "./send.ts";

export interface OverFetch {
  /** How it sends. Default: by fetch. */
  readonly send?: ((webhook: Pick<ResolvedWebhook, "allowed">) => Send) | undefined;
  /** Called before each request to the receiver. */
  readonly onSend?: (() => void) | undefined;
}

/** Throws PresenceError OPTIONS_INVALID. */
export function webhookOver(
  port: WritePort,
  options: NamedWebhookOptions,
  { send = () => sendByFetch, onSend }: OverFetch = {},
): Subscriber {
  const { subscriber, ...webhook } = resolveWebhookOptions(options);
  const telemetry = telemetryOfSubscriber(subscriber);
  const handle = webhookHandler(webhook, send(webhook), { onSend, telemetry });
  return subscriberOver(port, handle, subscriber, { telemetry }).subscriber;
}
