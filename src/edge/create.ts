/** Reader, projector and webhook over @upstash/redis only, so that a bundle for the edge contains no other client. */
import { PresenceError } from "../core/errors.ts";
import { refuseUnknown } from "../core/options.ts";
import { PROJECTOR_INPUT, type ProjectorOptions } from "../projector/options.ts";
import { type Projector, projectorOver } from "../projector/projector.ts";
import type { Subscriber } from "../subscriber/subscriber.ts";
import { type NamedWebhookOptions, WEBHOOK_INPUT } from "../webhooks/options.ts";
import { webhookOver } from "../webhooks/over-fetch.ts";
import { READER_INPUT, type ReaderOptions } from "../reader/options.ts";
import { type Reader, readerOver } from "../reader/reader.ts";
import { isUpstash, type UpstashClient, upstashReadPort, upstashWritePort } from "../redis/upstash.ts";

export interface EdgeReaderInput extends ReaderOptions {
  /** A client of @upstash/redis; the read-only token is enough. `upstashClient` creates one with the right settings. */
  readonly redis: UpstashClient;
}

export interface EdgeProjectorInput extends ProjectorOptions {
  /** A client of @upstash/redis with the token that can write. `upstashClient` creates one with the right settings. */
  readonly redis: UpstashClient;
}

export interface EdgeWebhookInput extends NamedWebhookOptions {
  /** A client of @upstash/redis with the token that can write. `upstashClient` creates one with the right settings. */
  readonly redis: UpstashClient;
}

/** A reader over Upstash's REST API. Throws PresenceError OPTIONS_INVALID. */
export function createReader(input: EdgeReaderInput): Reader {
  refuseUnknown(input, READER_INPUT, "createReader");
  const { redis, ...options } = input;
  return readerOver(upstashReadPort(checked(redis)), options);
}

/** A projector over Upstash's REST API, with `step`, `sweep`, `verify`, `evict` and `forget`. Throws PresenceError OPTIONS_INVALID. */
export function createProjector(input: EdgeProjectorInput): Projector {
  refuseUnknown(input, PROJECTOR_INPUT, "createProjector");
  const { redis, ...options } = input;
  return projectorOver(upstashWritePort(checked(redis)), options);
}

/**
 * A webhook over Upstash's REST API, with `deliver`, sent by fetch. Private addresses and names are refused as far as the URL shows them; what
 * a name resolves to is up to the platform (docs/webhooks.md). Throws PresenceError OPTIONS_INVALID.
 *
 *   const webhook = createWebhook({ redis: upstashClient({ url, token }), name: "crm", url: hook, secrets: [secret] });
 *   await webhook.deliver({ budget: { requests: 40 } });
 */
export function createWebhook(input: EdgeWebhookInput): Subscriber {
  refuseUnknown(input, WEBHOOK_INPUT, "createWebhook");
  const { redis, ...options } = input;
  return webhookOver(upstashWritePort(checked(redis)), options);
}

function checked(redis: unknown): UpstashClient {
  if (isUpstash(redis)) return redis;
  throw new PresenceError("OPTIONS_INVALID", "redis must be a client of @upstash/redis");
}
