/** The webhook of a scheduled function, with a count of all its requests: a platform allows few. */
import type { WritePort } from "../redis/port.ts";
import { upstashWritePort } from "../redis/upstash.ts";
import type { Delivered } from "../subscriber/subscriber.ts";
import type { NamedWebhookOptions } from "../webhooks/options.ts";
import { type OverFetch, webhookOver } from "../webhooks/over-fetch.ts";
import type { RestCredentials } from "./environment.ts";
import { upstashClient } from "./upstash.ts";

/** What one call of deliver() has done. */
export interface DeliverySummary extends Delivered {
  /** To Redis and to the receiver, repeated ones too. */
  readonly requests: number;
}

export interface DeliveryBudget {
  readonly requests: number;
  readonly ms: number;
  /** Ends it after what is under way. */
  readonly signal: AbortSignal;
}

/** Delivers what is due. Rejects as Subscriber.deliver() does. */
export type Deliver = (budget: DeliveryBudget) => Promise<DeliverySummary>;

export function deliverOver(
  credentials: RestCredentials,
  options: NamedWebhookOptions,
  send?: OverFetch["send"],
): Deliver {
  let made = 0;
  const count = () => void made++;
  const port = upstashWritePort(upstashClient(credentials, count));
  const counted: WritePort = {
    call(command) {
      count();
      return port.call(command);
    },
    pipeline(commands) {
      count();
      return port.pipeline(commands);
    },
  };
  const subscriber = webhookOver(counted, options, { send, onSend: count });
  return async ({ requests, ms, signal }) => {
    const before = made;
    const delivered = await subscriber.deliver({ budget: { requests, ms }, signal });
    return { ...delivered, requests: made - before };
  };
}
